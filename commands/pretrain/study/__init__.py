"""A scaling study: a grid of pretrainings, scored on tasks, and what the scores say of scale."""

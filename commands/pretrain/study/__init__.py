"""A scaling study: a grid of pretrainings, and the effect of scale on their scores."""

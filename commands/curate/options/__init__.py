"""The blocks of the curate recipe, one a step. Nothing here imports numpy."""

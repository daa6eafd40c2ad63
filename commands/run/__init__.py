"""`medfm run`: several verbs, one recipe."""

"""The recipes that ship with medfm: data only."""

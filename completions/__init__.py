"""Shell completions that ship with medfm: generated, data only."""

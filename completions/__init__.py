"""Shell completions shipped with medfm: generated, data only."""

"""`medfm eval`."""

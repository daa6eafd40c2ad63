"""`medfm curate`."""

"""`medfm recipes`: the shipped recipes."""

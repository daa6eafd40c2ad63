"""The checks of quality, one file a kind of sample: each gives a reason, or an empty text."""

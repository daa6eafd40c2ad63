"""Quality checks, one file for each kind of sample: each gives a reason, or an empty text."""

"""The command line: its commands, their options, and the way from a verb to its outcome."""

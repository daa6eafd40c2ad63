"""A command for tests: its bug lies outside of every guard."""

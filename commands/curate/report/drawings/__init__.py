"""Samples drawn as those who read them every day expect to see them, without matplotlib."""

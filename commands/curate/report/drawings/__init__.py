"""Samples drawn in the way that those who read them every day expect."""

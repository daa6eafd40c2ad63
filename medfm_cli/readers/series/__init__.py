"""ICU stays: measurements at irregular times."""

"""The report of a curation, one file for each section."""

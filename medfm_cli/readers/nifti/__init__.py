"""NIfTI and Analyze volumes, and their segmentations."""

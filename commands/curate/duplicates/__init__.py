"""Duplicates within a dataset and contamination between datasets."""

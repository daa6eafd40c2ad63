"""Judging a classifier on a dataset: what every verb that scores has in common.

Cases are images (tiles averaged), intervals are over subjects, and small numbers are said to be
small. `medfm_cli.metrics` computes; this package knows datasets, run directories and reports.
"""

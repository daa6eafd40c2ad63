"""Evaluate a classifier on a dataset: the code that all scoring verbs share.

Cases are images (tiles averaged), intervals are over subjects, and small samples have a warning.
`medfm_cli.metrics` computes; this package knows datasets, run directories and reports.
"""

"""Splits and client partitions."""

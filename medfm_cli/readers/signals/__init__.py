"""Recordings over time: WFDB, EDF, tables, NumPy arrays and audio."""

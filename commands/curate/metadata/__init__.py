"""Metadata of files from outside of them: tables and folder names."""

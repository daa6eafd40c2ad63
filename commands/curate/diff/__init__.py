"""`medfm curate --diff OLD NEW`: what changed between two data sets.

Both manifests are streamed into a scratch file (SQLite), a row a sample with short hashes of its
values, so that memory does not grow with the number of samples.
"""

"""Similarity of images: fingerprints, Hamming search, clusters of near-duplicates."""

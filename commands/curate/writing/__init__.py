"""Writing the dataset: shards, manifest, quarantine, Croissant, linkage."""

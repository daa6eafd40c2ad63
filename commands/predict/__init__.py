"""`medfm predict`: labels for files from an exported bundle, without torch."""

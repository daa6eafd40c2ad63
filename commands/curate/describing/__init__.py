"""What a dataset is made of: counts from the catalog, measures from a sample of its contents."""

"""What a dataset is made of: counts from the ledger, measures from a sample of its contents."""

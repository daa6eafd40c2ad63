"""Reading: work units, workers, and the records they leave."""

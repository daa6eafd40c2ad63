"""One row is one sample: tables, Parquet, Arrow, texts, questions, WebDataset."""

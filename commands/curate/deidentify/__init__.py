"""De-identification: pseudonyms, dates, texts, pixels, and a rescan of the result."""

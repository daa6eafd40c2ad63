"""De-identification of free text."""

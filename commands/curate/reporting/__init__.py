"""The chapters of a curation's report, one file each; `report` puts them in order."""

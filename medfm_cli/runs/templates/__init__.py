"""The templates of the report page; a package so that they travel as package data."""

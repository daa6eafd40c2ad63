"""What writes the generated files."""

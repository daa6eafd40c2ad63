"""The recipe block `input`: what kind of sample is learned from, and how it becomes an input."""

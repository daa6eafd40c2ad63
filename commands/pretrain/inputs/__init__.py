"""The recipe block `input`: what kind of sample is learnt from, and how it becomes an input."""

"""The recipe block of each objective, one file each. Torch-free."""

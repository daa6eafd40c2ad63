"""Training on Accelerate: one loop for every verb, and the parts it is made of.

This module imports nothing heavy, so that options and the launcher can be used without torch.
"""

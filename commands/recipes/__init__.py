"""`medfm recipes`: the recipes that ship."""

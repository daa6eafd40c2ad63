"""The methods that are compared: models and baselines, one file each (interface: `base.Method`)."""

"""The methods that are compared: models and baselines, one file each, one face (`base.Method`)."""

"""`medfm schema`: the JSON Schema of recipes, for editors."""

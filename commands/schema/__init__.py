"""`medfm schema`: what a recipe may say, for editors."""

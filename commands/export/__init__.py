"""`medfm export`: a model directory becomes a bundle that runs without torch."""

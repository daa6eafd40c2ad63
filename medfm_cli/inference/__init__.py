"""Running exported bundles: numpy, the readers and ONNX Runtime. Nothing here needs torch."""

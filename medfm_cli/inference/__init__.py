"""Run exported bundles with numpy, the readers and ONNX Runtime, without torch."""

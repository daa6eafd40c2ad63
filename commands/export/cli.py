"""`medfm export RECIPE`."""

from medfm_cli.cli.signature import verb_command

command = verb_command(
    "export",
    summary="Turn a model into a bundle that predicts without torch, with its card and lineage.",
    details="Try: medfm export onnx model=MODEL data=DATASET",
)

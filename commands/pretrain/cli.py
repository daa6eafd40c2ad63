"""`medfm pretrain RECIPE`."""

from medfm_cli.cli.signature import verb_command

command = verb_command(
    "pretrain",
    summary="Train an encoder on images without labels.",
    details="Try: medfm pretrain mae-tiny data=DATASET",
)

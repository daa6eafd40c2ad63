"""`medfm finetune RECIPE`."""

from medfm_cli.cli.signature import verb_command

command = verb_command(
    "finetune",
    summary="Train a classifier from a pretrained encoder: a linear probe or all weights.",
    details="Try: medfm finetune probe data=DATASET model=MODEL",
)

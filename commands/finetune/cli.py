"""`medfm finetune RECIPE`."""

from medfm_cli.cli.signature import verb_command

command = verb_command(
    "finetune",
    summary="Teach a pretrained encoder a task: a linear probe, or all of its weights.",
    details="Try: medfm finetune probe data=DATASET model=MODEL",
)

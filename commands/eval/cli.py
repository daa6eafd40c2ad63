"""`medfm eval RECIPE`."""

from medfm_cli.cli.signature import verb_command

command = verb_command(
    "eval",
    summary="Compare models with baselines, with confidence intervals over subjects.",
    details="Try: medfm eval compare data=DATASET models.mine=MODEL",
)

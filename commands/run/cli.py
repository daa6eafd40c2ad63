"""`medfm run RECIPE`."""

from medfm_cli.cli.signature import verb_command

command = verb_command(
    "run",
    summary="Run a pipeline: several verbs, one recipe, one report.",
    details="The top-level keys of the recipe are stages; the key says which verb a stage runs "
    "(or its `verb:` does), and `$stage` stands for what an earlier stage wrote. "
    "Try: medfm run quickstart",
)

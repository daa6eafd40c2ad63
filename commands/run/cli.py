"""`medfm run RECIPE`."""

from medfm_cli.cli.signature import verb_command

command = verb_command(
    "run",
    summary="Run a pipeline: several verbs, one recipe, one report.",
    details="The top-level keys of the recipe are stages; the key is the verb of the stage "
    "unless `verb:` names another, and `$stage` stands for the output of an earlier stage. "
    "Try: medfm run quickstart",
)

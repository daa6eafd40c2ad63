"""`medfm toy RECIPE`, in tests only."""

from medfm_cli.cli.signature import verb_command

command = verb_command("toy", summary="Count, and end as told.")

"""`medfm curate RECIPE`."""

from medfm_cli.verbs import verb_command

command = verb_command(
    "curate",
    summary="Turn raw files into a data set: read, check, de-identify, deduplicate, split, write.",
    details="Every file that is left out is listed with the step and the reason. "
    "Try: medfm curate dicom source=DIR",
)

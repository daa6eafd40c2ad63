"""The verbs: one folder each, nothing shared between them."""

VERBS: tuple[str, ...] = (
    "run",
    "curate",
    "pretrain",
    "finetune",
    "eval",
    "export",
    "predict",
    "recipes",
    "schema",
    "doctor",
)
"""Every command, in the order in which people meet them."""

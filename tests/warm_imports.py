"""What the process that others are forked from imports (see warm.py): no thread may start here."""

import importlib

import loopback

loopback.only()
for name in (
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "medfm_cli.cli.app",
    "medfm_cli.cli.command",
    "medfm_cli.commands.curate.engine",
    "medfm_cli.commands.eval.engine",
    "medfm_cli.commands.export.engine",
    "medfm_cli.commands.finetune.engine",
    "medfm_cli.commands.pretrain.engine",
    "medfm_cli.commands.run.engine",
    "scipy.ndimage",
    "scipy.signal",
    "timm",
):
    importlib.import_module(name)

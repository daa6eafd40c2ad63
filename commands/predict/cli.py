"""`medfm predict BUNDLE FILE…`."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    bundle: Annotated[
        str, typer.Argument(help="A bundle, or the run of an export or a pipeline that wrote it.")
    ],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="Images (DICOM, PNG, JPEG, TIFF, NPY, NIfTI or video), or folders with images.",
        ),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print every probability as one JSON document.")
    ] = False,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Images per run of the model, at most.")
    ] = 32,
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Threads of the model; 0 uses all cores.")
    ] = 0,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")
    ] = False,
) -> None:
    """Label image files with an exported bundle. Needs no torch.

    Images are cut as those of the training data were; frames and tiles of a file are averaged.
    Images that cannot be read are listed with the reason among the predictions, and the exit code
    is then 3. Of folders all images are taken, with their subfolders; a warning names other files.
    """
    from medfm_cli.console import Console
    from medfm_cli.envelope import guarded

    console = Console(0 if quiet else 1)
    with guarded(console, as_json=json):
        from medfm_cli.commands.predict.answer import answer

        code = answer(bundle, files, console, as_json=json, batch=batch, threads=threads)
        if code:
            raise SystemExit(code)


command.__name__ = "predict"

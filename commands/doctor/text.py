"""The diagnosis as plain text, one aligned line per fact."""

from __future__ import annotations

import platform
import textwrap
from typing import TYPE_CHECKING

from medfm_cli.commands.doctor.machine import GIB
from medfm_cli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medfm_cli.commands.doctor.diagnosis import Diagnosis
    from medfm_cli.commands.doctor.packages import Package

WIDTH, LINE = 12, 100


def as_text(diagnosis: Diagnosis) -> str:
    """The output of `medfm doctor`."""
    lines = [
        *_machine_lines(diagnosis),
        *_package_lines(diagnosis.packages),
        _line("decoders", _decoder_text(diagnosis)),
        *(_line("note", remark) for remark in diagnosis.remarks),
        *(_line("BROKEN", problem) for problem in diagnosis.broken),
    ]
    verdict = "medfm cannot work here" if diagnosis.broken else "medfm can work here"
    return "\n".join([*lines, _line("verdict", verdict)])


def _machine_lines(diagnosis: Diagnosis) -> Iterator[str]:
    here = diagnosis.machine
    yield _line("medfm", __version__)
    yield _line("python", f"{platform.python_version()} on {here.system}")
    yield _line("processor", f"{here.processor}, {here.usable_cores} of {here.cores} cores usable")
    free, total = here.memory_free / GIB, here.memory / GIB
    yield _line("memory", f"{free:.1f} of {total:.1f} GiB free")
    writable = "" if here.folder_writable else ", not writable"
    yield _line("disk", f"{here.disk_free / GIB:.1f} GiB free at '{here.folder}'{writable}")
    yield _line("graphics", "; ".join(here.gpus) or "no NVIDIA card found")
    if here.torch_device:
        yield _line("trains on", here.torch_device)


def _package_lines(packages: list[Package]) -> Iterator[str]:
    for extra in dict.fromkeys(item.extra for item in packages):
        texts = [_package_text(item) for item in packages if item.extra == extra]
        yield _line(extra or "base", ", ".join(texts))


def _package_text(package: Package) -> str:
    if package.version is None:
        return f"{package.name} MISSING"
    return f"{package.name} {package.version}{f' ({package.problem})' if package.problem else ''}"


def _decoder_text(diagnosis: Diagnosis) -> str:
    readable = sum(bool(decoder.plugins) for decoder in diagnosis.decoders)
    return f"{readable} of {len(diagnosis.decoders)} compressed DICOM transfer syntaxes"


def _line(name: str, text: str) -> str:
    return textwrap.fill(
        text,
        width=LINE,
        initial_indent=f"{name:<{WIDTH}}",
        subsequent_indent=" " * WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )

"""The findings of the doctor, and whether medfm can work with them."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medfm_cli.commands.doctor.decoders import Decoder, decoders
from medfm_cli.commands.doctor.machine import Machine, machine
from medfm_cli.commands.doctor.packages import Package, missing_extras, packages
from medfm_cli.version import __version__

LEAST_DISK = 2**30
LEAST_MEMORY = 2 * 2**30


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings; `broken` prevents medfm from working, `remarks` do not."""

    machine: Machine
    packages: list[Package]
    decoders: list[Decoder]
    broken: list[str]
    remarks: list[str]

    def to_json(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return {
            "medfm": __version__,
            "python": platform.python_version(),
            "executable": sys.executable,
            "machine": asdict(self.machine),
            "packages": [asdict(package) for package in self.packages],
            "missing_extras": missing_extras(self.packages),
            "decoders": [asdict(decoder) for decoder in self.decoders],
            "broken": self.broken,
            "remarks": self.remarks,
        }


def diagnose(folder: Path) -> Diagnosis:
    """Inspect packages, decoders and machine; runs would be written to `folder`."""
    found = packages()
    torch_installed = any(item.name == "torch" and item.version for item in found)
    here = machine(folder, torch_installed=torch_installed)
    decoding = decoders()
    return Diagnosis(here, found, decoding, _broken(found), _remarks(here, found, decoding))


def _broken(found: list[Package]) -> list[str]:
    if not found:
        return ["medfm is not installed as a package: pip install medfm"]
    return [
        f"{item.name} {item.problem or 'is missing'}: pip install --force-reinstall {item.name}"
        for item in found
        if not item.extra and not item.usable
    ]


def _remarks(here: Machine, found: list[Package], decoding: list[Decoder]) -> list[str]:
    extras = missing_extras(found).items()
    remarks = [f"the extra '{name}' is incomplete: {command}" for name, command in extras]
    remarks += [f"{decoder.name} cannot be decoded" for decoder in decoding if not decoder.plugins]
    if not here.folder_writable:
        remarks.append(f"'{here.folder}' is not writable: use another --out for runs")
    if here.disk_free < LEAST_DISK:
        remarks.append(f"less than 1 GiB of disk is free at '{here.folder}'")
    if here.memory_free < LEAST_MEMORY:
        remarks.append("less than 2 GiB of memory is free: use small batches")
    if here.gpus and here.torch_device == "cpu":
        remarks.append("there is a graphics card, but the installed torch cannot use it")
    return remarks

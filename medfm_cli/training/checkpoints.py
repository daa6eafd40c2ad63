"""Checkpoints on disk: safetensors and JSON, written whole or not at all.

A checkpoint is a folder `step-00000120/` with one safetensors file for each group of tensors
(where weights are sharded, one for each process: see `sharding`),
`state.json`, and `complete.json`: the sha256 of every other file. It is built under a temporary
name, flushed to disk and renamed. A folder without a marker that fits is torn, and is passed over.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medfm_cli.errors import EnvironmentProblem
from medfm_cli.runs.atomic import replace_dir, under_way

if TYPE_CHECKING:
    from torch import Tensor

_MARKER = "complete.json"
_STATE = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint."""

    path: Path
    step: int
    state: dict[str, Any]

    def tensors(self, group: str) -> dict[str, Tensor]:
        """Read a group of tensors, on the CPU; empty when there is no such group."""
        file = self.path / f"{group}.safetensors"
        return dict(load_file(file)) if file.exists() else {}

    def groups(self) -> dict[str, dict[str, Tensor]]:
        """Read all groups of tensors, on the CPU."""
        names = sorted(file.stem for file in self.path.glob("*.safetensors"))
        return {name: self.tensors(name) for name in names}


def save_checkpoint(
    root: Path,
    *,
    step: int,
    write: Callable[[Path], None],
    state: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write the checkpoint of `step` under `root` and remove all but the newest `keep`.

    `write` puts the tensors into the folder it is given: `write_groups`, or `write_shards`.

    Raises:
        EnvironmentProblem: the disk is full or may not be written; older checkpoints are intact.
    """
    path = _path(root, step)
    with _disk_problems(root), replace_dir(path) as fresh:
        write(fresh)
        (fresh / _STATE).write_text(json.dumps({"step": step, **state}, indent=1))
        hashes = {file.name: _sha256(file) for file in sorted(fresh.iterdir())}
        (fresh / _MARKER).write_text(json.dumps(hashes, indent=1))
    _remove_old(root, keep)
    return path


def save_part(root: Path, *, step: int, write: Callable[[Path], None]) -> None:
    """Write this process's part of what another process saves with `save_checkpoint`.

    Raises:
        EnvironmentProblem: the disk is full or may not be written.
    """
    with _disk_problems(root):
        write(under_way(_path(root, step)))


def write_groups(folder: Path, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write one safetensors file for each group of tensors."""
    for group, values in groups.items():
        save_file(_plain(values), folder / f"{group}.safetensors")


def _path(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def latest_checkpoint(root: Path) -> Checkpoint | None:
    """Find the newest checkpoint under `root` that is whole; None when there is none."""
    for path in sorted(root.glob("step-*"), reverse=True):
        if _is_whole(path):
            state = json.loads((path / _STATE).read_text())
            return Checkpoint(path, int(state["step"]), state)
    return None


def clear_leftovers(root: Path) -> list[str]:
    """Remove what an interrupted write left behind; give the names of torn checkpoints removed."""
    for path in root.glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)
    torn = [path for path in sorted(root.glob("step-*")) if not _is_whole(path)]
    for path in torn:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in torn]


def _is_whole(path: Path) -> bool:
    try:
        hashes = json.loads((path / _MARKER).read_text())
        return _STATE in hashes and all(
            _sha256(path / name) == digest for name, digest in hashes.items()
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return False


def _remove_old(root: Path, keep: int) -> None:
    for path in sorted(root.glob("step-*"))[:-keep]:
        (path / _MARKER).unlink(missing_ok=True)  # from here on it is torn, however far this comes
        shutil.rmtree(path, ignore_errors=True)


def _plain(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring tensors to the CPU, each with memory of its own: safetensors refuses tied ones."""
    seen: set[int] = set()
    result = {}
    for name, value in values.items():
        plain = value.detach().cpu().contiguous()
        memory = plain.untyped_storage().data_ptr()
        result[name] = plain.clone() if memory in seen else plain
        seen.add(memory)
    return result


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _disk_problems(root: Path) -> Iterator[None]:
    """Turn what the disk refuses into one sentence; safetensors gives the reason in its text."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        if "os error 28" in reason:
            reason = os.strerror(errno.ENOSPC)
        raise EnvironmentProblem(
            f"a checkpoint could not be written to '{root}': {reason}",
            hint="free some space, then run the same command again: "
            "it continues from the last checkpoint",
        ) from error

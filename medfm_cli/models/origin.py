"""Finding the weights that a training starts from: a file, a model of medfm or of Hugging Face.

Needs no torch: the weights' hash belongs to the identity of a run, which is asked for early.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli.errors import DataError, EnvironmentProblem
from medfm_cli.models.config import CONFIG_FILE, WEIGHTS_FILE, read_config
from medfm_cli.models.spec import HUB
from medfm_cli.runs.artefacts import find, holds

if TYPE_CHECKING:
    from medfm_cli.models.config import ModelConfig

KNOWN = ("vit", "vit_mae", "dinov2", "dinov2_with_registers")
"""The architectures of transformers whose names we can translate."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class Origin:
    """A weights file and what is known of it.

    Attributes:
        file: safetensors or a torch file.
        name: for people, without the machine's folders.
        config: of the model directory the file is in, where medfm wrote it.
    """

    file: Path
    name: str
    config: ModelConfig | None = None

    def sha256(self) -> str:
        """Hash of the file's bytes."""
        with self.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def find_weights(reference: str, *, download: bool = False) -> Origin:
    """Find what a recipe names as its starting weights.

    Args:
        reference: a weights file; a model directory or a run; a folder that transformers saved; or
            `hf:OWNER/NAME`, looked up in the local cache.
        download: whether what is not in the cache may be fetched from the hub.

    Raises:
        DataError: it is not there, or not an architecture whose names are known.
        EnvironmentProblem: it is not in the cache, or cannot be fetched.
    """
    if reference.startswith(HUB):
        return _from_hub(reference.removeprefix(HUB), download=download)
    path = Path(reference)
    if path.is_file():
        return Origin(path, path.name)
    if not holds(path, "model"):
        if path.is_dir():
            raise DataError(
                f"'{path}' holds no weights that are known: it has no {CONFIG_FILE}",
                hint="give a model directory, a run, or the .safetensors or .pth file itself",
            )
        raise DataError(f"there are no weights at '{path}': the path does not exist")
    folder = find(path, "model")
    if "model_type" in _json(folder / CONFIG_FILE):
        return _saved_by_transformers(folder, path.name)
    config = read_config(folder)
    return Origin(folder / WEIGHTS_FILE, f"{config.kind} {config.backbone.name}", config)


def _saved_by_transformers(folder: Path, name: str) -> Origin:
    _check_type(_json(folder / CONFIG_FILE), name)
    for file in _HUB_FILES:
        if (folder / file).is_file():
            return Origin(folder / file, name)
    raise DataError(
        f"'{folder}' has none of {', '.join(_HUB_FILES)}",
        hint="weights in several files cannot be read: save them again as one",
    )


def _from_hub(name: str, *, download: bool) -> Origin:
    """Look in the cache of huggingface_hub, then on the hub where that is allowed."""
    try:
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError
    except ImportError:
        raise EnvironmentProblem(
            "weights of the Hugging Face hub need the package huggingface_hub",
            hint="pip install 'medfm[train]'",
        ) from None

    def fetch(file: str) -> Path:
        return Path(huggingface_hub.hf_hub_download(name, file, local_files_only=not download))

    try:
        _check_type(_json(fetch(CONFIG_FILE)), name)
        for file in _HUB_FILES:
            try:
                return Origin(fetch(file), name)
            except EntryNotFoundError:
                continue
    except (DataError, EnvironmentProblem):
        raise
    except Exception as error:  # each way a network can fail has its own class there
        raise _not_had(name, error, download=download) from None
    raise DataError(f"{name} has none of {', '.join(_HUB_FILES)} on the hub")


def _not_had(name: str, error: Exception, *, download: bool) -> EnvironmentProblem:
    if not download:
        return EnvironmentProblem(
            f"{name} is not in the cache of the Hugging Face hub on this machine",
            hint="set backbone.download=true to fetch it, or give the path of its files",
        )
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    return EnvironmentProblem(f"{name} cannot be fetched from the Hugging Face hub: {reason}")


def _check_type(config: dict[str, Any], name: str) -> None:
    found = config.get("model_type")
    if found not in KNOWN:
        raise DataError(
            f"{name} is a '{found}' of transformers: its weights cannot be translated",
            hint=f"known are {', '.join(KNOWN)}",
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise DataError(f"{path} is not readable JSON") from None
    return content if isinstance(content, dict) else {}

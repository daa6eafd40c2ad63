"""The published weights that a training starts from: a file, a model of medfm or Hugging Face.

Finding them needs no torch, because their hash is part of the identity of a run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli.errors import DataError, EnvironmentProblem
from medfm_cli.models.config import CONFIG_FILE, WEIGHTS_FILE, read_config
from medfm_cli.models.spec import HUB, BackboneSpec, PatchSpec
from medfm_cli.runs.artefacts import find, holds

if TYPE_CHECKING:
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.models.config import ModelConfig
    from medfm_cli.models.weights import LoadReport

SUPPORTED = ("vit", "vit_mae", "dinov2", "dinov2_with_registers")
"""The architectures of transformers whose tensor names can be converted."""

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True)
class WeightsOrigin:
    """A weights file and its metadata.

    Attributes:
        file: safetensors or a torch file.
        name: for reports, without the machine's folders.
        config: of the model directory, if medfm wrote it.
    """

    file: Path
    name: str
    config: ModelConfig | None = None

    def sha256(self) -> str:
        """Hash of the file's bytes."""
        with self.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def find_weights(reference: str, *, download: bool = False) -> WeightsOrigin:
    """Find the initial weights that a recipe names.

    Args:
        reference: a weights file; a model directory or a run; a folder saved by transformers; or
            `hf:OWNER/NAME`, searched in the local cache.
        download: whether weights that are not in the cache may be downloaded from the hub.

    Raises:
        DataError: they are missing, or their architecture is not supported.
        EnvironmentProblem: they are not in the cache, or cannot be downloaded.
    """
    if reference.startswith(HUB):
        return _from_hub(reference.removeprefix(HUB), download=download)
    path = Path(reference)
    if path.is_file():
        return WeightsOrigin(path, path.name)
    if not holds(path, "model"):
        if path.is_dir():
            raise DataError(
                f"'{path}' has no supported weights: it has no {CONFIG_FILE}",
                hint="give a model directory, a run, or a .safetensors or .pth file",
            )
        raise DataError(f"there are no weights at '{path}': the path does not exist")
    folder = find(path, "model")
    if "model_type" in _json(folder / CONFIG_FILE):
        return _saved_by_transformers(folder, path.name)
    config = read_config(folder)
    return WeightsOrigin(folder / WEIGHTS_FILE, f"{config.kind} {config.backbone.name}", config)


def load_initial_weights(
    origin: WeightsOrigin, backbone: Backbone, *, coverage: float
) -> LoadReport:
    """Load what `find_weights` found into `backbone`, in place.

    Args:
        origin: the weights.
        backbone: receives them.
        coverage: fraction of the parameters (0…1) that the file must provide.

    Raises:
        DataError: damaged, of another architecture, or less than `coverage`.
    """
    from medfm_cli.models.directory import verified_weights
    from medfm_cli.models.weights import load_backbone_weights

    if origin.config is None:
        return load_backbone_weights(backbone, origin.file, coverage=coverage)
    verified_weights(origin.file.parent, origin.config)
    grid = _grid(origin.config.backbone)
    return load_backbone_weights(backbone, origin.file, coverage=coverage, grid=grid)


def _grid(spec: BackboneSpec | PatchSpec) -> tuple[int, ...] | None:
    """Patches along each axis of the network that the weights are from; None if timm decides."""
    if isinstance(spec, PatchSpec):
        return tuple(side // part for side, part in zip(spec.shape, spec.patch, strict=True))
    if spec.patch is None:
        return None
    side = spec.image_size // spec.patch
    return side, side


def _saved_by_transformers(folder: Path, name: str) -> WeightsOrigin:
    _check_type(_json(folder / CONFIG_FILE), name)
    for file in _HUB_FILES:
        if (folder / file).is_file():
            return WeightsOrigin(folder / file, name)
    raise DataError(
        f"'{folder}' has none of {', '.join(_HUB_FILES)}",
        hint="weights in several files cannot be read: save them again as one",
    )


def _from_hub(name: str, *, download: bool) -> WeightsOrigin:
    """Search the cache of huggingface_hub, then the hub if `download`."""
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
                return WeightsOrigin(fetch(file), name)
            except EntryNotFoundError:
                continue
    except (DataError, EnvironmentProblem):
        raise
    except Exception as error:  # every network failure has its own class there
        raise _unavailable(name, error, download=download) from None
    raise DataError(f"{name} has none of {', '.join(_HUB_FILES)} on the hub")


def _unavailable(name: str, error: Exception, *, download: bool) -> EnvironmentProblem:
    if not download:
        return EnvironmentProblem(
            f"{name} is not in the cache of the Hugging Face hub on this machine",
            hint="set backbone.download=true to download it, or give the path of its files",
        )
    reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
    return EnvironmentProblem(f"{name} cannot be downloaded from the Hugging Face hub: {reason}")


def _check_type(config: dict[str, Any], name: str) -> None:
    model_type = config.get("model_type")
    if model_type not in SUPPORTED:
        raise DataError(
            f"{name} is a '{model_type}' of transformers: its weights cannot be converted",
            hint=f"supported: {', '.join(SUPPORTED)}",
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise DataError(f"{path} is not readable JSON") from None
    return content if isinstance(content, dict) else {}

"""Load a weights file into a module: completely or with an error, never silently in part."""

from __future__ import annotations

import pickle
import re
import warnings
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from medfm_cli.errors import DataError
from medfm_cli.models.fitting import fit_shapes
from medfm_cli.models.naming import to_timm

if TYPE_CHECKING:
    from torch import nn

    from medfm_cli.models.backbones import Backbone

Tensors = dict[str, torch.Tensor]

_NESTS = ("model", "state_dict", "teacher", "model_state_dict", "module")
_INCOMPLETE_BLOCK = "the network would differ from the one that was trained"
_HINT = "configure the architecture of the weights: the same size, and {what} layer_scale or mlp"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The result of loading a weights file: tensor names and the fraction of loaded parameters.

    Attributes:
        coverage: fraction of the network's parameters that come from the file, 0…1.
        loaded: loaded tensors, by the network's names.
        missing: unchanged tensors of the network, by its names.
        unexpected: unused tensors of the file, by its names.
        resized: loaded tensors whose shape was adapted.
        renamed: loaded tensors, the file's name → the network's.
    """

    coverage: float
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """One line for logs and reports."""
        extra = f", {len(self.renamed)} renamed" if self.renamed else ""
        extra += f", {len(self.resized)} resized" if self.resized else ""
        return (
            f"{self.coverage:.1%} of the parameters loaded ({len(self.loaded)} tensors{extra}; "
            f"{len(self.missing)} missing, {len(self.unexpected)} not used)"
        )


def read_tensors(path: Path | str) -> Tensors:
    """Read a safetensors file, or a `.pt`/`.pth` that holds tensors and plain values only.

    Raises:
        DataError: no such file, damaged, or a pickle that would have to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"there is no weights file {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _flatten(_read_torch(path), path)


def load_backbone_weights(
    backbone: Backbone,
    path: Path | str,
    *,
    coverage: float = 1.0,
    grid: tuple[int, ...] | None = None,
) -> LoadReport:
    """Load a file written by medfm, timm, MAE, DINOv2 or Hugging Face into `backbone`.

    Wrapping dictionaries are opened, names translated (`naming`), position embeddings and input
    filters brought to the backbone's shapes (`fitting`).

    Args:
        backbone: filled in place.
        path: `.safetensors`, `.pt`, `.pth` or `.bin`.
        coverage: share of the parameters (0…1) that must come from the file.
        grid: patches along each axis in the network the file is from; None: guessed.

    Raises:
        DataError: the file gives less than `coverage`, or a part of a block only, or has parts of
            blocks that the backbone lacks; the backbone is then left as it was.
    """
    expected = backbone.net.state_dict()
    given, names = to_timm(read_tensors(path), expected)
    fitting = fit_shapes(given, backbone, grid=grid)
    resized = [name for name, value in fitting.items() if value is not given[name]]
    filled = {name: value for name, value in fitting.items() if _same_shape(name, value, expected)}
    report = _report(expected, names, filled, resized)
    _refuse_partial_blocks(Path(path), report, names)
    _refuse_non_finite(filled, str(path))
    if report.coverage < coverage:
        raise _too_little(Path(path), report, coverage)
    backbone.net.load_state_dict({**expected, **filled})
    return report


def load_exactly(module: nn.Module, tensors: Tensors, *, source: str) -> LoadReport:
    """Load tensors with exactly the names and shapes of `module`.

    Raises:
        DataError: a name is missing, too many, or has another shape; or a weight is no number.
    """
    expected = module.state_dict()
    filled = {name: value for name, value in tensors.items() if _same_shape(name, value, expected)}
    report = _report(expected, {name: name for name in tensors}, filled, [])
    if report.missing or report.unexpected:
        raise DataError(
            f"the weights in {source} do not belong to this architecture: {report.sentence()}"
        )
    _refuse_non_finite(filled, source)
    module.load_state_dict(filled)
    return report


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: Tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path} is not a readable safetensors file: {reason}") from None
    return tensors


def _read_torch(path: Path) -> object:
    """Load without running code. MAE's files carry an argparse.Namespace, a bag of values."""
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([Namespace]):
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, AttributeError, TypeError):
        raise DataError(
            f"{path} is a pickle that holds more than tensors; "
            "it is not loaded, because a pickle can run any code",
            hint="obtain the weights as safetensors or as a plain state dict",
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0][:160]
        raise DataError(f"{path} is not a readable weights file: {reason}") from None


def _flatten(content: object, path: Path) -> Tensors:
    """Find the state dict in the dictionaries that training scripts wrap around it."""
    while isinstance(content, Mapping):
        inner = next(
            (content[key] for key in _NESTS if isinstance(content.get(key), Mapping)), None
        )
        if inner is None:
            break
        content = inner
    tensors = (
        {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
        if isinstance(content, Mapping)
        else {}
    )
    if not tensors:
        raise DataError(f"{path} has no state dict: it contains no named tensors")
    return tensors


def _same_shape(name: str, value: torch.Tensor, expected: Mapping[str, torch.Tensor]) -> bool:
    return name in expected and expected[name].shape == value.shape


def _report(
    expected: Mapping[str, torch.Tensor],
    names: Mapping[str, str],
    filled: Tensors,
    resized: list[str],
) -> LoadReport:
    total = sum(value.numel() for value in expected.values())
    reached = sum(value.numel() for value in filled.values())
    return LoadReport(
        coverage=reached / total if total else 1.0,
        loaded=sorted(filled),
        missing=sorted(set(expected) - set(filled)),
        unexpected=sorted(old for old, new in names.items() if new not in filled),
        resized=sorted(set(resized) & set(filled)),
        renamed={old: new for old, new in sorted(names.items()) if new in filled and old != new},
    )


def _refuse_partial_blocks(path: Path, report: LoadReport, names: Mapping[str, str]) -> None:
    """A transformer block is loaded completely or not at all, to compute the same function.

    LayerScale that only one side has would pass any required coverage, because it is small.
    """
    loaded_blocks = {_block(name) for name in report.loaded} - {None}
    missing = next((name for name in report.missing if _block(name) in loaded_blocks), None)
    if missing is not None:
        raise DataError(
            f"{path} lacks {missing}, but has other parts of that block: {_INCOMPLETE_BLOCK}",
            hint=_HINT.format(what="unset" if ".ls" in missing else "change"),
        )
    extra = next((old for old in report.unexpected if loaded_blocks and _block(names[old])), None)
    if extra is not None:
        raise DataError(
            f"{path} has {extra}, which this backbone lacks: {_INCOMPLETE_BLOCK}",
            hint=_HINT.format(what="set" if ".ls" in names[extra] else "change"),
        )


def _refuse_non_finite(tensors: Tensors, source: str) -> None:
    """A network with a NaN or an infinity computes nothing but these."""
    bad = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    if bad:
        raise DataError(
            f"the weights in {source} are damaged: {len(bad)} tensors hold values that are not "
            f"finite numbers, for instance {bad[0]}",
            hint="use other weights, or run the training again",
        )


def _block(name: str) -> str | None:
    match = re.match(r"blocks\.\d+\.(?=attn|mlp|ls|norm)", name)
    return match.group() if match else None


def _too_little(path: Path, report: LoadReport, coverage: float) -> DataError:
    example = f", for instance {report.missing[0]}" if report.missing else ""
    return DataError(
        f"{path} fits {report.coverage:.1%} of this backbone, {coverage:.1%} are required{example}",
        hint="choose the backbone of the weights, or lower the required coverage",
    )

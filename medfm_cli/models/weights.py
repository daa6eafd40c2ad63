"""Fill a module from a weights file: all of it, or an error. Never silently random weights."""

from __future__ import annotations

import pickle
import warnings
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from torch import nn

    from medfm_cli.models.backbones import Backbone

Tensors = dict[str, torch.Tensor]

_NESTS = ("model", "state_dict", "teacher", "model_state_dict", "module")
_PREFIXES = ("module.", "backbone.", "encoder.", "model.", "net.", "trunk.")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a weights file gave: parameter names, and the share of parameters filled."""

    coverage: float
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """One line for logs and reports."""
        extra = f", {len(self.resized)} resized" if self.resized else ""
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
    backbone: Backbone, path: Path | str, *, coverage: float = 1.0
) -> LoadReport:
    """Fill `backbone` from a file written by medfm, timm, MAE, DINOv2 and the like.

    Wrapping dictionaries and prefixes are taken off; position embeddings are resized by timm
    when the grid differs, input filters summed or repeated when the channels do.

    Args:
        backbone: filled in place.
        path: `.safetensors`, `.pt` or `.pth`.
        coverage: share of the parameters (0…1) that must come from the file.

    Raises:
        DataError: the file gives less than `coverage`; the backbone is then left as it was.
    """
    expected = backbone.net.state_dict()
    given = _strip_prefixes(read_tensors(path), expected)
    fitting, resized = _fit_shapes(given, backbone)
    filled = {name: value for name, value in fitting.items() if _same_shape(name, value, expected)}
    report = _report(expected, given, filled, resized)
    if report.coverage < coverage:
        raise _too_little(Path(path), report, coverage)
    backbone.net.load_state_dict({**expected, **filled})
    return report


def load_exactly(module: nn.Module, tensors: Tensors, *, source: str) -> LoadReport:
    """Fill `module` with tensors of exactly its names and shapes.

    Raises:
        DataError: a name is missing, too many, or has another shape.
    """
    expected = module.state_dict()
    filled = {name: value for name, value in tensors.items() if _same_shape(name, value, expected)}
    report = _report(expected, tensors, filled, [])
    if report.missing or report.unexpected:
        raise DataError(
            f"the weights in {source} do not belong to this architecture: {report.sentence()}"
        )
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
            "it is not opened, because a pickle can run any code",
            hint="ask for the weights as safetensors or as a plain state dict",
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
        raise DataError(f"{path} holds no state dict: no tensors by name were found in it")
    return tensors


def _strip_prefixes(tensors: Tensors, expected: Mapping[str, Any]) -> Tensors:
    """Take off `module.`, `backbone.` … while that makes more names fit."""
    while True:
        fitting = sum(name in expected for name in tensors)
        best = None
        for prefix in _PREFIXES:
            inner = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
            found = sum(name in expected for name in inner)
            nested = any(n.startswith(p) for n in inner for p in _PREFIXES)
            if found > fitting or (inner and not fitting and nested):
                best, fitting = inner, found
        if best is None:
            return tensors
        tensors = best


def _fit_shapes(given: Tensors, backbone: Backbone) -> tuple[Tensors, list[str]]:
    """Resize position embeddings and input filters to what the backbone has."""
    fitting = dict(given)
    expected = backbone.net.state_dict()
    if backbone.maskable:
        _fit_positions(fitting, backbone)
    _fit_input_filters(fitting, expected)
    resized = [
        name for name, value in fitting.items() if name in given and value is not given[name]
    ]
    return fitting, resized


def _fit_positions(tensors: Tensors, backbone: Backbone) -> None:
    """Bring `pos_embed` [1,P+N,D] to the prefix tokens and the grid of the backbone."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    vit: Any = backbone.net
    table = tensors.get("pos_embed")
    if table is None or table.ndim != 3 or table.shape[-1] != vit.pos_embed.shape[-1]:
        return
    wanted_prefix = vit.pos_embed.shape[1] - backbone.grid[0] * backbone.grid[1]
    had_prefix = _prefix_length(table.shape[1], tensors)
    if had_prefix is None or wanted_prefix > had_prefix:
        return
    side = round((table.shape[1] - had_prefix) ** 0.5)
    prefix, patches = table[:, :had_prefix], table[:, had_prefix:]
    if (side, side) != backbone.grid:
        patches = resample_abs_pos_embed(
            patches, new_size=list(backbone.grid), old_size=[side, side], num_prefix_tokens=0
        )
    if patches is not table or wanted_prefix != had_prefix:
        fitted = torch.cat([prefix[:, :wanted_prefix], patches], dim=1)
        if fitted.shape != table.shape or not torch.equal(fitted, table):
            tensors["pos_embed"] = fitted


def _prefix_length(length: int, tensors: Tensors) -> int | None:
    """How many of a table's rows belong to class and register tokens: the rest is a square."""
    most = sum(tensors[name].shape[1] for name in ("cls_token", "reg_token") if name in tensors)
    for prefix in dict.fromkeys((0, most, 1)):
        patches = length - prefix
        if patches > 0 and round(patches**0.5) ** 2 == patches:
            return prefix
    return None


def _fit_input_filters(tensors: Tensors, expected: Mapping[str, torch.Tensor]) -> None:
    """Bring the first convolution from 3 input channels to 1, or back, by timm's rule."""
    from timm.models import adapt_input_conv

    for name in ("patch_embed.proj.weight", "conv1.weight", "conv_stem.weight", "stem_0.weight"):
        if name not in tensors or name not in expected:
            continue
        had, wanted = tensors[name].shape[1:2], expected[name].shape[1:2]
        if had != wanted and {*had, *wanted} == {1, 3}:
            tensors[name] = _adapt(adapt_input_conv, tensors[name], channels=int(wanted[0]))


def _adapt(adapt: Any, weight: torch.Tensor, *, channels: int) -> torch.Tensor:
    if channels == 1:
        adapted: torch.Tensor = adapt(1, weight)
        return adapted
    return weight.repeat(1, channels, 1, 1) / channels


def _same_shape(name: str, value: torch.Tensor, expected: Mapping[str, torch.Tensor]) -> bool:
    return name in expected and expected[name].shape == value.shape


def _report(
    expected: Mapping[str, torch.Tensor], given: Tensors, filled: Tensors, resized: list[str]
) -> LoadReport:
    total = sum(value.numel() for value in expected.values())
    reached = sum(value.numel() for value in filled.values())
    return LoadReport(
        coverage=reached / total if total else 1.0,
        loaded=sorted(filled),
        missing=sorted(set(expected) - set(filled)),
        unexpected=sorted(set(given) - set(filled)),
        resized=sorted(set(resized) & set(filled)),
    )


def _too_little(path: Path, report: LoadReport, coverage: float) -> DataError:
    example = f", for instance {report.missing[0]}" if report.missing else ""
    return DataError(
        f"{path} fits {report.coverage:.1%} of this backbone, {coverage:.1%} are demanded{example}",
        hint="choose the backbone the weights were made for, or lower the demanded coverage",
    )

"""Starting a training from weights that exist: loaded, checked and told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.models.directory import verified_weights
from medfm_cli.models.spec import PatchSpec
from medfm_cli.models.weights import LoadReport, load_backbone_weights

if TYPE_CHECKING:
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.models.origin import Origin
    from medfm_cli.models.spec import BackboneSpec


def start_from(origin: Origin, backbone: Backbone, *, coverage: float) -> LoadReport:
    """Fill `backbone` from what `find_weights` found.

    Args:
        origin: the weights.
        backbone: filled in place.
        coverage: share of the parameters (0…1) that must come from them.

    Raises:
        DataError: damaged, of another architecture, or less than `coverage`.
    """
    if origin.config is None:
        return load_backbone_weights(backbone, origin.file, coverage=coverage)
    verified_weights(origin.file.parent, origin.config)
    grid = _grid(origin.config.backbone)
    return load_backbone_weights(backbone, origin.file, coverage=coverage, grid=grid)


def _grid(spec: BackboneSpec | PatchSpec) -> tuple[int, ...] | None:
    """Patches along each axis of the network the weights are from; None where timm decides."""
    if isinstance(spec, PatchSpec):
        return tuple(side // part for side, part in zip(spec.shape, spec.patch, strict=True))
    if spec.patch is None:
        return None
    side = spec.image_size // spec.patch
    return side, side

"""The initial weights of a pretraining: random, from timm, or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.card_facts import CardFacts
from medfm_cli.models.origin import find_weights, load_initial_weights
from medfm_cli.runs import Table, Text
from medfm_cli.training.randomness import derive

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.models.lineage import Lineage
    from medfm_cli.models.origin import WeightsOrigin
    from medfm_cli.models.spec import BackboneSpec, PatchSpec
    from medfm_cli.models.weights import LoadReport
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block, Cell

_SHOWN = 12


@dataclass(frozen=True)
class InitialWeights:
    """An encoder before training.

    Attributes:
        backbone: on the CPU.
        origin: where its weights are from; None for random ones and timm's own.
        report: the tensors that were loaded from there.
    """

    backbone: Backbone
    origin: WeightsOrigin | None = None
    report: LoadReport | None = None

    @property
    def parents(self) -> list[Lineage]:
        """The chain of the model it was loaded from."""
        config = self.origin.config if self.origin else None
        return [config.lineage] if config else []

    @property
    def card(self) -> CardFacts:
        """Data and training on the card of that model."""
        config = self.origin.config if self.origin else None
        return config.card if config else CardFacts()

    @property
    def label(self) -> str:
        """The name of the encoder before training in reports."""
        published = getattr(self.backbone.spec, "pretrained", False)
        return "initial weights" if self.origin or published else "random weights"

    def facts(self) -> dict[str, str | int | float]:
        """For the model's card."""
        if self.origin is None:
            published = getattr(self.backbone.spec, "pretrained", False)
            return {"start": "timm's published weights"} if published else {}
        return {"start": self.origin.name}

    def metrics(self) -> dict[str, Any]:
        """For result.json: counts, and the names of tensors that were not loaded unchanged."""
        if self.report is None or self.origin is None:
            return {}
        report = self.report
        return {
            "start": {
                "weights": self.origin.name,
                "coverage": report.coverage,
                "loaded": len(report.loaded),
                "renamed": len(report.renamed),
                "resized": report.resized,
                "missing": report.missing,
                "unexpected": report.unexpected,
            }
        }

    def blocks(self) -> list[Block]:
        """For the report."""
        if self.report is None or self.origin is None:
            return []
        report = self.report
        renamed = [f"{old} → {new}" for old, new in report.renamed.items()]
        rows: list[list[Cell]] = [
            ["loaded", len(report.loaded), ""],
            ["of these renamed", len(renamed), _some(renamed)],
            ["of these resized", len(report.resized), _some(report.resized)],
            ["missing (random)", len(report.missing), _some(report.missing)],
            ["unexpected (not used)", len(report.unexpected), _some(report.unexpected)],
        ]
        caption = f"Initial weights, from {self.origin.name}. {report.sentence()}."
        return [Table(["Tensors", "Count", "Names"], rows, caption), Text(_WARNING)]


_WARNING = (
    "The scores before training are those of the encoder with these weights, in this report and in "
    "result.json, where their key is `random`."
)


def init_weights(
    recipe: PretrainRecipe, spec: BackboneSpec | PatchSpec, run: Run | None
) -> InitialWeights:
    """Build the encoder and load the weights that the recipe names.

    Raises:
        DataError: the weights are missing, do not fit, or fill less than `coverage`.
        EnvironmentProblem: published weights are not available.
    """
    backbone = build_backbone(spec, seed=derive(recipe.seed, "backbone"))
    choice = recipe.backbone
    if choice.weights is None:
        return InitialWeights(backbone)
    origin = find_weights(choice.weights, download=choice.download)
    report = load_initial_weights(origin, backbone, coverage=choice.coverage)
    if run is not None:
        run.log(
            "loaded",
            weights=origin.name,
            coverage=report.coverage,
            loaded=len(report.loaded),
            renamed=report.renamed,
            resized=report.resized,
            missing=report.missing,
            unexpected=report.unexpected,
        )
        if report.missing or report.unexpected:
            run.console.warn(f"initial weights of {origin.name}: {report.sentence()}")
    return InitialWeights(backbone, origin, report)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

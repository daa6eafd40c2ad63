"""A finished pretraining, as the report and the model directory need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.feature_evaluation import ProbeComparison
from medfm_cli.commands.pretrain.feature_statistics import Probe, Quality
from medfm_cli.commands.pretrain.initialisation import InitialWeights
from medfm_cli.commands.pretrain.resolve import TrainingSamples
from medfm_cli.commands.pretrain.sampling import Drawn
from medfm_cli.data import Dataset
from medfm_cli.training.loop import FitReport
from medfm_cli.training.options import FitOptions

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.base import Chapter, Objective
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.training.safety import Hazard


@dataclass(frozen=True)
class Trained:
    """All that the report tells about."""

    recipe: PretrainRecipe
    dataset: Dataset
    samples: TrainingSamples
    allowed: list[Hazard]
    initial: InitialWeights
    mixture: list[Drawn]
    task: Objective
    options: FitOptions
    report: FitReport
    probe: Probe
    before: Quality
    after: Quality
    comparison: ProbeComparison | None
    tasks: ProbeComparison | None
    chapters: list[Chapter]

"""A finished pretraining, for the report and the model directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.feature_evaluation import ProbeComparison
from medfm_cli.commands.pretrain.feature_statistics import EvaluationSamples, FeatureStatistics
from medfm_cli.commands.pretrain.initialisation import InitialWeights
from medfm_cli.commands.pretrain.resolve import TrainingSamples
from medfm_cli.commands.pretrain.sampling import StratumShare
from medfm_cli.data import Dataset
from medfm_cli.training.loop import FitReport
from medfm_cli.training.options import FitOptions

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.base import Objective, ReportSection
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.training.safety import Hazard


@dataclass(frozen=True)
class Trained:
    """The results of a pretraining."""

    recipe: PretrainRecipe
    dataset: Dataset
    samples: TrainingSamples
    allowed: list[Hazard]
    initial: InitialWeights
    mixture: list[StratumShare]
    task: Objective
    options: FitOptions
    report: FitReport
    eval_samples: EvaluationSamples
    before: FeatureStatistics
    after: FeatureStatistics
    comparison: ProbeComparison | None
    tasks: ProbeComparison | None
    objective_sections: list[ReportSection]

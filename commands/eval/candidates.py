"""The models of the recipe and the baselines that they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from medfm_cli.commands.eval.methods.classifier import FinetunedClassifier
from medfm_cli.commands.eval.methods.linear_probe import LinearProbe
from medfm_cli.commands.eval.methods.majority import MajorityClass
from medfm_cli.commands.eval.methods.pixels import PixelRegression
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.directory import ImageModel, load_model
from medfm_cli.runs.artefacts import find
from medfm_cli.training.features import extract
from medfm_cli.training.randomness import derive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.methods.base import Method
    from medfm_cli.commands.eval.protocol import ResamplingPlan
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages


@dataclass(frozen=True)
class Candidate:
    """A loaded model of the recipe."""

    name: str
    loaded: ImageModel

    @property
    def is_encoder(self) -> bool:
        """Whether it has no head and is scored by a linear probe."""
        return self.loaded.config.kind == "encoder"


@dataclass
class EvaluationSetup:
    """Data and methods of an evaluation; features are computed once and shared by all plans.

    Attributes:
        candidates: the models, in the order of the recipe.
        balanced: whether the training losses balance the classes.
    """

    recipe: EvalRecipe
    dataset: Dataset
    images: LabelledImages
    candidates: list[Candidate]
    balanced: bool
    run: Run

    @cached_property
    def encoders(self) -> list[Method]:
        """The encoders of the recipe, each with a linear probe."""
        return [
            self._linear_probe(candidate) for candidate in self.candidates if candidate.is_encoder
        ]

    @cached_property
    def classifiers(self) -> list[Method]:
        """The classifiers of the recipe."""
        return [
            FinetunedClassifier(
                candidate.name, candidate.loaded, self.dataset, self.images, self.run
            )
            for candidate in self.candidates
            if not candidate.is_encoder
        ]

    def baselines(self, plan: ResamplingPlan) -> list[Method]:
        """The baselines of the recipe, in its order."""
        methods: list[Method] = []
        for name in self.recipe.baselines:
            if name == "majority":
                pool = plan.tested if plan.folds is not None else plan.splits[0].train
                methods.append(MajorityClass(self.images, pool))
            elif name == "pixels":
                methods.append(self._pixels)
            else:
                methods += self._random
        return methods

    def _linear_probe(self, candidate: Candidate) -> LinearProbe:
        config = candidate.loaded.config
        features = extract(
            candidate.loaded.backbone,
            self.dataset,
            self.images.rows,
            preprocessing=config.preprocessing,
            run=self.run,
            key=config.weights_sha256,
        )
        method = self._probe(candidate.name, features)
        method.role = "model"
        method.description = f"A linear probe on the frozen encoder {config.backbone.name}."
        return method

    @cached_property
    def _random(self) -> list[Method]:
        """Random weights for each architecture of the encoders (else of the first classifier)."""
        models = [e for e in self.candidates if e.is_encoder] or self.candidates[:1]
        architectures = {
            (c.backbone.model_dump_json(), c.preprocessing.model_dump_json()): c
            for c in (model.loaded.config for model in models)
        }
        methods: list[Method] = []
        for number, config in enumerate(architectures.values(), start=1):
            spec = config.backbone.model_copy(update={"pretrained": False})
            seed = derive(self.recipe.seed, "random backbone")
            features = extract(
                build_backbone(spec, seed=seed),
                self.dataset,
                self.images.rows,
                preprocessing=config.preprocessing,
                run=self.run,
                key=f"random:{spec.model_dump_json()}:{seed}",
            )
            name = "random" if len(architectures) == 1 else f"random {number}"
            method = self._probe(name, features)
            method.description = (
                f"The same probe on {spec.name} with random weights, from one random "
                "initialisation; another may score slightly higher or lower."
            )
            methods.append(method)
        return methods

    def _probe(self, name: str, features: NDArray[np.float32]) -> LinearProbe:
        return LinearProbe(
            name,
            features,
            self.recipe.probe,
            balanced=self.balanced,
            seed=self.recipe.seed,
        )

    @cached_property
    def _pixels(self) -> PixelRegression:
        return PixelRegression(
            self.dataset, self.images, self.recipe.pixels, balanced=self.balanced, run=self.run
        )


def load_candidates(recipe: EvalRecipe) -> list[Candidate]:
    """Load every model of the recipe.

    Raises:
        DataError: a model is missing, damaged or incomplete.
    """
    return [
        Candidate(name, load_model(find(reference, "model"), takes="image"))
        for name, reference in recipe.models.items()
    ]

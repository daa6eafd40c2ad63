"""The models that the recipe names, and the baselines that stand beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from medfm_cli.commands.eval.methods.finished import Finished
from medfm_cli.commands.eval.methods.majority import Majority
from medfm_cli.commands.eval.methods.pixels import Pixels
from medfm_cli.commands.eval.methods.probed import Probed
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.directory import ImageModel, load_model
from medfm_cli.runs.artefacts import find
from medfm_cli.training.features import extract
from medfm_cli.training.randomness import derive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.methods.base import Method
    from medfm_cli.commands.eval.protocol import Trial
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages


@dataclass(frozen=True)
class Entrant:
    """A model of the recipe, loaded."""

    name: str
    loaded: ImageModel

    @property
    def is_encoder(self) -> bool:
        """Whether it has no head of its own and is probed."""
        return self.loaded.config.kind == "encoder"


@dataclass
class Contest:
    """All that takes part; what is costly is made once and serves every trial.

    Attributes:
        entrants: the models, in the order of the recipe.
    """

    recipe: EvalRecipe
    dataset: Dataset
    images: LabelledImages
    entrants: list[Entrant]
    balanced: bool
    run: Run

    @cached_property
    def encoders(self) -> list[Method]:
        """The encoders of the recipe under a probe."""
        return [self._probed(entrant) for entrant in self.entrants if entrant.is_encoder]

    @cached_property
    def classifiers(self) -> list[Method]:
        """The classifiers of the recipe."""
        return [
            Finished(entrant.name, entrant.loaded, self.dataset, self.images, self.run)
            for entrant in self.entrants
            if not entrant.is_encoder
        ]

    def baselines(self, trial: Trial) -> list[Method]:
        """The baselines that the recipe asks for, in its order."""
        found: list[Method] = []
        for name in self.recipe.baselines:
            if name == "majority":
                pool = trial.tested if trial.folds is not None else trial.splits[0].train
                found.append(Majority(self.images, pool))
            elif name == "pixels":
                found.append(self._pixels)
            else:
                found += self._random
        return found

    def _probed(self, entrant: Entrant) -> Probed:
        config = entrant.loaded.config
        features = extract(
            entrant.loaded.backbone,
            self.dataset,
            self.images.rows,
            preprocessing=config.preprocessing,
            run=self.run,
            key=config.weights_sha256,
        )
        method = self._probe(entrant.name, features)
        method.role = "model"
        method.about = f"A linear probe on the frozen encoder {config.backbone.name}."
        return method

    @cached_property
    def _random(self) -> list[Method]:
        """Random weights for each architecture among the encoders (or of the first classifier)."""
        models = [e for e in self.entrants if e.is_encoder] or self.entrants[:1]
        kinds = {
            (c.backbone.model_dump_json(), c.preprocessing.model_dump_json()): c
            for c in (model.loaded.config for model in models)
        }
        found: list[Method] = []
        for number, config in enumerate(kinds.values(), start=1):
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
            method = self._probe("random" if len(kinds) == 1 else f"random {number}", features)
            method.about = (
                f"The same probe on {spec.name} with random weights: one draw of them, "
                "another may be a little better or worse."
            )
            found.append(method)
        return found

    def _probe(self, name: str, features: NDArray[np.float32]) -> Probed:
        return Probed(
            name,
            features,
            self.images,
            self.recipe.probe,
            balanced=self.balanced,
            seed=self.recipe.seed,
        )

    @cached_property
    def _pixels(self) -> Pixels:
        return Pixels(
            self.dataset, self.images, self.recipe.pixels, balanced=self.balanced, run=self.run
        )


def open_entrants(recipe: EvalRecipe) -> list[Entrant]:
    """Load every model of the recipe.

    Raises:
        DataError: one is not there, damaged or not complete.
    """
    return [
        Entrant(name, load_model(find(reference, "model"), takes="image"))
        for name, reference in recipe.models.items()
    ]

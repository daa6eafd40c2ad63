"""The recipe of `medfm pretrain`. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from medfm_cli.commands.pretrain.inputs.options import ImageChoice, InputChoice
from medfm_cli.commands.pretrain.monitor_options import SAME, Monitor, Task
from medfm_cli.commands.pretrain.objectives import OBJECTIVES, MaeOptions
from medfm_cli.commands.pretrain.options import BackboneChoice
from medfm_cli.commands.pretrain.sampling import Sampling
from medfm_cli.commands.pretrain.study.cells import Cell, grid
from medfm_cli.commands.pretrain.study.options import Study
from medfm_cli.models.spec import HUB
from medfm_cli.recipe import Recipe
from medfm_cli.training.augmentations import AnyViews, ImageViews, resolve_views
from medfm_cli.training.options import TrainingKeys
from medfm_cli.training.probing import ProbeKeys

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.options.base import ObjectiveOptions as Objective
else:
    Objective = OBJECTIVES.union()


_OF_IMAGES = ("image_size", "channels", "patch_size", "pretrained")


def check_fits(backbone: BackboneChoice, kind: str) -> None:
    """Raise ValueError if a key of the encoder does not apply to the kind of input."""
    if kind == "image":
        wrong = ["patch_sides"] if backbone.patch_sides is not None else []
    else:
        # By value, not by `model_fields_set`: a dumped recipe sets every key.
        fields = type(backbone).model_fields
        wrong = [n for n in _OF_IMAGES if getattr(backbone, n) != fields[n].default]
        if backbone.preset is None:
            raise ValueError(
                f"the timm model {backbone.name} takes images: for {kind} use a preset (vit_xs, …)"
            )
    if wrong:
        raise ValueError(f"backbone.{wrong[0]} is not for input.kind {kind}")


class PretrainRecipe(TrainingKeys, Recipe):
    """Train an encoder without labels."""

    multi_process: ClassVar[bool] = True
    execution_only_keys: ClassVar[frozenset[str]] = frozenset(
        {"description", "study.engine", "study.address", "study.missing", "study.watts"}
    )

    data: str = Field(description="The dataset: a folder, a run directory or an earlier stage.")
    split: Literal["train", "all"] = Field(
        "train",
        description="Split to train on; `all` leaves no split for tests.",
    )
    input: InputChoice = Field(ImageChoice(), description="Kind of sample to train on.")
    sampling: Sampling = Field(
        Sampling(), description="Sampling weights of modalities and sources."
    )
    backbone: BackboneChoice = Field(BackboneChoice(), description="The encoder to train.")
    objective: Objective = Field(MaeOptions(), description="The training objective.")
    augment: AnyViews = Field(
        ImageViews(), description="Random views of the samples, by the kind of the input."
    )
    fraction: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the subjects to train on; smaller shares are subsets of larger ones.",
    )
    monitor: Monitor = Field(Monitor(), description="Evaluation of the encoder during training.")
    tasks: list[Task] = Field(
        [],
        description="Labelled datasets on which the finished encoder is scored by a linear probe, "
        "compared with random weights.",
    )
    probe: ProbeKeys = Field(ProbeKeys(), description="How the probes of `tasks` are fitted.")
    study: Study | None = Field(
        None, description="A grid of pretrainings instead of one: a scaling study."
    )

    @model_validator(mode="after")
    def _kinds_fit(self) -> Self:
        check_fits(self.backbone, self.input.kind)
        if self.augment.kind != self.input.kind:
            raise ValueError(
                f"augment is of kind {self.augment.kind}, and the input of kind {self.input.kind}"
            )
        return self

    @model_validator(mode="before")
    @classmethod
    def _views_of_the_input(cls, values: Any) -> Any:
        """Give `augment` the kind of the input if it sets none."""
        if not isinstance(values, dict):
            return values
        given = values.get("input")
        named = given.get("kind") if isinstance(given, dict) else getattr(given, "kind", None)
        kind = "image" if named is None else str(named)
        if kind == "image" and "augment" not in values:
            return values
        return {**values, "augment": resolve_views(values.get("augment"), kind)}

    @field_validator("tasks")
    @classmethod
    def _distinct(cls, tasks: list[Task]) -> list[Task]:
        names = [task.name for task in tasks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one task is called {', '.join(twice)}")
        return tasks

    @model_validator(mode="after")
    def _study_is_sound(self) -> Self:
        if self.study is None:
            return self
        if not self.tasks:
            raise ValueError("a study needs tasks: labelled datasets that score its encoders")
        for cell in self.cells():
            type(self).model_validate(self.of_cell(cell))
        return self

    def starts_own_processes(self) -> bool:
        """The processes of a study train one cell each; those of a training share it."""
        return self.study is not None

    def cells(self) -> list[Cell]:
        """Every training of the study; none without one."""
        return [] if self.study is None else grid(self.study, objective=self.objective.name)

    def of_cell(self, cell: Cell) -> dict[str, Any]:
        """The recipe of a cell as plain values; paths are absolute, for it may run elsewhere."""
        values = self.model_dump(mode="json", exclude_unset=True)
        values.pop("study", None)
        blocks = {each["name"]: each for each in self.study.objectives} if self.study else {}
        values["data"] = _absolute(self.data)
        values["backbone"] = values.get("backbone", {}) | {"name": cell.model}
        values["objective"] = blocks.get(cell.objective) or self.objective.model_dump(mode="json")
        values["fraction"], values["seed"] = cell.fraction, cell.seed
        values["tasks"] = [{"name": task.name, "data": _absolute(task.data)} for task in self.tasks]
        if (weights := self.backbone.weights) is not None and not weights.startswith(HUB):
            values["backbone"]["weights"] = _absolute(weights)
        if self.monitor.data is not None:
            values["monitor"] = values["monitor"] | {"data": _absolute(self.monitor.data)}
        return values


def _absolute(path: str) -> str:
    return path if path == SAME else str(Path(path).resolve())

"""A small dataset, model and bundle with a whole chain of records, for export and predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from toy_data import balanced, toy_dataset, toy_run

from medfm_cli.commands.export.engine import run as export
from medfm_cli.commands.export.recipe import ExportRecipe
from medfm_cli.data import Dataset, DatasetLineage, LabelSchema
from medfm_cli.data.manifest import source_digest
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.card_facts import CardFacts, data_facts
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.config import ModelConfig, OperatingPoint
from medfm_cli.models.directory import save_model
from medfm_cli.models.heads import build_head
from medfm_cli.models.lineage import Lineage, extend
from medfm_cli.models.spec import BackboneSpec, HeadSpec
from medfm_cli.runs import Result

SIZE = 32


def traced_dataset(root: Path, *, seed: int = 0) -> Dataset:
    """The toy dataset, with the digest of its source files in its card as curate writes it."""
    dataset = toy_dataset(root, balanced(subjects=3), size=SIZE, seed=seed)
    hashes = set(dataset.column("source_sha256"))
    lineage = DatasetLineage(
        source_count=len(hashes), source_digest=source_digest(hashes), recipe="r" * 64
    )
    card = dataset.card.model_copy(update={"lineage": lineage})
    (root / "dataset.json").write_text(card.to_file())
    return Dataset.open(root)


def toy_model(
    folder: Path,
    dataset: Dataset,
    *,
    kind: str = "classifier",
    label_kind: str = "single",
    points: list[OperatingPoint] | None = None,
    **preprocessing: Any,
) -> Path:
    """A model directory with random weights whose head speaks up, and a two-step chain."""
    spec = BackboneSpec(name="vit_xxs", image_size=SIZE, channels=preprocessing.get("channels", 1))
    backbone = build_backbone(spec, seed=1)
    head = HeadSpec(kind="probe", classes=len(dataset.classes))
    config = ModelConfig.model_validate(
        {
            "kind": kind,
            "backbone": spec,
            "head": head if kind == "classifier" else None,
            "preprocessing": Preprocessing(size=SIZE, **preprocessing),
            "label_schema": LabelSchema.model_validate(
                {"kind": label_kind, "classes": dataset.classes}
            ),
            "operating_points": points or [],
            "lineage": _chain(folder, dataset),
            "card": CardFacts(data=[data_facts(dataset.card, use="finetune")]),
        }
    )
    classifier = Classifier(backbone, build_head(head, dim=backbone.dim))
    torch.nn.init.normal_(
        classifier.head.linear.weight, std=2, generator=torch.Generator().manual_seed(0)
    )
    save_model(folder, classifier if kind == "classifier" else backbone, config)
    return folder


def toy_export(folder: Path, model: Path, dataset: Dataset, **options: Any) -> tuple[Path, Result]:
    """Run the export engine; gives the bundle and the result."""
    values = {"latency": {"repeats": 1, "batch_sizes": [1], "threads": 1}, **options}
    recipe = ExportRecipe(model=str(model), data=str(dataset.root), **values)
    this = toy_run(folder, verb="export")
    this.hash = "2" * 64
    result = export(recipe, this)
    return folder / result.artefacts["bundle"], result


def _chain(folder: Path, dataset: Dataset) -> Lineage:
    first = toy_run(folder / "run", verb="pretrain")
    chain = extend(first, inputs={"data": dataset.version}, datasets=[dataset.card])
    second = toy_run(folder / "run", verb="finetune")
    second.hash = "1" * 64
    return extend(second, inputs={}, datasets=[dataset.card], parents=[chain.ended_by("w" * 64)])

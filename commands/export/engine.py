"""Export: graph, parity, latency, bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.export import report
from medfm_cli.commands.export.evaluation import evaluation_metrics
from medfm_cli.commands.export.graph import Graph, write_onnx
from medfm_cli.commands.export.latency import Latency, measure_latency
from medfm_cli.commands.export.parity import Parity, measure_parity
from medfm_cli.commands.export.plan import inputs
from medfm_cli.commands.export.sources import Sources, list_sources
from medfm_cli.commands.export.write import write_bundle
from medfm_cli.data import Dataset
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.errors import DataError
from medfm_cli.inference.bundle import CARD_FILE, MODEL_FILE
from medfm_cli.inference.session import OnnxSession
from medfm_cli.models.directory import load_model
from medfm_cli.models.lineage import extend
from medfm_cli.runs import Result
from medfm_cli.runs.artefacts import find
from medfm_cli.runs.atomic import replace_dir
from medfm_cli.runs.environment import cores
from medfm_cli.runs.hashes import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medfm_cli.commands.export.recipe import ExportRecipe
    from medfm_cli.models.card_facts import MetricFacts
    from medfm_cli.models.config import ImageConfig
    from medfm_cli.runs import Run

BATCH = 32
FEW_SUBJECTS = 100


@dataclass(frozen=True, slots=True)
class ExportOutput:
    """The parts of an export that the result is made of."""

    config: ImageConfig
    parity: Parity
    latency: list[Latency]
    sources: Sources
    size: int
    sha256: str


def run(recipe: ExportRecipe, run: Run) -> Result:
    """Write the bundle of a model, after checking that ONNX Runtime and PyTorch agree.

    Raises:
        RunFailed: they do not agree; no bundle is written.
        DataError: the model, the data or the evaluation cannot be used.
    """
    loaded = load_model(find(recipe.model, "model"), takes="image")
    datasets = [Dataset.open(path) for path in (recipe.data, *recipe.datasets)]
    images = _images(recipe, run, datasets[0], loaded.config)
    multi_label = loaded.config.label_schema.kind == "multi"
    graph = Graph(loaded.module, loaded.config.preprocessing, multi_label=multi_label)
    config = _completed(recipe, run, loaded.config)
    with replace_dir(run.path("bundle")) as folder:
        output = _export(recipe, run, graph, images, config, datasets, folder)
    return _result(run.path("bundle"), output)


def _export(
    recipe: ExportRecipe,
    run: Run,
    graph: Graph,
    images: NDArray[np.uint8],
    config: ImageConfig,
    datasets: list[Dataset],
    folder: Path,
) -> ExportOutput:
    model = folder / MODEL_FILE
    write_onnx(graph, model, opset=recipe.opset)
    run.log("exported", bytes=model.stat().st_size, opset=recipe.opset)
    run.check_stop()
    batches = (images[i : i + BATCH] for i in range(0, len(images), BATCH))
    parity = measure_parity(graph, OnnxSession(model), batches, tolerance=recipe.parity.tolerance)
    run.metric(**parity.to_json())
    run.check_stop()
    latency = _latency(recipe, run, graph, model, images)
    sha256 = file_sha256(model)
    config = config.model_copy(update={"lineage": config.lineage.ended_by(sha256)})
    sources = list_sources(config.lineage, datasets)
    write_bundle(
        folder, config, lineage=config.lineage, sources=sources, parity=parity, opset=recipe.opset
    )
    for gap in sources.gaps:
        run.console.warn(f"sources.txt is not complete: {gap}")
    return ExportOutput(config, parity, latency, sources, model.stat().st_size, sha256)


def _images(
    recipe: ExportRecipe, run: Run, dataset: Dataset, config: ImageConfig
) -> NDArray[np.uint8]:
    """The images to compare on, uint8 [N,C,S,S]: up to `parity.samples`, evenly spaced."""
    rows = _rows(recipe, run, dataset)
    count = min(recipe.parity.samples, len(rows))
    chosen = rows[np.linspace(0, len(rows) - 1, count).round().astype(np.int64)]
    images = ArrayCollator.of(dataset, chosen, config.preprocessing)
    return images.read(np.arange(count, dtype=np.int64))


def _rows(recipe: ExportRecipe, run: Run, dataset: Dataset) -> NDArray[np.int64]:
    splits = ("test", "val", "all") if recipe.split == "auto" else (recipe.split,)
    for split in splits:
        rows = dataset.rows(None if split == "all" else split)
        if len(rows):
            if recipe.split == "auto":
                run.resolve("split", split, "the first of test, val and all with images")
            return rows
    raise DataError(
        f"the dataset {dataset.card.name} has no images in its split '{recipe.split}'",
        hint="choose another split, or split: auto",
    )


def _latency(
    recipe: ExportRecipe, run: Run, graph: Graph, model: Path, images: NDArray[np.uint8]
) -> list[Latency]:
    threads = recipe.latency.threads
    if threads == "auto":
        threads = cores()
        run.resolve("latency.threads", threads, "the cores available to this process")
    latency = measure_latency(
        graph,
        model,
        images,
        batch_sizes=recipe.latency.batch_sizes,
        repeats=recipe.latency.repeats,
        threads=threads,
        seconds=recipe.latency.seconds,
    )
    for item in latency:
        run.metric(**asdict(item))
    return latency


def _completed(recipe: ExportRecipe, run: Run, config: ImageConfig) -> ImageConfig:
    """The config with the lineage up to this run and the metrics and limitations for its card."""
    card = config.card
    hashes = inputs(recipe)
    metrics = list(card.metrics)
    if recipe.eval:
        metrics += evaluation_metrics(recipe.eval, model=hashes["model"])
    limitations = [*card.limitations, *recipe.limitations, *_few_subjects(metrics)]
    card = card.model_copy(
        update={
            "intended_use": recipe.intended_use or card.intended_use,
            "metrics": metrics,
            "limitations": list(dict.fromkeys(limitations)),
        }
    )
    lineage = extend(run, inputs=hashes, parents=[config.lineage])
    return config.model_copy(update={"card": card, "lineage": lineage})


def _few_subjects(metrics: list[MetricFacts]) -> list[str]:
    """A limitation if a metric was measured on few subjects."""
    subjects = [metric.subjects for metric in metrics if metric.subjects is not None]
    if not subjects or min(subjects) >= FEW_SUBJECTS:
        return []
    return [
        f"Metrics were measured on as few as {min(subjects)} subjects: they show that the method "
        "works and do not generalise to other patients."
    ]


def _result(bundle: Path, output: ExportOutput) -> Result:
    parity, latency = output.parity, output.latency
    card = (bundle / CARD_FILE).read_text("utf-8")
    return Result(
        metrics={
            "parity": parity.to_json(),
            "latency": [asdict(item) for item in latency],
            "onnx_bytes": output.size,
            "sources": output.sources.count,
        },
        artefacts={"bundle": "bundle"},
        sections=report.sections(
            output.config, parity, latency, output.sources, card=card, size=output.size
        ),
        summary=report.summary(parity, latency),
        headline=report.headline(parity, latency, size=output.size),
        lineage={**output.config.lineage.model_dump(), "model.onnx": output.sha256},
    )

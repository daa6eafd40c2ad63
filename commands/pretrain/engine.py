"""`run` trains an encoder and writes it as a model directory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from medfm_cli.commands.pretrain.feature_evaluation import compare, load_feature_evaluator
from medfm_cli.commands.pretrain.feature_statistics import EvaluationSamples
from medfm_cli.commands.pretrain.initialisation import init_weights
from medfm_cli.commands.pretrain.monitor import EvalCallback, resolve_eval_steps
from medfm_cli.commands.pretrain.objectives import OBJECTIVES
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.plan import inputs
from medfm_cli.commands.pretrain.probe_tasks import compare_tasks, evaluate_all, load_probe_tasks
from medfm_cli.commands.pretrain.report import metrics, sections, summary
from medfm_cli.commands.pretrain.resolve import TrainingSamples, inspect_dataset, resolve_network
from medfm_cli.commands.pretrain.sampling import (
    StratumShare,
    record,
    repeated_samples,
    strata_of,
    stratum_shares,
)
from medfm_cli.commands.pretrain.study.engine import run_study
from medfm_cli.commands.pretrain.texts import having_text
from medfm_cli.commands.pretrain.trained import Trained
from medfm_cli.data import Dataset, Loader, LoaderOptions
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.models.card_facts import CardFacts, TrainingFacts, data_facts
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import save_model
from medfm_cli.models.lineage import extend
from medfm_cli.runs import Result
from medfm_cli.training.loop import fit
from medfm_cli.training.options import FitOptions, resolve_options
from medfm_cli.training.randomness import derive
from medfm_cli.training.safety import known_of, refuse_unsafe
from medfm_cli.training.session import open_session, own_device

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.base import Objective
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.runs import Run


def run(recipe: PretrainRecipe, run: Run) -> Result:
    """Train the encoder of `recipe`; the model is in `model/`.

    Raises:
        DataError: the dataset is damaged or has no samples in the split.
        UsageError: backbone, objective and batch do not fit together.
        RunFailed: the loss is no longer finite.
        Stopped: a signal came; a checkpoint was written.
    """
    if recipe.study is not None:
        return run_study(recipe, recipe.study, run)
    dataset = Dataset.open(recipe.data)
    samples = inspect_dataset(recipe, dataset)
    preprocessing, spec = resolve_network(recipe, dataset, samples, run.resolve)
    options = resolve_options(recipe, run, seed=recipe.seed, samples=len(samples.rows))
    every = resolve_eval_steps(recipe.monitor, options, samples=len(samples.rows))
    options = replace(options, eval_steps=every)
    context = objective_context(recipe, dataset, preprocessing, options, samples)
    allowed = refuse_unsafe(
        context.views, known_of(dataset.card, preprocessing, colour=samples.colour)
    )
    OBJECTIVES.load(recipe.objective).check(recipe.objective, context)
    initial = init_weights(recipe, spec, run)
    task = build_task(recipe, initial.backbone, context).to(own_device(run))
    eval_samples = EvaluationSamples(
        dataset,
        samples.rows,
        kinds=samples.kinds,
        seed=recipe.seed,
        usable=lambda rows: having_text(rows, samples.texts),
    )
    before, evaluations = eval_samples.measure(task), eval_samples.evaluate(task)
    evaluator = load_feature_evaluator(
        recipe.monitor, dataset, seed=recipe.seed, kind=samples.kinds[0]
    )
    probes_before = evaluator.cases(task) if evaluator else {}
    probe_tasks = load_probe_tasks(recipe, dataset, kind=samples.kinds[0])
    tasks_before = evaluate_all(probe_tasks, task)
    callback = EvalCallback(recipe.monitor, eval_samples, evaluator, run, steps=options.steps)
    loader, mixture = open_loader(recipe, dataset, samples, context, run)
    try:
        with open_session(options.precision, run) as session:
            report = fit(
                task,
                loader,
                options,
                session=session,
                sample_id=dataset.sample_id,
                on_eval=callback,
            )
    finally:
        loader.close()
    if run.rank:
        return Result()
    after = eval_samples.measure(task)
    comparison = (
        compare(probes_before, evaluator.cases(task), start=initial.label) if evaluator else None
    )
    trained = Trained(
        recipe=recipe,
        dataset=dataset,
        samples=samples,
        allowed=allowed,
        initial=initial,
        mixture=mixture,
        task=task,
        options=options,
        report=report,
        eval_samples=eval_samples,
        before=before,
        after=after,
        comparison=comparison,
        tasks=compare_tasks(probe_tasks, tasks_before, task, run, start=initial.label),
        objective_sections=task.report_sections(
            eval_samples.paired_evaluations(evaluations, eval_samples.evaluate(task))
        ),
    )
    config = save_model(run.path("model"), task.encoder, describe(trained, run), files=task.files())
    return Result(
        metrics=metrics(trained, run),
        artefacts={"model": "model"},
        sections=sections(trained, run),
        summary=summary(trained),
        headline=f"{spec.name} pretrained with {recipe.objective.name} on "
        f"{len(samples.rows)} {samples.noun} of {samples.subjects} subjects",
        lineage={
            "inputs": {"data": dataset.version},
            "outputs": {"model": config.weights_sha256},
        },
    )


def open_loader(
    recipe: PretrainRecipe,
    dataset: Dataset,
    samples: TrainingSamples,
    context: ObjectiveContext,
    run: Run,
) -> tuple[Loader, list[StratumShare]]:
    """Open the loader, record the share of each stratum, and warn of repeated samples."""
    strata = strata_of(recipe.sampling, dataset, samples.rows)
    loader = Loader(
        dataset,
        samples.rows,
        ArrayCollator.of(dataset, samples.rows, context.preprocessing),
        LoaderOptions(
            global_batch=context.batch,
            seed=recipe.seed,
            rank=run.rank,
            world=run.world,
            workers=recipe.workers,
            strata=strata,
        ),
    )
    mixture = stratum_shares(strata, loader.plan)
    record(mixture, recipe.sampling, run)
    for warning in repeated_samples(loader):
        run.console.warn(warning)
        run.log("repeated_samples", warning=warning)
    for choice in loader.choices:
        run.resolve(choice.key, choice.value, choice.why)
    return loader, mixture


def objective_context(
    recipe: PretrainRecipe,
    dataset: Dataset,
    preprocessing: AnyInput,
    options: FitOptions,
    samples: TrainingSamples,
) -> ObjectiveContext:
    """The context of the objective: all that is not among its options."""
    needs = getattr(recipe.objective, "needs", ())
    subjects = dataset.column("subject_id") if "subjects" in needs else []
    return ObjectiveContext(
        preprocessing=preprocessing,
        views=recipe.augment,
        seed=recipe.seed,
        steps=options.steps,
        epoch_steps=max(1, len(samples.rows) // options.batch),
        batch=options.batch,
        accumulate=options.accumulate,
        subjects=np.unique(subjects, return_inverse=True)[1].tolist(),
        texts=samples.texts,
        rows=samples.rows.tolist(),
    )


def build_task(recipe: PretrainRecipe, backbone: Backbone, context: ObjectiveContext) -> Objective:
    """Build the objective; its random weights depend on the recipe's seed alone."""
    implementation = OBJECTIVES.load(recipe.objective)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(recipe.seed, "objective"))
        task: Objective = implementation(backbone, recipe.objective, context)
    return task


def describe(trained: Trained, run: Run) -> ModelConfig:
    """The configuration of the model; a rerun writes the same."""
    recipe, options, card = trained.recipe, trained.options, trained.dataset.card
    before = trained.initial.card
    facts: dict[str, str | int | float] = {
        "objective": recipe.objective.name,
        "samples": len(trained.samples.rows),
        "subjects": trained.samples.subjects,
        "steps": options.steps,
        "batch": options.batch,
        "learning rate": options.learning_rate,
        "precision": trained.report.precision,
        "seed": recipe.seed,
        **trained.initial.facts(),
    }
    return ModelConfig(
        kind="encoder",
        backbone=trained.task.encoder.spec,
        preprocessing=trained.task.preprocessing,
        lineage=extend(
            run, inputs=inputs(recipe), datasets=[card], parents=trained.initial.parents
        ),
        card=CardFacts(
            intended_use="A starting point for training on few labels; it makes no predictions.",
            data=[*before.data, data_facts(card, use="pretrain")],
            training=[
                *before.training,
                TrainingFacts(verb="pretrain", recipe=run.name, recipe_hash=run.hash, facts=facts),
            ],
        ),
    )

"""`run` trains an encoder and writes it as a model directory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from medfm_cli.commands.pretrain.feature_evaluation import compare, open_judge
from medfm_cli.commands.pretrain.feature_statistics import Probe
from medfm_cli.commands.pretrain.initialisation import begin
from medfm_cli.commands.pretrain.monitor import Onlooker, choose_look_steps
from medfm_cli.commands.pretrain.objectives import OBJECTIVES
from medfm_cli.commands.pretrain.objectives.base import Setting
from medfm_cli.commands.pretrain.plan import inputs
from medfm_cli.commands.pretrain.probe_tasks import judge_tasks, open_exams, sit_all
from medfm_cli.commands.pretrain.report import metrics, sections, summary
from medfm_cli.commands.pretrain.resolve import Survey, settle, survey
from medfm_cli.commands.pretrain.sampling import Drawn, crowded, drawn, record, strata_of
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
    found = survey(recipe, dataset)
    wanted, spec = settle(recipe, dataset, found, run.resolve)
    options = resolve_options(recipe, run, seed=recipe.seed, samples=len(found.rows))
    every = choose_look_steps(recipe.watch, options, samples=len(found.rows))
    options = replace(options, eval_steps=every)
    told = setting(recipe, dataset, wanted, options, found)
    allowed = refuse_unsafe(told.views, known_of(dataset.card, wanted, colour=found.colour))
    OBJECTIVES.load(recipe.objective).check(recipe.objective, told)
    beginning = begin(recipe, spec, run)
    task = build_task(recipe, beginning.backbone, told).to(own_device(run))
    probe = Probe(
        dataset,
        found.rows,
        kinds=found.kinds,
        seed=recipe.seed,
        usable=lambda rows: having_text(rows, found.texts),
    )
    before, examined = probe.measure(task), probe.examine(task)
    judge = open_judge(recipe.watch, dataset, seed=recipe.seed, kind=found.kinds[0])
    told_before = judge.cases(task) if judge else {}
    exams = open_exams(recipe, dataset, kind=found.kinds[0])
    sat_before = sit_all(exams, task)
    onlooker = Onlooker(recipe.watch, probe, judge, run, steps=options.steps)
    loader, mixture = open_loader(recipe, dataset, found, told, run)
    try:
        with open_session(options.precision, run) as session:
            report = fit(
                task,
                loader,
                options,
                session=session,
                sample_id=dataset.sample_id,
                on_eval=onlooker,
            )
    finally:
        loader.close()
    if run.rank:
        return Result()
    after = probe.measure(task)
    verdict = compare(told_before, judge.cases(task), start=beginning.label) if judge else None
    trained = Trained(
        recipe=recipe,
        dataset=dataset,
        survey=found,
        allowed=allowed,
        beginning=beginning,
        mixture=mixture,
        task=task,
        options=options,
        report=report,
        probe=probe,
        before=before,
        after=after,
        verdict=verdict,
        tasks=judge_tasks(exams, sat_before, task, run, start=beginning.label),
        chapters=task.chapters(probe.examined(examined, probe.examine(task))),
    )
    config = save_model(run.path("model"), task.encoder, describe(trained, run), files=task.files())
    return Result(
        metrics=metrics(trained, run),
        artefacts={"model": "model"},
        sections=sections(trained, run),
        summary=summary(trained),
        headline=f"{spec.name} pretrained with {recipe.objective.name} on "
        f"{len(found.rows)} {found.noun} of {found.subjects} subjects",
        lineage={
            "inputs": {"data": dataset.version},
            "outputs": {"model": config.weights_sha256},
        },
    )


def open_loader(
    recipe: PretrainRecipe, dataset: Dataset, found: Survey, told: Setting, run: Run
) -> tuple[Loader, list[Drawn]]:
    """Open what gives the batches, say what is drawn of each stratum, and warn of copies."""
    strata = strata_of(recipe.sampling, dataset, found.rows)
    loader = Loader(
        dataset,
        found.rows,
        ArrayCollator.of(dataset, found.rows, told.preprocessing),
        LoaderOptions(
            global_batch=told.batch,
            seed=recipe.seed,
            rank=run.rank,
            world=run.world,
            workers=recipe.workers,
            strata=strata,
        ),
    )
    mixture = drawn(strata, loader.plan)
    record(mixture, recipe.sampling, run)
    for warning in crowded(loader):
        run.console.warn(warning)
        run.log("crowded", warning=warning)
    for choice in loader.choices:
        run.resolve(choice.key, choice.value, choice.why)
    return loader, mixture


def setting(
    recipe: PretrainRecipe,
    dataset: Dataset,
    wanted: AnyInput,
    options: FitOptions,
    found: Survey,
) -> Setting:
    """What the objective is told beside its options."""
    asks = getattr(recipe.objective, "asks", ())
    subjects = dataset.column("subject_id") if "subjects" in asks else []
    return Setting(
        preprocessing=wanted,
        views=recipe.augment,
        seed=recipe.seed,
        steps=options.steps,
        epoch_steps=max(1, len(found.rows) // options.batch),
        batch=options.batch,
        accumulate=options.accumulate,
        subjects=np.unique(subjects, return_inverse=True)[1].tolist(),
        texts=found.texts,
        rows=found.rows.tolist(),
    )


def build_task(recipe: PretrainRecipe, backbone: Backbone, setting: Setting) -> Objective:
    """Build the objective; its random weights depend on the recipe's seed alone."""
    implementation = OBJECTIVES.load(recipe.objective)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(recipe.seed, "objective"))
        task: Objective = implementation(backbone, recipe.objective, setting)
    return task


def describe(trained: Trained, run: Run) -> ModelConfig:
    """Write down what the model is and where it comes from: nothing that a rerun would change."""
    recipe, options, card = trained.recipe, trained.options, trained.dataset.card
    before = trained.beginning.card
    facts: dict[str, str | int | float] = {
        "objective": recipe.objective.name,
        "samples": len(trained.survey.rows),
        "subjects": trained.survey.subjects,
        "steps": options.steps,
        "batch": options.batch,
        "learning rate": options.learning_rate,
        "precision": trained.report.precision,
        "seed": recipe.seed,
        **trained.beginning.facts(),
    }
    return ModelConfig(
        kind="encoder",
        backbone=trained.task.encoder.spec,
        preprocessing=trained.task.preprocessing,
        lineage=extend(
            run, inputs=inputs(recipe), datasets=[card], parents=trained.beginning.parents
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

"""`medfm curate`: from raw files to a dataset, in steps that each add up.

list → collect metadata → read (in worker processes, into the staging folder) → join → deduplicate →
split → check contamination → derive → write → rescan → report. What is known of each sample lies in
the catalog; no step holds all samples in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.commands.curate.annotations.step import find_annotations
from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.counts import CurationCounts
from medfm_cli.commands.curate.deidentify.pseudonyms import PUBLIC_KEY, Pseudonyms, private_key
from medfm_cli.commands.curate.deidentify.rescan import Rescan, rescan
from medfm_cli.commands.curate.describing.step import Description, describe
from medfm_cli.commands.curate.duplicates.contamination_summary import Contaminated
from medfm_cli.commands.curate.duplicates.step import DuplicateSummary, contamination, deduplicate
from medfm_cli.commands.curate.instructions.step import InstructionSummary, add_instructions
from medfm_cli.commands.curate.metadata.file_metadata import Resolve
from medfm_cli.commands.curate.metadata.step import collect_metadata
from medfm_cli.commands.curate.reading.staging import Staging
from medfm_cli.commands.curate.reading.step import PlannedSource, join, read_all, source_infos
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.report.step import (
    ReportContext,
    contamination_blocks,
    headline,
    responsible_use,
    sections,
    summary,
    write_datasheet,
)
from medfm_cli.commands.curate.sources import Source
from medfm_cli.commands.curate.sources.listing import list_files
from medfm_cli.commands.curate.sources.named import open_source
from medfm_cli.commands.curate.sources.vanished import check_listing, check_there, must_stay
from medfm_cli.commands.curate.split.client_summary import Partitioned
from medfm_cli.commands.curate.split.step import SplitResult, partition, split
from medfm_cli.commands.curate.withdrawal import Withdrawal, erase, report_blocks, withdraw
from medfm_cli.commands.curate.writing.step import (
    write_croissant,
    write_dataset,
    write_dicom,
    write_linkage,
)
from medfm_cli.runs import Callout, Result, Run
from medfm_cli.runs.machine import give_back_memory, usable_cpus

CATALOG = ("checkpoints", "catalog.sqlite")
UNPACKED = ("checkpoints", "unpacked")


@dataclass(frozen=True)
class StepResults:
    """The results of the steps after reading, for the report."""

    unique: DuplicateSummary
    dealt: SplitResult
    shared: Contaminated
    instructed: InstructionSummary | None
    partitioned: Partitioned | None


def run(recipe: CurateRecipe, run: Run) -> Result:
    """Curate, or continue where an earlier try was stopped.

    Raises:
        DataError: a source holds nothing to read, or the labels do not fit it.
    """
    with Catalog(run.path(*CATALOG)) as catalog:
        try:
            return _curate(recipe, run, catalog)
        finally:
            catalog.remove()  # it holds the names of a site's files


def _curate(recipe: CurateRecipe, run: Run, catalog: Catalog) -> Result:
    sources = [open_source(keys) for keys in recipe.blocks().values()]
    public = all(source.public for source in sources)
    names = _pseudonyms(recipe, public, run)
    planned = _plan(recipe, run, catalog, sources, names)
    reading = read_all(recipe, run, catalog, planned, names)
    check_there(path for (path,) in catalog.rows("SELECT path FROM files"))  # or tables lack it
    infos = source_infos(recipe, planned, sources)
    joined = join(catalog, reading.staging, reading.units, infos, names)
    withdrawn = _withdraw(recipe, run, catalog, names)
    decided = _decide(recipe, run, catalog, reading.staging, names)
    card = write_dataset(recipe, run, catalog, reading, infos, names)
    write_linkage(run.path("linkage.parquet"), catalog)
    with must_stay(", ".join(keys.source or name for name, keys in recipe.blocks().items())):
        copies = write_dicom(recipe, run, catalog, names)
    rescanned = _rescan(recipe, run, catalog, names)
    more = {"Contamination": contamination_blocks(catalog, decided.shared, run)}
    if withdrawn is not None:
        more["Withdrawal"] = report_blocks(withdrawn, catalog, run)
        erase(catalog, reading.staging)
    reading.staging.drop_payloads()
    shutil.rmtree(run.path(*UNPACKED), ignore_errors=True)
    context = ReportContext(
        recipe=recipe,
        account=CurationCounts(catalog),
        card=card,
        run=run,
        joined=joined,
        unique=decided.unique,
        dealt=decided.dealt,
        description=_describe(recipe, run, catalog),
        public=public,
        instructed=decided.instructed,
        partitioned=decided.partitioned,
        rescanned=rescanned,
        copies=copies,
        notes=[plan.metadata for plan in planned],
        more=more,
    )
    _document(context)
    return _result(context, decided.shared)


def _plan(
    recipe: CurateRecipe,
    run: Run,
    catalog: Catalog,
    sources: Sequence[Source],
    names: Pseudonyms,
) -> list[PlannedSource]:
    """List the files of every source, and collect what tables, folders and annotations say."""
    for number, ((name, keys), source) in enumerate(
        zip(recipe.blocks().items(), sources, strict=True)
    ):
        with must_stay(keys.source or name):
            listed = list_files(catalog, source, number, run.path(*UNPACKED, str(number)))
        check_listing(keys.source or name, run.inputs.get(_key(name, "source"), ""), listed)
    catalog.index("files")
    planned: list[PlannedSource] = []
    for number, (name, keys) in enumerate(recipe.blocks().items()):
        resolve = _resolver(run, name)
        with must_stay(keys.source or name):
            found = find_annotations(catalog, number)  # first: they are no tables of labels
            metadata = collect_metadata(catalog, number, keys, recipe.split, names, resolve)
        planned.append(PlannedSource(keys, metadata, resolve, found))
    return planned


def _key(block: str, name: str) -> str:
    """The dotted key of an option of a source block."""
    return f"sources.{block}.{name}" if block else name


def _withdraw(
    recipe: CurateRecipe, run: Run, catalog: Catalog, names: Pseudonyms
) -> Withdrawal | None:
    """Leave out the subjects who withdrew, where the recipe names a file of them."""
    if recipe.withdraw is None:
        return None
    return withdraw(catalog, Path(recipe.withdraw).expanduser(), names, run)


def _result(context: ReportContext, shared: Contaminated) -> Result:
    """The result for scripts; warnings of the report are shown on the terminal too."""
    report = sections(context)
    for block in (block for section in report for block in section.blocks):
        if isinstance(block, Callout) and block.kind == "warn":
            context.run.console.warn(block.text)
    account, card = context.account, context.card
    return Result(
        metrics=account.counts() | {"samples": card.counts.samples} | shared.metrics(),
        artefacts={"dataset": "dataset"},
        sections=report,
        summary=summary(account, card),
        headline=headline(account, card),
        lineage={
            "dataset": card.version,
            "sources": card.lineage.source_digest,
            "recipe": context.run.hash,
        },
        gate=shared.gate,
    )


def _describe(recipe: CurateRecipe, run: Run, catalog: Catalog) -> Description:
    blocks = list(recipe.blocks())
    return describe(catalog, run.path("dataset"), blocks, recipe.describe, seed=recipe.seed)


def _document(context: ReportContext) -> None:
    """Write the datasheet for people and the Croissant description for other tools."""
    root = context.run.path("dataset")
    write_datasheet(root, context)
    description = context.recipe.description or headline(context.account, context.card)
    write_croissant(root, context.card, description=description, rai=responsible_use(context))


def _resolver(run: Run, name: str) -> Resolve:
    """Records what an `auto` of a source block became."""
    return lambda key, value, why: run.resolve(_key(name, key), value, why)


def _pseudonyms(recipe: CurateRecipe, all_public: bool, run: Run) -> Pseudonyms:
    """The key of this run; made on first use."""
    key_kind = recipe.deidentify.secret
    public = key_kind == "public" or (key_kind == "auto" and all_public)
    if key_kind == "auto":
        why = "the source is public" if public else "the source may hold patients' data"
        run.resolve("deidentify.secret", "public" if public else "private", why)
    if public:
        return Pseudonyms(PUBLIC_KEY)
    key, path = private_key(run.path("deid.key"))
    run.console.detail(f"pseudonyms are made with the key in {path}")
    return Pseudonyms(key)


def _decide(
    recipe: CurateRecipe, run: Run, catalog: Catalog, staging: Staging, names: Pseudonyms
) -> StepResults:
    """Deduplicate, split, compare and derive: everything that needs to see all samples.

    Raises:
        DataError: no sample is left.
        EnvironmentProblem: none is left, since an extra is missing.
    """
    unique = deduplicate(catalog, recipe.deduplicate, staging=staging, threads=usable_cpus())
    give_back_memory()
    account = CurationCounts(catalog)
    if not account.counts()["kept"]:
        raise account.nothing_kept(recipe.source or ", ".join(recipe.sources))
    hidden = recipe.deidentify.on and recipe.deidentify.dates == "shift"
    dealt = split(catalog, recipe.split, seed=recipe.seed, shifted=hidden)
    how = "official" if dealt.official else f"by {dealt.by}, seed {recipe.seed}"
    run.resolve("split", how, dealt.why)
    account.check()
    shared = contamination(
        catalog,
        recipe.contamination,
        near=recipe.deduplicate,
        key=names.fingerprint,
        threads=usable_cpus(),
    )
    derive = recipe.derive
    instructed = partitioned = None
    if derive.instructions is not None:
        instructed = add_instructions(catalog, derive.instructions, seed=recipe.seed)
    if derive.clients is not None:
        partitioned = partition(catalog, derive.clients, seed=recipe.seed)
    return StepResults(unique, dealt, shared, instructed, partitioned)


def _rescan(recipe: CurateRecipe, run: Run, catalog: Catalog, names: Pseudonyms) -> Rescan | None:
    """Look through the finished dataset for what should not be in it."""
    if not recipe.deidentify.on:
        return None
    return rescan(
        run.path("dataset"),
        recipe.deidentify,
        names,
        lambda mark: catalog.one("SELECT 1 FROM marks WHERE mark = ?", mark) is not None,
        marks=catalog.one("SELECT count(*) FROM marks"),
        check_stop=run.check_stop,
    )

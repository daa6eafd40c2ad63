"""`medfm curate`: from raw files to a dataset, in steps that each add up.

list → annotate → read (in worker processes, into the spool) → join → deduplicate → split → compare
→ derive → write → look again → report. What is known of each sample lies in the ledger; no step
holds them all in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.commands.curate.annotations.step import find_annotations
from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.counts import Account
from medfm_cli.commands.curate.deidentify.pseudonyms import PUBLIC_KEY, Pseudonyms, private_key
from medfm_cli.commands.curate.deidentify.rescan import Rescan, rescan
from medfm_cli.commands.curate.describing.step import Description, describe
from medfm_cli.commands.curate.duplicates.contamination import contamination
from medfm_cli.commands.curate.duplicates.contamination_summary import Contaminated
from medfm_cli.commands.curate.duplicates.step import Unique, deduplicate
from medfm_cli.commands.curate.instructions.step import Instructed, instruct
from medfm_cli.commands.curate.metadata.file_metadata import Resolve
from medfm_cli.commands.curate.metadata.step import collect_metadata
from medfm_cli.commands.curate.reading.joining import Block, join
from medfm_cli.commands.curate.reading.plan import Planned, read_all
from medfm_cli.commands.curate.reading.staging import Spool
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.report.contamination import contaminated_blocks
from medfm_cli.commands.curate.report.datasheet import responsible_use, write_datasheet
from medfm_cli.commands.curate.report.page import Story, headline, sections, summary
from medfm_cli.commands.curate.sources import Source
from medfm_cli.commands.curate.sources.listing import list_files
from medfm_cli.commands.curate.split.client_summary import Partitioned
from medfm_cli.commands.curate.split.clients import partition
from medfm_cli.commands.curate.split.step import Dealt, split
from medfm_cli.commands.curate.withdrawal import Withdrawn, forget, withdraw
from medfm_cli.commands.curate.withdrawal import told as withdrawal_told
from medfm_cli.commands.curate.writing.croissant import write_croissant
from medfm_cli.commands.curate.writing.linkage import write_linkage
from medfm_cli.commands.curate.writing.step import write_dataset, write_dicom
from medfm_cli.errors import DataError, EnvironmentProblem, MedfmError
from medfm_cli.readers.optional import NEEDS
from medfm_cli.runs import Callout, Result, Run
from medfm_cli.runs.machine import give_back_memory, usable_cpus

LEDGER = ("checkpoints", "ledger.sqlite")
UNPACKED = ("checkpoints", "unpacked")


@dataclass(frozen=True)
class Decided:
    """What the steps found out on the way, for the report."""

    unique: Unique
    dealt: Dealt
    shared: Contaminated
    instructed: Instructed | None
    partitioned: Partitioned | None


def run(recipe: CurateRecipe, run: Run) -> Result:
    """Curate, or go on where an earlier try was stopped.

    Raises:
        DataError: a source holds nothing to read, or the labels do not fit it.
    """
    with Ledger(run.path(*LEDGER)) as ledger:
        try:
            return _curate(recipe, run, ledger)
        finally:
            ledger.remove()  # it holds the names of a site's files


def _curate(recipe: CurateRecipe, run: Run, ledger: Ledger) -> Result:
    sources = [keys.open_source() for keys in recipe.blocks().values()]
    public = all(source.public for source in sources)
    names = _pseudonyms(recipe, public, run)
    planned = _plan(recipe, run, ledger, sources, names)
    reading = read_all(recipe, run, ledger, planned, names)
    blocks = _blocks(recipe, planned, sources)
    joined = join(ledger, reading.spool, reading.units, blocks, names)
    withdrawn = _withdraw(recipe, run, ledger, names)
    decided = _decide(recipe, run, ledger, reading.spool, names)
    card = write_dataset(recipe, run, ledger, reading, blocks, names)
    write_linkage(run.path("linkage.parquet"), ledger)
    copies = write_dicom(recipe, run, ledger, names)
    rescanned = _rescan(recipe, run, ledger, names)
    more = {"Contamination": contaminated_blocks(ledger, decided.shared, run)}
    if withdrawn is not None:
        more["Withdrawal"] = withdrawal_told(withdrawn, ledger, run)
        forget(ledger, reading.spool)
    reading.spool.drop_payloads()
    shutil.rmtree(run.path(*UNPACKED), ignore_errors=True)
    story = Story(
        recipe=recipe,
        account=Account(ledger),
        card=card,
        run=run,
        joined=joined,
        unique=decided.unique,
        dealt=decided.dealt,
        description=_describe(recipe, run, ledger),
        public=public,
        instructed=decided.instructed,
        partitioned=decided.partitioned,
        rescanned=rescanned,
        copies=copies,
        notes=[plan.notes for plan in planned],
        more=more,
    )
    _document(story)
    return _result(story, decided.shared)


def _plan(
    recipe: CurateRecipe,
    run: Run,
    ledger: Ledger,
    sources: Sequence[Source],
    names: Pseudonyms,
) -> list[Planned]:
    """List the files of every source, and what tables, folders and other files say of them."""
    for number, source in enumerate(sources):
        list_files(ledger, source, number, run.path(*UNPACKED, str(number)))
    ledger.index("files")
    planned: list[Planned] = []
    for number, (name, keys) in enumerate(recipe.blocks().items()):
        resolve = _resolver(run, name)
        found = find_annotations(ledger, number)  # first: they are no tables of labels
        notes = collect_metadata(ledger, number, keys, recipe.split, names, resolve)
        planned.append(Planned(keys, notes, resolve, found))
    return planned


def _withdraw(
    recipe: CurateRecipe, run: Run, ledger: Ledger, names: Pseudonyms
) -> Withdrawn | None:
    """Leave out whoever withdrew, where the recipe names a file of them."""
    if recipe.withdraw is None:
        return None
    return withdraw(ledger, Path(recipe.withdraw).expanduser(), names, run)


def _result(story: Story, shared: Contaminated) -> Result:
    """What scripts read; what is amiss is said on the terminal too."""
    report = sections(story)
    for block in (block for section in report for block in section.blocks):
        if isinstance(block, Callout) and block.kind == "warn":
            story.run.console.warn(block.text)
    account, card = story.account, story.card
    return Result(
        metrics=account.counts() | {"samples": card.counts.samples} | shared.metrics(),
        artefacts={"dataset": "dataset"},
        sections=report,
        summary=summary(account, card),
        headline=headline(account, card),
        lineage={
            "dataset": card.version,
            "sources": card.lineage.source_digest,
            "recipe": story.run.hash,
        },
        gate=shared.gate,
    )


def _describe(recipe: CurateRecipe, run: Run, ledger: Ledger) -> Description:
    blocks = list(recipe.blocks())
    return describe(ledger, run.path("dataset"), blocks, recipe.describe, seed=recipe.seed)


def _document(story: Story) -> None:
    """Write what tells people and other tools about the dataset."""
    root = story.run.path("dataset")
    write_datasheet(root, story)
    told = story.recipe.description or headline(story.account, story.card)
    write_croissant(root, story.card, description=told, rai=responsible_use(story))


def _resolver(run: Run, name: str) -> Resolve:
    """Records what an `auto` of a source block became."""
    prefix = f"sources.{name}." if name else ""
    return lambda key, value, why: run.resolve(prefix + key, value, why)


def _pseudonyms(recipe: CurateRecipe, all_public: bool, run: Run) -> Pseudonyms:
    """The key of this run; made on first use."""
    asked = recipe.deidentify.secret
    public = asked == "public" or (asked == "auto" and all_public)
    if asked == "auto":
        why = "the source is public" if public else "the source may hold patients' data"
        run.resolve("deidentify.secret", "public" if public else "private", why)
    if public:
        return Pseudonyms(PUBLIC_KEY)
    key, path = private_key(run.path("deid.key"))
    run.console.detail(f"pseudonyms are made with the key in {path}")
    return Pseudonyms(key)


def _blocks(
    recipe: CurateRecipe, planned: Sequence[Planned], sources: Sequence[Source]
) -> list[Block]:
    names = list(recipe.blocks())
    return [
        Block(
            number=number,
            name=name,
            keys=plan.keys,
            notes=plan.notes,
            official=recipe.split.official != "none",
            keep_paths=_keeps_paths(recipe, source, plan.resolve),
            modality=source.modality,
            classes=source.classes,
            licences=source.licences,
            deidentify=recipe.deidentify,
        )
        for number, (name, plan, source) in enumerate(zip(names, planned, sources, strict=True))
    ]


def _keeps_paths(recipe: CurateRecipe, source: Source, resolve: Resolve) -> bool:
    asked = recipe.deidentify.source_paths
    if asked == "auto":
        why = "the source is public" if source.public else "file names often hold patients' names"
        resolve("deidentify.source_paths", "keep" if source.public else "hash", why)
        return source.public
    return asked == "keep"


def _decide(
    recipe: CurateRecipe, run: Run, ledger: Ledger, spool: Spool, names: Pseudonyms
) -> Decided:
    """Deduplicate, split, compare and derive: everything that needs to see all samples.

    Raises:
        DataError: no sample is left.
        EnvironmentProblem: none is left, since an extra is missing.
    """
    unique = deduplicate(ledger, recipe.deduplicate, spool=spool, threads=usable_cpus())
    give_back_memory()
    account = Account(ledger)
    if not account.counts()["kept"]:
        raise _nothing(recipe, account)
    hidden = recipe.deidentify.on and recipe.deidentify.dates == "shift"
    dealt = split(ledger, recipe.split, seed=recipe.seed, shifted=hidden)
    how = "official" if dealt.official else f"by {dealt.by}, seed {recipe.seed}"
    run.resolve("split", how, dealt.why)
    account.check()
    shared = contamination(
        ledger,
        recipe.contamination,
        near=recipe.deduplicate,
        key=names.fingerprint,
        threads=usable_cpus(),
    )
    derive = recipe.derive
    instructed = partitioned = None
    if derive.instructions is not None:
        instructed = instruct(ledger, derive.instructions, seed=recipe.seed)
    if derive.clients is not None:
        partitioned = partition(ledger, derive.clients, seed=recipe.seed)
    return Decided(unique, dealt, shared, instructed, partitioned)


def _nothing(recipe: CurateRecipe, account: Account) -> MedfmError:
    """The error for a source of which nothing is left."""
    source = recipe.source or ", ".join(recipe.sources)
    why = account.worst_reasons()
    text = f"none of the {account.counts()['files']} files in '{source}' gives a sample: {why}"
    ((_, worst), _), *_ = account.reasons().most_common(1) or [(("", ""), 0)]
    if worst.startswith(NEEDS):
        return EnvironmentProblem(text, hint=worst.removeprefix(NEEDS))
    return DataError(
        text, hint="check the source; 'medfm curate … --dry-run' shows what would be read"
    )


def _rescan(recipe: CurateRecipe, run: Run, ledger: Ledger, names: Pseudonyms) -> Rescan | None:
    """Look through the finished dataset for what should not be in it."""
    if not recipe.deidentify.on:
        return None
    return rescan(
        run.path("dataset"),
        recipe.deidentify,
        names,
        lambda mark: ledger.one("SELECT 1 FROM marks WHERE mark = ?", mark) is not None,
        marks=ledger.one("SELECT count(*) FROM marks"),
        check_stop=run.check_stop,
    )

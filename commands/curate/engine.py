"""`medfm curate`: from raw files to a dataset, in steps that each add up.

list → annotate → read (in worker processes, into the spool) → join → deduplicate → split → pack →
report. What is known of each sample lies in the ledger; no step holds them all in memory.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.commands.curate.account import Account
from medfm_cli.commands.curate.annotate import annotate
from medfm_cli.commands.curate.annotations.find import find as find_annotations
from medfm_cli.commands.curate.clients import partition
from medfm_cli.commands.curate.contamination import contamination, fingerprints
from medfm_cli.commands.curate.croissant import write_croissant
from medfm_cli.commands.curate.datasheet import responsible_use, write_datasheet
from medfm_cli.commands.curate.deduplicate import Unique, deduplicate
from medfm_cli.commands.curate.deidentify import PUBLIC_KEY, Pseudonyms, private_key
from medfm_cli.commands.curate.describe import Description, describe
from medfm_cli.commands.curate.dicom_copies import Copies, count_copies, write_copies
from medfm_cli.commands.curate.instruction_records import write_instructions
from medfm_cli.commands.curate.instructions import Instructed, instruct
from medfm_cli.commands.curate.joining import Block, Joined, join
from medfm_cli.commands.curate.ledger import Ledger
from medfm_cli.commands.curate.linkage import write_linkage
from medfm_cli.commands.curate.listing import list_files
from medfm_cli.commands.curate.notes import Resolve
from medfm_cli.commands.curate.pack import Packer, pieces
from medfm_cli.commands.curate.partitioned import Partitioned
from medfm_cli.commands.curate.quarantine import quarantined
from medfm_cli.commands.curate.read import Planned, Reading, read_all
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.report import Story, headline, sections, summary
from medfm_cli.commands.curate.reporting.contaminated import contaminated_blocks
from medfm_cli.commands.curate.rescan import Rescan, rescan
from medfm_cli.commands.curate.schema import label_schema
from medfm_cli.commands.curate.sources import Source
from medfm_cli.commands.curate.split import Dealt, split
from medfm_cli.commands.curate.spool import Spool
from medfm_cli.commands.curate.withdrawal import forget, withdraw
from medfm_cli.commands.curate.withdrawal import told as withdrawal_told
from medfm_cli.data.card import Cutting, DatasetCard, DatasetLineage
from medfm_cli.data.dataset import SHARDS_FOLDER
from medfm_cli.data.fingerprints import write_fingerprints
from medfm_cli.data.machine import give_back_memory, usable_cpus
from medfm_cli.data.shards import Shard
from medfm_cli.data.write import write_manifest
from medfm_cli.errors import DataError
from medfm_cli.runs import Callout, Result, Run

LEDGER = ("checkpoints", "ledger.sqlite")
UNPACKED = ("checkpoints", "unpacked")
JOURNAL = ("checkpoints", "shards")


@dataclass(frozen=True)
class Decided:
    """What the steps found out on the way, for the report."""

    joined: Joined
    unique: Unique
    dealt: Dealt
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
    blocks = recipe.blocks()
    sources = [keys.open_source() for keys in blocks.values()]
    names = _pseudonyms(recipe, _all_public(sources), run)
    planned: list[Planned] = []
    for number, source in enumerate(sources):
        list_files(ledger, source, number, run.path(*UNPACKED, str(number)))
    ledger.index("files")
    for number, (name, keys) in enumerate(blocks.items()):
        resolve = _resolver(run, name)
        found = find_annotations(ledger, number)  # first: they are no tables of labels
        notes = annotate(ledger, number, keys, recipe.split, names, resolve)
        planned.append(Planned(keys, notes, resolve, found))
    reading = read_all(recipe, run, ledger, planned, names)
    described = _blocks(recipe, list(blocks), planned, sources)
    joined = join(ledger, reading.spool, reading.units, described, names)
    withdrawn = None
    if recipe.withdraw is not None:
        withdrawn = withdraw(ledger, Path(recipe.withdraw).expanduser(), names, run)
    decided = _decide(recipe, run, ledger, reading.spool, joined)
    account = Account(ledger)
    account.check()
    shared = contamination(
        ledger,
        recipe.contamination,
        near=recipe.deduplicate,
        key=names.fingerprint,
        threads=usable_cpus(),
    )
    card = _write(recipe, run, ledger, reading, described, sources, names)
    write_linkage(run.path("linkage.parquet"), ledger)
    copies = _copies(recipe, run, ledger, names)
    rescanned = _rescan(recipe, run, ledger, names)
    more = {"Contamination": contaminated_blocks(ledger, shared, run)}
    if withdrawn is not None:
        more["Withdrawal"] = withdrawal_told(withdrawn, ledger, run)
        forget(ledger, reading.spool)
    reading.spool.drop_payloads()
    shutil.rmtree(run.path(*UNPACKED), ignore_errors=True)
    story = Story(
        recipe=recipe,
        account=account,
        card=card,
        run=run,
        description=_describe(recipe, run, ledger),
        public=_all_public(sources),
        rescanned=rescanned,
        copies=copies,
        notes=[plan.notes for plan in planned],
        more=more,
        **vars(decided),
    )
    _document(story)
    report = sections(story)
    for block in (block for section in report for block in section.blocks):
        if isinstance(block, Callout) and block.kind == "warn":
            run.console.warn(block.text)
    return Result(
        metrics=account.counts() | {"samples": card.counts.samples} | shared.metrics(),
        artefacts={"dataset": "dataset"},
        sections=report,
        summary=summary(account, card),
        headline=headline(account, card),
        lineage={
            "dataset": card.version,
            "sources": card.lineage.source_digest,
            "recipe": run.hash,
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


def _all_public(sources: Sequence[Source]) -> bool:
    return all(source.public for source in sources)


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
    recipe: CurateRecipe,
    names: Sequence[str],
    planned: Sequence[Planned],
    sources: Sequence[Source],
) -> list[Block]:
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
            oldest=recipe.deidentify.oldest if recipe.deidentify.on else None,
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
    recipe: CurateRecipe, run: Run, ledger: Ledger, spool: Spool, joined: Joined
) -> Decided:
    """Deduplicate and split: everything that needs to see all samples.

    Raises:
        DataError: no sample is left.
    """
    unique = deduplicate(ledger, recipe.deduplicate, spool=spool, threads=usable_cpus())
    give_back_memory()
    account = Account(ledger)
    counts = account.counts()
    if not counts["kept"]:
        source = recipe.source or ", ".join(recipe.sources)
        raise DataError(
            f"none of the {counts['files']} files in '{source}' gives an image: "
            f"{account.worst_reasons()}",
            hint="check the source; 'medfm curate … --dry-run' shows what would be read",
        )
    hidden = recipe.deidentify.on and recipe.deidentify.dates == "shift"
    dealt = split(ledger, recipe.split, seed=recipe.seed, shifted=hidden)
    how = "official" if dealt.official else f"by {dealt.by}, seed {recipe.seed}"
    run.resolve("split", how, dealt.why)
    derive = recipe.derive
    instructed = partitioned = None
    if derive.instructions is not None:
        instructed = instruct(ledger, derive.instructions, seed=recipe.seed)
    if derive.clients is not None:
        partitioned = partition(ledger, derive.clients, seed=recipe.seed)
    return Decided(joined, unique, dealt, instructed, partitioned)


def _write(
    recipe: CurateRecipe,
    run: Run,
    ledger: Ledger,
    reading: Reading,
    blocks: Sequence[Block],
    sources: Sequence[Source],
    names: Pseudonyms,
) -> DatasetCard:
    """Write the shards, the manifest, the quarantine and the card."""
    root = run.path("dataset")
    packer = Packer(
        root / SHARDS_FOLDER,
        run.path(*JOURNAL),
        reading.spool,
        shard_bytes=recipe.shard_bytes,
        wanted=lambda: pieces(ledger, [block.name for block in blocks]),
    )
    shards = _pack(run, ledger, packer)
    give_back_memory()

    def source_name(block: int, name: str) -> str:
        return name if blocks[block].keep_paths else names.of("file", name)

    count, digest = _sources(ledger)
    licences = [licence for block in blocks for licence in block.keys.licences]
    licences += [licence for source in sources for licence in source.licences]
    write_fingerprints(root, fingerprints(ledger), key=names.fingerprint)
    card = write_manifest(
        root,
        packer.samples(shards),
        name=run.name,
        label_schema=label_schema(ledger, [block.keys.label_spec() for block in blocks]),
        shards=shards,
        quarantine=quarantined(ledger, source_name),
        lineage=DatasetLineage(source_count=count, source_digest=digest, recipe=run.hash),
        cutting=_cutting(reading.cuttings),
        licences=list(dict.fromkeys(licences)),
        consent="; ".join(dict.fromkeys(b.keys.consent for b in blocks if b.keys.consent)),
    )
    if recipe.derive.instructions is not None and recipe.derive.instructions.export:
        write_instructions(root)
    run.log("dataset", version=card.version, samples=card.counts.samples)
    return card


def _sources(ledger: Ledger) -> tuple[int, str]:
    """How many different files were read, and `manifest.source_digest` of them, streamed."""
    digest, count = hashlib.sha256(), 0
    for (sha,) in ledger.rows(
        "SELECT file_sha FROM (SELECT file_sha FROM items UNION SELECT file_sha FROM refused) "
        "WHERE file_sha <> '' ORDER BY file_sha"
    ):
        digest.update(f"{sha}\n".encode())
        count += 1
    return count, digest.hexdigest()


def _pack(run: Run, ledger: Ledger, packer: Packer) -> list[Shard]:
    packer.journal.mkdir(exist_ok=True)
    parts = ledger.one(
        "SELECT coalesce(sum(json_array_length(parts)), 0) FROM items WHERE fate = 'kept'"
    )
    with run.console.progress("writing shards", total=parts, unit="samples") as meter:

        def between(count: int) -> None:
            meter.advance(count)
            run.check_stop()

        return packer.pack(between=between)


def _copies(recipe: CurateRecipe, run: Run, ledger: Ledger, names: Pseudonyms) -> Copies | None:
    """De-identified copies of the DICOM files, where the recipe asks for them."""
    options = recipe.deidentify
    if options.dicom is None or not options.dicom.export:
        return None
    total = count_copies(ledger)
    with run.console.progress("copying DICOM", total=total, unit="files") as meter:

        def between(count: int) -> None:
            meter.advance(count)
            run.check_stop()

        return write_copies(ledger, run.path("dataset"), options, names, between=between)


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


def _cutting(cuttings: Sequence[Cutting]) -> Cutting:
    """How images were cut, if all sources were cut alike; else how the first was."""
    return cuttings[0]

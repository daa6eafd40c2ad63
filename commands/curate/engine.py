"""`medfm curate`: from raw files to a dataset, in steps that each add up.

list → read (in worker processes, into the spool) → label → deduplicate → split → pack → report.
"""

from __future__ import annotations

import shutil

from medfm_cli.commands.curate.account import Account
from medfm_cli.commands.curate.annotate import annotate, check_torn
from medfm_cli.commands.curate.croissant import write_croissant
from medfm_cli.commands.curate.deduplicate import deduplicate
from medfm_cli.commands.curate.deidentify import PUBLIC_KEY, Pseudonyms, private_key
from medfm_cli.commands.curate.images import Describer
from medfm_cli.commands.curate.linkage import write_linkage
from medfm_cli.commands.curate.notes import Notes
from medfm_cli.commands.curate.pack import Packer, Piece, pieces
from medfm_cli.commands.curate.read import Reading, read_all
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.report import headline, sections, summary
from medfm_cli.commands.curate.sources import Source
from medfm_cli.commands.curate.split_images import labels_of, split_images
from medfm_cli.data.card import DatasetCard, DatasetLineage, LabelSchema
from medfm_cli.data.dataset import SHARDS_FOLDER
from medfm_cli.data.manifest import Quarantined, source_digest
from medfm_cli.data.shards import Location, Shard
from medfm_cli.data.write import write_manifest
from medfm_cli.errors import DataError
from medfm_cli.runs import Callout, Result, Run

UNPACKED = ("checkpoints", "unpacked")
JOURNAL = ("checkpoints", "shards")


def run(recipe: CurateRecipe, run: Run) -> Result:
    """Curate, or go on where an earlier try was stopped.

    Raises:
        DataError: the source holds no image, or the labels do not fit it.
    """
    source = recipe.open_source()
    listing = source.open(run.path(*UNPACKED))
    notes = annotate(recipe, listing, run.resolve)
    check_torn(notes, listing.files)
    names = _pseudonyms(recipe, source, run)
    keep_paths = _keeps_paths(recipe, source, run)
    reading = read_all(recipe, run, listing=listing, notes=notes, names=names)
    account = _decide(recipe, source, notes, reading, names, keep_paths=keep_paths)
    account.left_out, account.absent = listing.left_out, notes.absent
    account.check()
    how = "official" if account.dealt.official else f"by subject, seed {recipe.seed}"
    run.resolve("split", how, account.dealt.why)
    wanted = pieces(account.images)
    shards, places = _pack(recipe, run, reading, wanted)
    card = _write(recipe, source, run, account, wanted, shards, places)
    write_linkage(run.path("linkage.parquet"), account, reading.entries)
    reading.spool.drop_pixels()
    shutil.rmtree(run.path(*UNPACKED), ignore_errors=True)
    counts = account.counts() | {"samples": card.counts.samples}
    report = sections(account, card, run)
    for block in (block for section in report for block in section.blocks):
        if isinstance(block, Callout) and block.kind == "warn":
            run.console.warn(block.text)
    return Result(
        metrics=counts,
        artefacts={"dataset": "dataset"},
        sections=report,
        summary=summary(account, card),
        headline=headline(account, card),
        lineage={
            "dataset": card.version,
            "sources": card.lineage.source_digest,
            "recipe": run.hash,
        },
    )


def _pseudonyms(recipe: CurateRecipe, source: Source, run: Run) -> Pseudonyms:
    """The key of this run; made on first use."""
    asked = recipe.deidentify.secret
    public = asked == "public" or (asked == "auto" and source.public)
    if asked == "auto":
        why = "the source is public" if public else "the source may hold patients' data"
        run.resolve("deidentify.secret", "public" if public else "private", why)
    if public:
        return Pseudonyms(PUBLIC_KEY)
    key, path = private_key(run.path("deid.key"))
    run.console.detail(f"pseudonyms are made with the key in {path}")
    return Pseudonyms(key)


def _keeps_paths(recipe: CurateRecipe, source: Source, run: Run) -> bool:
    asked = recipe.deidentify.source_paths
    if asked == "auto":
        why = "the source is public" if source.public else "file names often hold patients' names"
        run.resolve("deidentify.source_paths", "keep" if source.public else "hash", why)
        return source.public
    return asked == "keep"


def _decide(
    recipe: CurateRecipe,
    source: Source,
    notes: Notes,
    reading: Reading,
    names: Pseudonyms,
    *,
    keep_paths: bool,
) -> Account:
    """Label, deduplicate and split: everything that needs to see all images at once.

    Raises:
        DataError: no image is left.
    """
    describer = Describer(recipe, source, notes, names, keep_paths=keep_paths)
    described = describer.describe(reading.found, reading.entries)
    unique = deduplicate(described.images)
    account = Account(
        files=len({entry.file for entry in reading.entries}),
        images=unique.images,
        duplicates=unique.duplicates,
        refused=[
            (describer.source_name(reading.entries[r.entry].name), r) for r in reading.refused
        ],
        dropped=described.dropped,
        read=len(reading.found) + len(reading.refused),
        described=described,
        unique=unique,
        notes=notes,
        name=describer.source_name,
        cutting=reading.cutting,
    )
    if not account.images:
        raise DataError(
            f"none of the {account.files} files in '{recipe.source}' gives an image: "
            f"{account.worst_reasons()}",
            hint="check the source; 'medfm curate … --dry-run' shows what would be read",
        )
    account.dealt = split_images(account.images, recipe.split, seed=recipe.seed)
    return account


def _pack(
    recipe: CurateRecipe, run: Run, reading: Reading, wanted: list[Piece]
) -> tuple[list[Shard], list[Location]]:
    packer = Packer(
        run.path("dataset", SHARDS_FOLDER),
        run.path(*JOURNAL),
        reading.spool,
        shard_bytes=recipe.shard_bytes,
    )
    run.path(*JOURNAL).mkdir(exist_ok=True)
    with run.console.progress("writing shards", total=len(wanted), unit="images") as meter:

        def between(count: int) -> None:
            meter.advance(count)
            run.check_stop()

        return packer.pack(wanted, between=between)


def _write(
    recipe: CurateRecipe,
    source: Source,
    run: Run,
    account: Account,
    wanted: list[Piece],
    shards: list[Shard],
    places: list[Location],
) -> DatasetCard:
    """Write the manifest, the quarantine, the card and the Croissant description."""
    root = run.path("dataset")
    hashes = account.source_hashes()
    card = write_manifest(
        root,
        (piece.sample(place) for piece, place in zip(wanted, places, strict=True)),
        name=run.name,
        label_schema=_schema(account, recipe),
        shards=shards,
        quarantine=_quarantine(account),
        lineage=DatasetLineage(
            source_count=len(hashes), source_digest=source_digest(hashes), recipe=run.hash
        ),
        cutting=account.cutting,
        licences=[*recipe.licences, *source.licences],
        consent=recipe.consent,
    )
    write_croissant(root, card, description=recipe.description or headline(account, card))
    run.log("dataset", version=card.version, samples=card.counts.samples)
    return card


def _schema(account: Account, recipe: CurateRecipe) -> LabelSchema:
    """The classes: in the order of `labels.classes` where the recipe lists them, else by name."""
    present = {label for image in account.images for label in labels_of(image)}
    if not present:
        return LabelSchema()
    listed = dict.fromkeys(recipe.label_spec().classes.values())
    ordered = [name for name in listed if name in present]
    ordered += sorted(present - set(ordered), key=_by_number)
    several = any(image.labels is not None for image in account.images)
    return LabelSchema(kind="multi" if several else "single", classes=ordered)


def _by_number(name: str) -> tuple[bool, int, str]:
    return (not name.isdigit(), int(name) if name.isdigit() else 0, name)


def _quarantine(account: Account) -> list[Quarantined]:
    """Everything that was left out, in the order of the steps."""
    rows = [
        Quarantined(source=account.name(name), step="source", reason=reason)
        for name, reason in account.left_out
    ]
    rows += [
        Quarantined(
            source=account.name(name), step="table", reason="the table names a missing file"
        )
        for name in account.absent
    ]
    rows += [
        Quarantined(
            source=name, source_sha256=r.file_sha, frame=r.frame, step=r.step, reason=r.reason
        )
        for name, r in account.refused
    ]
    rows += [
        Quarantined(
            source=image.source,
            source_sha256=image.row.file_sha,
            frame=image.row.frame,
            step="labels",
            reason=reason,
        )
        for image, reason in account.dropped
    ]
    rows += [
        Quarantined(
            source=copy.image.source,
            source_sha256=copy.image.row.file_sha,
            frame=copy.image.row.frame,
            step="duplicates",
            reason="the same file" if copy.exact else "the same pixels",
            image_id=copy.kept.image_id,
        )
        for copy in account.duplicates
    ]
    return rows

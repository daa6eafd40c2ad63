"""`datasheet.md`: the questions of Gebru et al., "Datasheets for Datasets" (2018), answered.

Questions and answers are in `datasheet.md.j2`; this module gives the facts. A question that a
curation cannot answer reads UNKNOWN, for the people who know. Nothing is guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medfm_cli.commands.curate.catalog import KEPT
from medfm_cli.commands.curate.report.composition import KIND_NAMES
from medfm_cli.commands.curate.report.context import STEPS, ReportContext
from medfm_cli.commands.curate.report.privacy import LINKAGE, privacy_rows
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs.atomic import write_text
from medfm_cli.runs.cells import safe_markdown
from medfm_cli.version import __version__

if TYPE_CHECKING:
    pass

DATASHEET_FILE: Final = "datasheet.md"
TEMPLATE: Final = Path(__file__).with_name("datasheet.md.j2")
UNKNOWN: Final = "UNKNOWN"
_FORMATS: Final = {
    "image": "8-bit grey or colour PNG",
    "volume": "arrays with spacing in mm",
    "video": "arrays of frames with their rate",
    "signal": "float32 arrays with rate, channel names and units",
    "audio": "float32 arrays with their rate",
    "series": "float32 arrays with times, names and units",
    "table": "JSON",
    "text": "UTF-8 text",
}


def write_datasheet(root: Path, context: ReportContext) -> None:
    """Write `datasheet.md` into the dataset's folder."""
    write_text(root / DATASHEET_FILE, datasheet(context))


def datasheet(context: ReportContext) -> str:
    """The datasheet as Markdown."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=False,  # noqa: S701 - Markdown, shown as text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["first_upper"] = _first_upper
    page = environment.from_string(TEMPLATE.read_text("utf-8")).render(_facts(context))
    return safe_markdown(page)


def _facts(context: ReportContext) -> dict[str, Any]:
    """The values that the template names."""
    card, catalog = context.card, context.catalog
    kinds = context.description["counts"]["kind"]
    stored = card.counts.splits
    reasons = context.account.reasons().most_common(5)
    return {
        "card": card,
        "recipe": context.recipe,
        "counts": context.account.counts(),
        "noun": context.noun,
        "ages": {"known": 0, **context.description["ages"]},
        "tally": lambda name: _tally(context, name),
        "kinds": [f"{count['samples']} {_plural(kind)}" for kind, count in kinds.items()],
        "formats": [
            f"{_plural(kind)} as {_FORMATS.get(kind, 'arrays')}" for kind in card.counts.kinds
        ],
        "splits": [
            f"{stored[split].samples} in {split} ({stored[split].subjects} subjects)"
            for split in SPLITS
            if split in stored
        ],
        "split": context.dealt.why,
        "torn": catalog.one(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM items WHERE {KEPT} GROUP BY subject "  # noqa: S608
            "HAVING COUNT(DISTINCT split) > 1)"
        ),
        "reasons": [
            f"{count} × {reason} ({STEPS.get(step, step)})" for (step, reason), count in reasons
        ],
        "missing": _missing(context),
        "privacy": [
            *_privacy(context),
            *(context.rescanned.unchecked if context.rescanned is not None else ()),
        ],
        "preprocessing": preprocessing(context),
        "limitations": limitations(context),
        "version": __version__,
    }


def responsible_use(context: ReportContext) -> dict[str, str | list[str]]:
    """What is known for the Responsible AI fields of croissant.json."""
    return {
        "dataCollectionMissingData": _missing(context),
        "dataPreprocessingProtocol": preprocessing(context),
        "dataAnnotationProtocol": _annotation(context),
        "dataBiases": _biases(context),
        "dataLimitations": limitations(context),
        "personalSensitiveInformation": _privacy(context),
    }


def _privacy(context: ReportContext) -> list[str]:
    """What could identify someone, and what was done about it, one line each."""
    return [
        f"{what}: {done}" + (f" ({how})" if how else "")
        for what, done, how in privacy_rows(context)
    ]


def _missing(context: ReportContext) -> str:
    """How many samples lack each attribute."""
    counts, total = context.description["counts"], context.description["samples"]
    parts = [
        f"{name} of {counts[name].get('UNKNOWN', {}).get('samples', 0)}"
        for name in ("modality", "anatomy", "site", "sex")
    ]
    parts.append(f"age of {total - context.description['ages'].get('known', 0)}")
    parts.append(f"labels of {counts['label'].get('no label', {}).get('samples', 0)}")
    return f"Unknown, of {total} {context.noun}: {', '.join(parts)}."


def preprocessing(context: ReportContext) -> list[str]:
    """What was done to the data, one sentence a step."""
    counts = context.account.counts()
    removed: dict[str, int] = {}
    for (step, _), count in context.account.reasons().items():
        removed[step] = removed.get(step, 0) + count
    quality = context.option("quality")
    steps = [f"{counts['files']} files were read; {removed.get('read', 0)} items were unreadable."]
    if quality is None or quality.on:
        steps.append(
            f"{removed.get('quality', 0)} {context.noun} were removed by the quality checks."
        )
    else:
        steps.append(f"The quality of {context.noun} was not checked.")
    if removed.get("labels"):
        steps.append(f"{removed['labels']} {context.noun} were removed because of their label.")
    if removed.get("withdrawn"):
        steps.append(f"{removed['withdrawn']} {context.noun} were withdrawn.")
    steps.append(f"{counts['duplicates']} duplicates were removed.")
    steps.append(f"Identifiers were replaced by keyed pseudonyms. {LINKAGE}")
    steps.append(f"Split: {context.dealt.why}.")
    if context.card.counts.samples != counts["kept"]:
        steps.append(f"{context.card.counts.samples} samples were derived from {counts['kept']}.")
    return steps


def limitations(context: ReportContext) -> list[str]:
    """What a careful user should know."""
    texts = [
        *(
            f"{what[:1].upper()}{what[1:]}: NOT CHECKED."
            for what, done, _ in privacy_rows(context)
            if done == "NOT CHECKED"
        ),
        *(context.rescanned.unchecked if context.rescanned is not None else ()),
        *context.dealt.remarks(),
        *context.dealt.notes(),
    ]
    if not context.account.counts()["patients"]:
        texts.append("No patient identifiers: one patient may be in several splits.")
    return [text for text in texts if text]


def _biases(context: ReportContext) -> list[str]:
    """Imbalances as counted; their meaning is for others to judge."""
    imbalances = []
    for name in ("label", "sex", "site", "modality"):
        counts = context.description["counts"].get(name, {})
        if len(counts) > 1:
            imbalances.append(f"{name}: {_tally(context, name)}")
    return imbalances


def _annotation(context: ReportContext) -> list[str]:
    protocol = []
    for name, keys in context.recipe.blocks().items():
        spec = keys.label_spec()
        prefix = f"{name}: " if name else ""
        origin = spec.file or spec.field or ("folders" if spec.folders else "")
        if origin:
            protocol.append(f"{prefix}labels from {origin}")
        protocol += [f"{prefix}{name} if {rule}" for name, rule in spec.rules.items()]
        protocol += [f"{prefix}{value} becomes {name}" for value, name in spec.classes.items()]
    return protocol


def _tally(context: ReportContext, name: str, most: int = 12) -> str:
    """The commonest values of an attribute, each with its number of samples."""
    counts: dict[str, dict[str, Any]] = context.description["counts"][name]
    parts = [f"{value} {count['samples']}" for value, count in list(counts.items())[:most]]
    if len(counts) > most:
        parts.append(f"and {len(counts) - most} rarer ones")
    return ", ".join(parts) or UNKNOWN


def _plural(kind: str) -> str:
    return KIND_NAMES.get(kind, kind)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]

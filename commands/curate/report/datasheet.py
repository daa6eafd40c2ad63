"""`datasheet.md`: the questions of Gebru et al., "Datasheets for Datasets" (2018), answered.

What a curation knows of a dataset it answers; every other question reads UNKNOWN, and stays there
for the people who know. Nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from medfm_cli.commands.curate.describing.tallies import KEPT
from medfm_cli.commands.curate.report.composition import KIND_NAMES
from medfm_cli.commands.curate.report.context import STEPS, Story
from medfm_cli.commands.curate.report.privacy import LINKAGE, privacy_rows
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs.atomic import write_text
from medfm_cli.version import __version__

DATASHEET_FILE: Final = "datasheet.md"
UNKNOWN: Final = "UNKNOWN"

Answer = Callable[[Story], str]


def _none(_story: Story) -> str:
    return ""


def _purpose(story: Story) -> str:
    return story.recipe.description


def _instances(story: Story) -> str:
    kinds = [
        f"{count['samples']} {KIND_NAMES.get(kind, kind)}"
        for kind, count in story.description["counts"]["kind"].items()
    ]
    modalities = _listed(story, "modality")
    return f"{_joined(kinds)}. Modalities: {modalities}."


def _how_many(story: Story) -> str:
    counts = story.card.counts
    splits = [
        f"{counts.splits[split].samples} in {split} ({counts.splits[split].subjects} subjects)"
        for split in SPLITS
        if split in counts.splits
    ]
    return f"{counts.samples} samples of {counts.subjects} subjects: {_joined(splits)}."


def _all_or_sample(story: Story) -> str:
    books = story.account.counts()
    return (
        f"Of {books['read']} samples read from {books['files']} files, {books['kept']} are kept; "
        f"{books['duplicates']} were duplicates and {books['quarantined']} were quarantined. "
        f"Whether the files are a sample of a larger population: {UNKNOWN}."
    )


def _data(story: Story) -> str:
    kinds = story.card.counts.kinds
    stored = {
        "image": "8-bit grey or colour PNG", "volume": "arrays with spacing in mm",
        "video": "arrays of frames with their rate", "signal": "float32 arrays with rate, channel "
        "names and units", "audio": "float32 arrays with their rate", "series": "float32 arrays "
        "with times, names and units", "table": "JSON", "text": "UTF-8 text",
    }  # fmt: skip
    told = [f"{KIND_NAMES.get(kind, kind)} as {stored.get(kind, 'arrays')}" for kind in kinds]
    return f"{_capital(_joined(told))}, each with its metadata, in WebDataset tars."


def _label(story: Story) -> str:
    schema, books = story.card.label_schema, story.account.counts()
    if schema.kind == "none":
        return "No."
    how = "one class each" if schema.kind == "single" else "any of the classes"
    return (
        f"{books['labelled']} of {books['kept']} {story.noun} have labels ({how}): "
        f"{_listed(story, 'label')}."
    )


def _missing(story: Story) -> str:
    told = story.description
    total = told["samples"]
    parts = [
        f"{name} of {told['counts'][name].get('UNKNOWN', {}).get('samples', 0)}"
        for name in ("modality", "anatomy", "site", "sex")
    ]
    parts.append(f"age of {total - told['ages'].get('known', 0)}")
    unlabelled = told["counts"]["label"].get("no label", {}).get("samples", 0)
    parts.append(f"labels of {unlabelled}")
    return f"Of {total} {story.noun} are unknown: {_joined(parts)}."


def _relations(story: Story) -> str:
    books = story.account.counts()
    return (
        f"Samples of one subject share subject_id, of one study study_id, of one file "
        f"source_sha256, and near duplicates cluster. {books['patients']} of {books['subjects']} "
        f"subjects are patients or cases by their identifiers; the others are studies or files."
    )


def _splits(story: Story) -> str:
    torn = story.ledger.one(
        f"SELECT COUNT(*) FROM (SELECT 1 FROM items WHERE {KEPT} GROUP BY subject "  # noqa: S608
        "HAVING COUNT(DISTINCT split) > 1)"
    )
    whole = f"{torn} subjects are on two sides" if torn else "No subject is on two sides"
    return f"Yes, in the column split. {_capital(story.dealt.why)}. {whole}."


def _errors(story: Story) -> str:
    reasons = story.account.reasons().most_common(5)
    told = [f"{count} × {reason} ({STEPS.get(step, step)})" for (step, reason), count in reasons]
    found = f" Left out were, most often: {'; '.join(told)}." if told else ""
    return (
        f"What is known is in quarantine.parquet and in the report.{found} Label noise: {UNKNOWN}."
    )


def _self_contained(_story: Story) -> str:
    return "Yes: everything is in the folder, and nothing is fetched."


def _subpopulations(story: Story) -> str:
    told = story.description
    ages = told["ages"]
    words = f"Sex: {_listed(story, 'sex')}."
    if ages.get("known"):
        low, middle, high = ages["quartiles"]
        words += (
            f" Age, where known ({ages['known']}): median {middle:g} years, middle half "
            f"{low:g} to {high:g}."
        )
    else:
        words += f" Age: {UNKNOWN}."
    return f"{words} Sites: {_listed(story, 'site')}. Ethnicity: {UNKNOWN}."


def _identify(story: Story) -> str:
    rows = [
        f"- {what}: {done}" + (f" ({how})" if how else "")
        for what, done, how in privacy_rows(story)
    ]
    if story.rescanned is not None:
        rows += [f"- {text}" for text in story.rescanned.unchecked]
    return "\n".join(["What was done, and what was not checked:", "", *rows])


def _consent(story: Story) -> str:
    return story.card.consent


def _preprocessing(story: Story) -> str:
    return "\n".join(["Yes:", "", *(f"- {step}" for step in preprocessing(story))])


def _raw(_story: Story) -> str:
    return (
        "The source files are not part of the dataset and were not changed; "
        "their sha256 is in the manifest."
    )


def _software(_story: Story) -> str:
    return f"medfm {__version__}, Apache-2.0; the recipe lies beside the report."


def _licence(story: Story) -> str:
    return "; ".join(story.card.licences)


def _versions(story: Story) -> str:
    return (
        f"This is version {story.card.version[:12]}, the hash of its content; another content is "
        f"another version."
    )


def _withdrawal(story: Story) -> str:
    if not hasattr(story.recipe, "withdraw"):
        return ""
    return (
        f"What they were told: {UNKNOWN}. Whoever holds linkage.parquet can leave a subject out "
        f"(withdraw): its samples disappear from manifest and shards, and the version changes."
    )


QUESTIONS: Final[dict[str, dict[str, Answer]]] = {
    "Motivation": {
        "For what purpose was the dataset created?": _purpose,
        "Who created the dataset and on behalf of which entity?": _none,
        "Who funded the creation of the dataset?": _none,
    },
    "Composition": {
        "What do the instances that comprise the dataset represent?": _instances,
        "How many instances are there in total?": _how_many,
        "Does the dataset contain all possible instances or is it a sample?": _all_or_sample,
        "What data does each instance consist of?": _data,
        "Is there a label or target associated with each instance?": _label,
        "Is any information missing from individual instances?": _missing,
        "Are relationships between individual instances made explicit?": _relations,
        "Are there recommended data splits?": _splits,
        "Are there any errors, sources of noise, or redundancies in the dataset?": _errors,
        "Is the dataset self-contained?": _self_contained,
        "Does the dataset contain data that might be considered confidential?": _none,
        "Does the dataset contain data that, if viewed directly, might be offensive or cause "
        "anxiety?": _none,
        "Does the dataset identify any subpopulations?": _subpopulations,
        "Is it possible to identify individuals, directly or indirectly?": _identify,
        "Does the dataset contain data that might be considered sensitive in any way?": _none,
    },
    "Collection process": {
        "How was the data associated with each instance acquired?": _none,
        "What mechanisms or procedures were used to collect the data?": _none,
        "If the dataset is a sample from a larger set, what was the sampling strategy?": _none,
        "Who was involved in the data collection process and how were they compensated?": _none,
        "Over what timeframe was the data collected?": _none,
        "Were any ethical review processes conducted?": _none,
        "Were the individuals in question notified about the data collection?": _none,
        "Did the individuals in question consent to the collection and use of their data?": (
            _consent
        ),
        "Were they provided with a mechanism to revoke their consent?": _withdrawal,
        "Has an analysis of the potential impact of the dataset been conducted?": _none,
    },
    "Preprocessing, cleaning, labelling": {
        "Was any preprocessing, cleaning or labelling of the data done?": _preprocessing,
        "Was the raw data saved in addition to the preprocessed data?": _raw,
        "Is the software used for it available?": _software,
    },
    "Uses": {
        "Has the dataset been used for any tasks already?": _none,
        "Is there a repository that links to papers or systems that use the dataset?": _none,
        "What other tasks could the dataset be used for?": _none,
        "Is there anything about its composition or preprocessing that might impact future "
        "uses?": lambda story: "\n".join(f"- {text}" for text in limitations(story)),
        "Are there tasks for which the dataset should not be used?": _none,
    },
    "Distribution": {
        "Will the dataset be distributed to third parties?": _none,
        "How will the dataset be distributed?": _none,
        "When will the dataset be distributed?": _none,
        "Under which licence or terms of use will it be distributed?": _licence,
        "Have any third parties imposed restrictions on the data?": _none,
        "Do any export controls or other regulatory restrictions apply?": _none,
    },
    "Maintenance": {
        "Who will be supporting, hosting and maintaining the dataset?": _none,
        "How can the owner, curator or manager of the dataset be contacted?": _none,
        "Is there an erratum?": _none,
        "Will the dataset be updated?": _none,
        "Are there limits on the retention of the data of the individuals?": _none,
        "Will older versions of the dataset continue to be supported?": _versions,
        "If others want to extend the dataset, is there a mechanism for them to do so?": _none,
    },
}


def write_datasheet(root: Path, story: Story) -> None:
    """Write `datasheet.md` into the dataset's folder."""
    write_text(root / DATASHEET_FILE, datasheet(story))


def datasheet(story: Story) -> str:
    """The datasheet as Markdown."""
    lines = [
        f"# Datasheet of {story.card.name}",
        "",
        f"Version {story.card.version[:12]}. The questions are those of Gebru et al., *Datasheets "
        f"for Datasets* (2018), some of them shortened. What medfm knows of the curation is filled "
        f"in; {UNKNOWN} is for those who know more.",
        "",
    ]
    for chapter, questions in QUESTIONS.items():
        lines += [f"## {chapter}", ""]
        for question, answer in questions.items():
            lines += [f"**{question}**", "", answer(story).strip() or UNKNOWN, ""]
    return "\n".join(lines)


def responsible_use(story: Story) -> dict[str, str | list[str]]:
    """What is known for the Responsible AI fields of croissant.json."""
    return {
        "dataCollectionMissingData": _missing(story),
        "dataPreprocessingProtocol": preprocessing(story),
        "dataAnnotationProtocol": _annotation(story),
        "dataBiases": _biases(story),
        "dataLimitations": limitations(story),
        "personalSensitiveInformation": [
            f"{what}: {done}" + (f" ({how})" if how else "")
            for what, done, how in privacy_rows(story)
        ],
    }


def preprocessing(story: Story) -> list[str]:
    """What was done to the data, one sentence a step."""
    books = story.account.counts()
    lost: dict[str, int] = {}
    for (step, _), count in story.account.reasons().items():
        lost[step] = lost.get(step, 0) + count
    quality = story.option("quality")
    steps = [
        f"{books['files']} files were read; {lost.get('read', 0)} of what they hold was unreadable."
    ]
    if quality is None or quality.on:
        steps.append(f"{lost.get('quality', 0)} {story.noun} were left out for their quality.")
    else:
        steps.append(f"The quality of {story.noun} was not checked.")
    if lost.get("labels"):
        steps.append(f"{lost['labels']} {story.noun} were left out for their label.")
    if lost.get("withdrawn"):
        steps.append(f"{lost['withdrawn']} {story.noun} were withdrawn.")
    steps.append(f"{books['duplicates']} duplicates were left out.")
    steps.append(f"Identifiers were replaced by keyed pseudonyms. {LINKAGE}")
    steps.append(f"Split: {story.dealt.why}.")
    if story.card.counts.samples != books["kept"]:
        steps.append(f"{story.card.counts.samples} samples were derived from {books['kept']}.")
    return steps


def limitations(story: Story) -> list[str]:
    """What a careful user should know."""
    found = [
        *(
            f"{what[:1].upper()}{what[1:]}: NOT CHECKED."
            for what, done, _ in privacy_rows(story)
            if done == "NOT CHECKED"
        ),
        *(story.rescanned.unchecked if story.rescanned is not None else ()),
        *story.dealt.remarks(),
        *story.dealt.notes(),
    ]
    if not story.account.counts()["patients"]:
        found.append("No patient identifiers: one patient may be on both sides of the split.")
    return [text for text in found if text]


def _biases(story: Story) -> list[str]:
    """Imbalances as they were counted; what they mean is for others to judge."""
    told = []
    for name in ("label", "sex", "site", "modality"):
        counts = story.description["counts"].get(name, {})
        if len(counts) > 1:
            told.append(f"{name}: {_listed(story, name)}")
    return told


def _annotation(story: Story) -> list[str]:
    told = []
    for name, keys in story.recipe.blocks().items():
        spec = keys.label_spec()
        prefix = f"{name}: " if name else ""
        origin = spec.file or spec.field or ("folders" if spec.folders else "")
        if origin:
            told.append(f"{prefix}labels from {origin}")
        told += [f"{prefix}{name} if {rule}" for name, rule in spec.rules.items()]
        told += [f"{prefix}{value} becomes {name}" for value, name in spec.classes.items()]
    return told


def _listed(story: Story, name: str, most: int = 12) -> str:
    counts: dict[str, dict[str, Any]] = story.description["counts"][name]
    told = [f"{value} {count['samples']}" for value, count in list(counts.items())[:most]]
    if len(counts) > most:
        told.append(f"and {len(counts) - most} rarer ones")
    return ", ".join(told) or UNKNOWN


def _joined(parts: list[str]) -> str:
    return ", ".join(parts)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]

"""Instruction records: from labels and modalities to questions with answers that are true.

In the manner of RadFM and FEDMEKI, in our own words: whether a label holds (balanced, see
`balancing`), which of the listed labels hold, and how the sample was made. A "no" always names
something that the sample is known not to have: a label of its own source that it was not given or,
where labels are partial, one that is known to be absent; a modality that is not its own.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import Any

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.instructions import templates
from medfm_cli.commands.curate.instructions.balancing import Balance, balance, open_row
from medfm_cli.commands.curate.options.instructions import Instructions
from medfm_cli.commands.curate.split.strata import MOST_LABELS, labels_of
from medfm_cli.runs.blocks import Cell, Table

NONE_OF_THEM = "none of these"
NO_MODALITY = ("text", "table", "series")
"""Kinds without questions about their modality."""
_PRIME = 2**89 - 1
_LABELLED = "fate = 'kept' AND (label IS NOT NULL OR labels IS NOT NULL)"
_IMAGED = f"fate = 'kept' AND modality <> '' AND kind NOT IN {NO_MODALITY}"


@dataclass
class InstructionSummary:
    """How many questions were made.

    Attributes:
        tasks: binary, open, modality → questions.
        samples: samples with at least one of them.
        labels: questions about each label, by source block and split.
        modalities: questions about each modality, by split.
        names: label → what it is called.
    """

    tasks: Counter[str] = field(default_factory=Counter)
    samples: int = 0
    labels: list[Balance] = field(default_factory=list)
    modalities: list[Balance] = field(default_factory=list)
    names: Mapping[str, str] = field(default_factory=dict)

    def tables(self) -> list[Table]:
        """Questions by task, and yes and no for every label and modality."""
        rows: list[list[Cell]] = [[task, count] for task, count in sorted(self.tasks.items())]
        tables = [Table(["Task", "Questions"], rows, f"Questions about {self.samples} samples.")]
        for title, found in (("Label", self.labels), ("Modality", self.modalities)):
            counts: defaultdict[tuple[str, str], int] = defaultdict(int)
            for item in found:
                counts[self.names.get(item.what, item.what), item.split] += item.each
            if counts:
                lines: list[list[Cell]] = [
                    [what, split, n, n] for (what, split), n in sorted(counts.items())
                ]
                tables.append(
                    Table([title, "Split", "Yes", "No"], lines, "Yes is as common as no.")
                )
        return tables

    def remarks(self) -> list[str]:
        """The labels without questions."""
        unasked = sorted({b.what for b in self.labels} - {b.what for b in self.labels if b.each})
        if not unasked:
            return []
        names = ", ".join(self.names.get(what, what) for what in unasked[:8])
        return [f"No question asks whether these hold, since nothing could answer no: {names}."]


def add_instructions(catalog: Catalog, options: Instructions, *, seed: int) -> InstructionSummary:
    """Append the questions to `items.turns`, each with its `facts`: the task and the label.

    Args:
        catalog: split; every split is balanced by itself.
        options: what to ask.
        seed: with the sample's hash it decides which sample gets which question and template.
    """
    summary = InstructionSummary(names=options.names)
    catalog.db.executescript("DROP TABLE IF EXISTS temp.questions;")
    catalog.db.create_function("draw_of", 2, _drawer(seed), deterministic=True)
    open_row(catalog)
    alike = _alike(options.overlapping)
    if options.binary:
        _line_up_labels(catalog, partial=options.partial)
        summary.labels = balance(
            catalog, "binary", limit=options.per_label, alike=alike, partial=options.partial
        )
    if options.modality:
        summary.modalities = _ask_modalities(catalog, options)
    catalog.execute("CREATE INDEX temp.questions_item ON questions (item, task, what)")
    writer = _Writer(catalog, options, alike, seed)
    catalog.many("UPDATE items SET turns = ? WHERE id = ?", writer.turns(summary))
    return summary


def read_turns(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Question, answer and facts of each turn of a sample."""
    found = []
    for turn in json.loads(text) if text else []:
        if isinstance(turn, dict):
            turn = (turn["question"], turn["answer"], turn.get("facts", {}))
        found.append((turn[0], turn[1], turn[2] if len(turn) > 2 else {}))
    return found


def _line_up_labels(catalog: Catalog, *, partial: bool) -> None:
    """Line up the labelled samples, by source block and split."""
    catalog.execute(
        "INSERT INTO row (item, block, split) SELECT id, block, split FROM items "  # noqa: S608
        f"WHERE {_LABELLED} ORDER BY block, split, draw_of('label', content_sha), id"
    )
    catalog.execute(
        "INSERT INTO has SELECT label, pos FROM row JOIN items ON id = item "
        "WHERE label IS NOT NULL UNION "
        "SELECT j.value, pos FROM row JOIN items ON items.id = item, json_each(items.labels) j "
        "WHERE items.label IS NULL"
    )
    if partial:
        catalog.execute(
            "INSERT INTO lacks SELECT DISTINCT j.value, pos FROM row "
            "JOIN items ON items.id = item, json_each(items.facts, '$.absent') j"
        )


def _ask_modalities(catalog: Catalog, options: Instructions) -> list[Balance]:
    """Half of the samples get an open question, the others yes or no, if there are several."""
    several = catalog.one(f"SELECT count(DISTINCT modality) FROM items WHERE {_IMAGED}") > 1  # noqa: S608
    openly = f"{_IMAGED} AND (draw_of('open', content_sha) < '8' OR NOT ?)"
    catalog.execute(
        f"INSERT INTO questions SELECT id, 'modality', '', NULL FROM items WHERE {openly}",  # noqa: S608
        several,
    )
    open_row(catalog)
    catalog.execute(
        "INSERT INTO row (item, block, split) SELECT id, 0, split FROM items "  # noqa: S608
        f"WHERE NOT ({openly}) AND {_IMAGED} "
        "ORDER BY split, draw_of('modality', content_sha), id",
        several,
    )
    catalog.execute("INSERT INTO has SELECT modality, pos FROM row JOIN items ON id = item")
    return balance(
        catalog, "modality", limit=options.per_label, alike=_alike(templates.overlapping())
    )


class _Writer:
    """Puts the questions into words."""

    def __init__(
        self, catalog: Catalog, options: Instructions, alike: Mapping[str, set[str]], seed: int
    ) -> None:
        self.catalog, self.options, self.alike = catalog, options, alike
        draw = _drawer(seed)
        self._of_use = lru_cache(1 << 14)(lambda use: 1 + int(draw("use", use), 16))
        self._of_sample = lru_cache(4)(lambda sha: 1 + int(draw("sample", sha), 16))
        self.known = _vocabularies(catalog) if options.open else {}
        self.several = {
            row[0]
            for row in catalog.rows(
                "SELECT DISTINCT block FROM items WHERE fate = 'kept' AND label IS NULL "
                "AND labels IS NOT NULL"
            )
        }

    def turns(self, summary: InstructionSummary) -> Iterator[tuple[str, int]]:
        """Every sample with a question: all its turns as JSON, and its number."""
        rows = self.catalog.rows(
            "SELECT id, content_sha, block, kind, modality, label, labels, facts, turns, "
            "task, what, answer FROM items LEFT JOIN questions ON item = id "
            "WHERE fate = 'kept' ORDER BY id, task, what"
        )
        for number, found in groupby(rows, key=lambda row: row["id"]):
            group = list(found)
            row = group[0]
            new = [self._put(row, q) for q in group if q["task"] == "binary"]
            labels = labels_of(row["label"], row["labels"])
            if self.options.open and labels is not None:
                new += self._put_open(row, labels)
            new += [self._put(row, q) for q in group if q["task"] == "modality"]
            if new:
                summary.samples += 1
                summary.tasks.update(facts["kind"] for _, _, facts in new)
                turns = [*read_turns(row["turns"]), *new]
                yield json.dumps(turns, ensure_ascii=False), number

    def _put(self, row: Any, question_row: Any) -> tuple[str, str, dict[str, Any]]:
        task, what, answer = question_row["task"], question_row["what"], question_row["answer"]
        kind, modality = row["kind"], row["modality"]
        pick = self._mixed(f"{task} {what}", row["content_sha"])
        reply = "Yes" if answer else "No"
        if task == "binary":
            label = self._name(what)
            question = templates.binary_question(kind, modality, label, pick)
        elif answer is None:
            what, reply = modality, templates.modality_name(modality)
            question = templates.modality_question(kind, pick)
        else:
            question = templates.is_modality_question(kind, what, pick)
        return question, reply, {"kind": task, "label": what}

    def _put_open(self, row: Any, labels: list[str]) -> list[tuple[str, str, dict[str, Any]]]:
        others = self._others(row, labels)
        if not labels and row["block"] not in self.several:
            return []
        most = max(1, self.options.options - len(labels))
        chosen = self._drawn("other", row["content_sha"], others, most)
        if not chosen:
            return []
        listed = self._drawn("order", row["content_sha"], [*labels, *chosen], None)
        names = [self._name(label) for label in listed]
        if row["block"] in self.several:
            names.append(NONE_OF_THEM)
        pick = self._mixed("open", row["content_sha"])
        question = templates.open_question(row["kind"], row["modality"], names, pick)
        answer = ", ".join(self._name(label) for label in sorted(labels)) or NONE_OF_THEM
        return [(question, answer, {"kind": "open", "label": ", ".join(sorted(labels))})]

    def _others(self, row: Any, labels: Sequence[str]) -> list[str]:
        """The labels that the sample is known not to have."""
        if self.options.partial:
            known = json.loads(row["facts"]).get("absent", [])
        else:
            known = self.known.get(row["block"], [])
        barred = set(labels).union(*(self.alike.get(label, ()) for label in labels))
        return [label for label in known if label not in barred]

    def _drawn(self, use: str, sha: str, labels: Iterable[str], most: int | None) -> list[str]:
        return sorted(labels, key=lambda label: self._mixed(f"{use} {label}", sha))[:most]

    def _mixed(self, use: str, sha: str) -> int:
        """A number for a use and a sample; from one digest of each, since there are many pairs."""
        return self._of_use(use) * self._of_sample(sha) % _PRIME

    def _name(self, label: str) -> str:
        return self.options.names.get(label, label)


def _vocabularies(catalog: Catalog) -> dict[int, list[str]]:
    """The labels of every source block, the commonest ones of too many."""
    known: defaultdict[int, list[str]] = defaultdict(list)
    rows = catalog.rows(
        "SELECT block, what, count(*) AS n FROM ("
        "SELECT block, label AS what FROM items WHERE fate = 'kept' AND label IS NOT NULL "
        "UNION ALL SELECT block, j.value FROM items, json_each(items.labels) j "
        "WHERE fate = 'kept' AND label IS NULL) GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
    )
    for block, what, _ in rows:
        if len(known[block]) < MOST_LABELS:
            known[block].append(what)
    return dict(known)


def _alike(groups: Iterable[Sequence[str]]) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for group in groups:
        for one in group:
            found[one] |= set(group) - {one}
    return dict(found)


def _drawer(seed: int) -> Any:
    def draw(use: str, sha: str) -> str:
        return hashlib.sha256(f"{seed}\0{use}\0{sha}".encode("utf-8", "replace")).hexdigest()[:16]

    return draw

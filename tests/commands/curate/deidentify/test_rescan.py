"""A finished dataset looked through again: what was planted is found, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import CLASSES, png, sample
from PIL import Image, ImageDraw, ImageFont

from medfm_cli.commands.curate.deidentify.identifier_hashes import marks, windows
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.deidentify.rescan import KNOWN, TEXT, Rescan, rescan
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.data import ShardWriter, write_manifest

NAMES = Pseudonyms(b"k" * 32)
OPTIONS = Deidentify(text="builtin")


def scan() -> np.ndarray:
    """A smooth picture without text."""
    y, x = np.mgrid[:200, :200]
    return np.clip(70 + 50 * np.sin(x / 40) * np.cos(y / 50), 0, 255).astype(np.uint8)


def written(text: str) -> np.ndarray:
    """The same with text in a corner."""
    image = Image.fromarray(scan())
    ImageDraw.Draw(image).text((6, 6), text, fill=255, font=ImageFont.load_default(14))
    return np.asarray(image)


def look(root: Path, rows: list[dict[str, Any]], seen: list[str] | None = None) -> Rescan:
    """Write a dataset of these rows, each with its payload, and rescan it."""
    (root / "shards").mkdir(parents=True)
    samples = []
    with ShardWriter(root / "shards") as writer:
        for number, row in enumerate(rows):
            payload = row.pop("payload", None) or png(scan())
            row = {"facts": "{}", "meta": "{}"} | row
            place = writer.add(f"{number:016x}", {"bin": payload, "json": b"{}"})
            changes = {"sample_id": f"{number:016x}", **row, **place._asdict()}
            samples.append(replace(sample(number), **changes))
        shards = writer.close()
    write_manifest(root, samples, name="toy", label_schema=CLASSES, shards=shards)
    known = marks(seen or [], NAMES)
    return rescan(root, OPTIONS, NAMES, known.__contains__, marks=len(known))


def found(result: Rescan) -> dict[str, dict[str, int]]:
    """What each look has found, without those that found nothing."""
    return {one.what: dict(one.found) for one in result.looks if one.found}


def test_a_clean_dataset_is_clean_and_says_what_was_not_checked(tmp_path: Path) -> None:
    rows = [
        {"text": "Seen by Dr. [NAME] on [DATE]. No effusion."},
        {"kind": "text", "payload": b"XXXX. Heart size normal."},
        {"kind": "table", "payload": json.dumps({"SBP": 120.0, "sex": "F"}).encode()},
    ]
    result = look(tmp_path, rows, ["MRN-77341902", "Publicson^Johanna"])
    assert found(result) == {}
    assert {one.what: (one.looked, one.of) for one in result.looks} == {
        "texts": (2, 2), "facts": (3, 3), "names and labels": (3, 3), "cells": (1, 1),
        "pixels": (1, 1),
    }  # fmt: skip
    assert result.identifiers == 0 and result.known == 3
    assert any("faces" in sentence.lower() for sentence in result.unchecked)


@pytest.mark.parametrize(
    ("row", "what", "type_"),
    [
        ({"text": "call Mrs. Publicson"}, "texts", "NAME"),
        ({"kind": "text", "payload": b"on 03/04/2011"}, "texts", "DATE"),
        ({"turns": json.dumps([["who?", "Dr. Greyson", {}]])}, "texts", "NAME"),
        ({"facts": json.dumps({"a": {"b": ["x", "me@there.org"]}})}, "facts", "EMAIL"),
        ({"meta": json.dumps({"static": {"id": 77341902}})}, "facts", "ID"),
        ({"kind": "table", "payload": b'{"c": "555-123-4567"}'}, "cells", "PHONE"),
        ({"text": "pat. mrn 77341902 johanna publicson"}, "texts", KNOWN),
        ({"source": "archive/MRN-77341902/1.png"}, "names and labels", KNOWN),
        ({"label": "Johanna Publicson"}, "names and labels", KNOWN),
        ({"payload": png(written("PUBLICSON JOHANNA 1942"))}, "pixels", TEXT),
    ],
)
def test_what_was_planted_is_found(
    row: dict[str, Any], what: str, type_: str, tmp_path: Path
) -> None:
    if "label" in row:
        row = {"anatomy": row["label"]}
    result = look(tmp_path, [{}, row], ["MRN-77341902", "Johanna Publicson"])
    assert found(result)[what][type_] == 1
    assert [one.samples for one in result.looks if one.what == what] == [[f"{1:016x}"]]
    assert (result.identifiers > 0) == (type_ == KNOWN or "77341902" in str(row))


def test_of_very_many_pictures_the_same_few_are_searched(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{} for _ in range(30)]
    look(tmp_path, rows)
    first, second = (rescan(tmp_path, OPTIONS, NAMES, searched=7) for _ in range(2))
    pixels = first.looks[-1]
    assert (pixels.looked, pixels.of) == (7, 30)
    assert first == second
    assert any("23 samples were not searched" in sentence for sentence in first.unchecked)


def test_marks_say_nothing_of_whom_they_are() -> None:
    made = marks(["MRN-77341902", "Johanna Publicson", "12", "John", "left", "ANONYMOUS"], NAMES)
    assert len(made) == 3
    assert not any("77341902" in mark or "publicson" in mark.lower() for mark in made)
    assert {NAMES.mark("mrn 77341902"), NAMES.mark("77341902")} <= made
    assert marks(["MRN-77341902"], Pseudonyms(b"other")).isdisjoint(made)
    assert "johanna publicson" in set(windows("then Johanna PUBLICSON came"))

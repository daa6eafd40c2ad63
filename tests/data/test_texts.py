"""The texts of samples, as statements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from medfm_cli.data.dataset import Dataset
from medfm_cli.data.texts import row_texts


class Rows(Dataset):
    """Only the columns that texts are made of."""

    def __init__(self, **columns: list[Any]) -> None:
        count = len(next(iter(columns.values())))
        plain: dict[str, list[Any]] = {
            "text": [None] * count,
            "turns": [None] * count,
            "label": [None] * count,
            "modality": [""] * count,
            "anatomy": [""] * count,
        }
        self.samples = pa.table(plain | columns)


def test_a_report_is_cut_into_sentences() -> None:
    report = "Findings:\nThe heart is normal.  No effusion; lungs clear.\n\nImpression: 2.5 cm node"
    (text,) = row_texts(Rows(text=[report]))
    assert text.splitlines() == [
        "Findings:",
        "The heart is normal.",
        "No effusion;",
        "lungs clear.",
        "Impression: 2.5 cm node",
    ]


def test_a_question_stays_with_its_answer() -> None:
    turns = json.dumps([["Is it a CT?  ", "No", {"qid": 1}], ["What plane?", "axial", {}]])
    assert row_texts(Rows(text=["A head."], turns=[turns])) == [
        "A head.\nIs it a CT? No\nWhat plane? axial"
    ]


def test_a_label_is_told_only_where_there_is_no_text_and_the_recipe_says_how() -> None:
    rows = Rows(text=["Clear.", None, "  "], label=["a", "b", None], modality=["XR", "CT", ""])
    assert row_texts(rows) == ["Clear.", "", ""]
    assert row_texts(rows, template="{modality} of {label}") == ["Clear.", "CT of b", ""]


def test_real_questions_are_told_for_every_image(shared_data: Path) -> None:
    """VQA-RAD's own file, through what curate stores: `[question, answer, facts]`."""
    questions = json.loads((shared_data / "vqa_rad" / "questions.json").read_text())
    rows = questions if isinstance(questions, list) else questions["questions"]
    some = [[row["question"], str(row["answer"]), {}] for row in rows[:50]]
    (text,) = row_texts(Rows(turns=[json.dumps(some)]))
    lines = text.splitlines()
    assert len(lines) == 50
    assert all(q.split()[0] in line for (q, *_), line in zip(some, lines, strict=True))

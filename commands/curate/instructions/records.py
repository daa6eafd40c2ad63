"""`instructions.jsonl`: every question and answer of a dataset, one JSON object a line.

The layout is FEDMEKI's (`conversations`, `task_type`, `modalities`), with the sample's name where
that has a path: payloads lie in shards.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.instructions import templates
from medfm_cli.commands.curate.instructions.step import read_turns
from medfm_cli.data.manifest import CHUNK, MANIFEST_FILE
from medfm_cli.runs.atomic import aside

INSTRUCTIONS_FILE = "instructions.jsonl"
_COLUMNS = ["sample_id", "split", "client", "kind", "modality", "text", "turns"]


def write_instructions(root: Path) -> int:
    """Write the records of the dataset folder `root`, in the manifest's order; gives how many."""
    count = 0
    with aside(root / INSTRUCTIONS_FILE) as path, path.open("w", encoding="utf-8") as file:
        for record in _records(root / MANIFEST_FILE):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count


def _records(manifest: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(manifest) as file:
        for batch in file.iter_batches(CHUNK, columns=_COLUMNS):
            for row in batch.to_pylist():
                for question, answer, facts in read_turns(row["turns"] or ""):
                    yield _record(row, question, answer, facts)


def _record(
    row: dict[str, Any], question: str, answer: str, facts: dict[str, Any]
) -> dict[str, Any]:
    kind, modality = row["kind"], row["modality"]
    label = str(facts.get("label", ""))
    return {
        "sample_id": row["sample_id"],
        "split": row["split"],
        "client": row["client"],
        "conversations": [
            {"from": "question", "value": f"<{kind}>\n{question}"},
            {"from": "answer", "value": f"Answer: {answer}"},
        ],
        "task_type": templates.task_sentence(str(facts.get("kind", "")), kind, modality, label),
        "modalities": templates.modalities_sentence(kind, text=bool(row["text"])),
        "facts": facts,
    }

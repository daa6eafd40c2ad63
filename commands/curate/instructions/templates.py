"""The texts of questions, made from `templates.yaml`: our own words, true to what the sample is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def _templates() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    return data


def overlapping() -> list[list[str]]:
    """Modalities of which one is a case of the other."""
    groups: list[list[str]] = _templates()["overlapping"]
    return groups


def noun(kind: str, modality: str) -> str:
    """What a sample is called: `X-ray image`, `CT scan`, `ultrasound video`, `image`."""
    if modality == "Photography" and kind == "image":
        return "photograph"
    adjective = _templates()["modalities"].get(modality, {}).get("adjective", "")
    return f"{adjective} {_templates()['kinds'][kind]}".strip()


def modality_name(modality: str) -> str:
    """The full name of a modality."""
    return str(_templates()["modalities"].get(modality, {}).get("name", modality))


def binary_question(kind: str, modality: str, label: str, pick: int) -> str:
    """Whether a label holds."""
    return _question("binary", pick, noun=noun(kind, modality), label=label)


def open_question(kind: str, modality: str, options: Sequence[str], pick: int) -> str:
    """Which of some labels hold."""
    listed = f"{', '.join(options[:-1])} or {options[-1]}"
    return _question("open", pick, noun=noun(kind, modality), options=listed)


def modality_question(kind: str, pick: int) -> str:
    """Which modality it is."""
    return _question("modality", pick, kind=_templates()["kinds"][kind])


def is_modality_question(kind: str, modality: str, pick: int) -> str:
    """Whether it is this modality."""
    name = modality_name(modality)
    return _question("is_modality", pick, kind=_templates()["kinds"][kind], name=name)


def task_sentence(task: str, kind: str, modality: str, label: str) -> str:
    """What is to be done, in a sentence that differs between tasks (for gates that read it)."""
    tasks = _templates()["tasks"]
    return str(tasks.get(task, tasks["other"])).format(
        noun=noun(kind, modality), kind=_templates()["kinds"][kind], label=label
    )


def modalities_sentence(kind: str, *, text: bool) -> str:
    """What the question comes with, in FEDMEKI's manner: `Image only`, `Text and signal`, …"""
    if kind == "text":
        return "Text only"
    if kind in ("series", "table"):
        content = "clinical measurements"
    else:
        content = {"signal": "signal", "audio": "sound"}.get(kind, kind)
    return f"Text and {content}" if text else f"{content.capitalize()} only"


def _question(task: str, pick: int, **fields: str) -> str:
    templates = _templates()["questions"][task]
    return str(templates[pick % len(templates)]).format(**fields)

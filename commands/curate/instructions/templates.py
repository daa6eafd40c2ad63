"""How questions are put: our own words, true to what the sample is.

A radiograph is never called a CT image: whatever names a method comes from the sample's modality,
and a question about the modality calls the sample by what it is stored as (image, recording).
"""

from __future__ import annotations

from collections.abc import Sequence

KINDS = {
    "image": "image",
    "volume": "scan",
    "video": "video",
    "signal": "recording",
    "audio": "recording",
    "series": "series of measurements",
    "table": "record",
    "text": "text",
}
"""What a sample is called where its modality is not known or not to be told."""
_METHODS = {
    "CT": "CT",
    "MR": "MR",
    "US": "ultrasound",
    "XR": "X-ray",
    "NM": "nuclear medicine",
    "PT": "PET",
    "Endoscopy": "endoscopic",
    "Dermoscopy": "dermoscopic",
    "Microscopy": "microscopic",
    "Fundus": "fundus",
    "OCT": "OCT",
    "ECG": "ECG",
    "EEG": "EEG",
    "Audio": "sound",
}
_NAMES = {
    "CT": "computed tomography",
    "MR": "magnetic resonance imaging",
    "US": "ultrasound",
    "XR": "radiography",
    "NM": "nuclear medicine",
    "PT": "positron emission tomography",
    "Endoscopy": "endoscopy",
    "Dermoscopy": "dermoscopy",
    "Microscopy": "microscopy",
    "Fundus": "fundus photography",
    "OCT": "optical coherence tomography",
    "Photography": "photography",
    "ECG": "electrocardiography",
    "EEG": "electroencephalography",
    "Audio": "sound recording",
}
ALIKE = (
    ("NM", "PT"),
    ("Photography", "Fundus"),
    ("Photography", "Dermoscopy"),
    ("Photography", "Endoscopy"),
    ("Photography", "Microscopy"),
)
"""Modalities of which one is, in common words, a case of the other: no answer is sure."""
_BINARY = (
    "Does this {noun} show {label}?",
    "Is {label} a right description of this {noun}?",
    "Look at this {noun}. Would you say: {label}?",
    "Is there evidence of {label} in this {noun}?",
)
_OPEN = (
    "Which of these describes this {noun}: {options}?",
    "What does this {noun} show? Choose from {options}.",
    "Choose what fits this {noun} out of {options}.",
)
_MODALITY_OPEN = (
    "By which method was this {kind} made?",
    "What is the modality of this {kind}?",
    "How was this {kind} acquired?",
)
_MODALITY_BINARY = (
    "Was this {kind} made by {name}?",
    "Is {name} the modality of this {kind}?",
)
PLACEHOLDERS = {"image": "<image>", "volume": "<volume>", "video": "<video>"} | {
    "signal": "<signal>",
    "audio": "<audio>",
    "series": "<series>",
    "table": "<table>",
    "text": "<text>",
}
"""Where a sample stands in a question that is exported."""


def noun(kind: str, modality: str) -> str:
    """What a sample is called: `X-ray image`, `CT scan`, `ultrasound video`, `image`."""
    if modality == "Photography" and kind == "image":
        return "photograph"
    return f"{_METHODS.get(modality, '')} {KINDS[kind]}".strip()


def method(modality: str) -> str:
    """The full name of a modality."""
    return _NAMES.get(modality, modality)


def ask_binary(kind: str, modality: str, label: str, pick: int) -> str:
    """Whether a label holds."""
    return _one(_BINARY, pick).format(noun=noun(kind, modality), label=label)


def ask_open(kind: str, modality: str, options: Sequence[str], pick: int) -> str:
    """Which of some labels hold."""
    listed = f"{', '.join(options[:-1])} or {options[-1]}"
    return _one(_OPEN, pick).format(noun=noun(kind, modality), options=listed)


def ask_modality(kind: str, pick: int) -> str:
    """Which modality it is."""
    return _one(_MODALITY_OPEN, pick).format(kind=KINDS[kind])


def ask_is_modality(kind: str, modality: str, pick: int) -> str:
    """Whether it is this modality."""
    return _one(_MODALITY_BINARY, pick).format(kind=KINDS[kind], name=method(modality))


def task_sentence(task: str, kind: str, modality: str, label: str) -> str:
    """What is to be done, in a sentence that tells tasks apart (for gates that read it)."""
    it = noun(kind, modality)
    if task == "binary":
        return f"Decide from the {it} whether this holds: {label}. Answer yes or no."
    if task == "open":
        return f"Choose from a list what the {it} shows."
    if task == "modality":
        return f"Recognise the modality of the {KINDS[kind]}."
    return f"Answer a question about the {it}."


def modalities_sentence(kind: str, *, text: bool) -> str:
    """What the question comes with, in FEDMEKI's manner: `Image only`, `Text and signal`, …"""
    if kind == "text":
        return "Text only"
    if kind in ("series", "table"):
        what = "clinical measurements"
    else:
        what = {"signal": "signal", "audio": "sound"}.get(kind, kind)
    return f"Text and {what}" if text else f"{what.capitalize()} only"


def _one(templates: Sequence[str], pick: int) -> str:
    return templates[pick % len(templates)]

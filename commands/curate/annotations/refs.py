"""What the parts of annotations share: which file is annotated by what, and where that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

KINDS = ("voc", "coco", "boxes", "mask", "turns")
"""What annotates a file: a VOC or COCO file or a table with boxes, a mask, questions."""
BOXES = ("voc", "coco", "boxes")
"""Those that give boxes; where several speak of one image, the first that does is taken."""


class Ref(NamedTuple):
    """What one annotation file says of one file; small, and read by `load` in the worker.

    Attributes:
        kind: one of `KINDS`.
        path: the annotation file.
        key: where in it, or what it says, in JSON; empty when the whole file is meant.
    """

    kind: str
    path: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """The annotation file `source` says something of the file `file` (numbers in the catalog)."""

    file: int
    source: int
    ref: Ref


@dataclass(frozen=True, slots=True)
class Missing:
    """An annotation of something that is not there, or that cannot be read; and why."""

    source: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of the source that may be an annotation."""

    number: int
    name: str
    path: str
    size: int

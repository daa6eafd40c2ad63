"""Pascal VOC: an XML file for each image, with the boxes of the objects in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from medfm_cli.commands.curate.annotations.refs import Link, Listed, Missing, Ref
from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Box

LARGEST = 16 << 20
"""Largest annotation file, in bytes."""
_START = re.compile(rb"^\s*(<\?xml[^>]*>)?\s*(<!--.*?-->\s*)*<annotation[\s>]", re.S)
_NAME = re.compile(rb"<filename>\s*([^<]{1,500}?)\s*</filename>")


def sniff(head: bytes) -> bool:
    """Whether a file begins like a VOC annotation."""
    return bool(_START.match(head.removeprefix(b"\xef\xbb\xbf")))


def find(file: Listed, head: bytes, match: Callable[[str], list[int]]) -> Iterator[Link | Missing]:
    """The image that the file is about: the one of its own name, else the one that it names.

    Args:
        file: the annotation file.
        head: its first bytes.
        match: gives the images that a name means.
    """
    folder, _, last = file.name.rpartition("/")
    own = last.rpartition(".")[0] or last
    named = _NAME.search(head)
    named_file = named[1].decode("utf-8", "replace") if named else ""
    for name in (f"{folder}/{own}", named_file):
        found = [number for number in (match(name) if name else []) if number != file.number]
        if len(found) == 1:
            yield Link(found[0], file.number, Ref("voc", file.path))
            return
    yield Missing(file.number, named_file or own, "the image of an annotation is missing")


def load(path: Path) -> tuple[list[Box], tuple[float, float] | None]:
    """The boxes as they are written, and width and height of the annotated image.

    Coordinates are kept as they are: VOC itself counts pixels from 1, most tools that write its
    format from 0.

    Raises:
        Unreadable: it is damaged, or declares entities.
    """
    data = path.read_bytes()[: LARGEST + 1]
    if len(data) > LARGEST:
        raise Unreadable(f"an annotation of more than {LARGEST >> 20} MB")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Unreadable("an XML file that declares entities, which are never expanded")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - without entities there is no bomb
    except (ElementTree.ParseError, ValueError, LookupError):
        raise Unreadable("a damaged XML file") from None
    boxes = [box for element in root.iter("object") if (box := _box(element)) is not None]
    width, height = (_number(root.find(f"size/{side}")) for side in ("width", "height"))
    return boxes, (width, height) if width > 0 and height > 0 else None


def _box(element: ElementTree.Element) -> Box | None:
    """The box of an object; one without coordinates (a part, a point) is none."""
    frame = element.find("bndbox")
    if frame is None:
        return None
    label = (element.findtext("name") or "").strip()
    x0, y0, x1, y1 = (_number(frame.find(side)) for side in ("xmin", "ymin", "xmax", "ymax"))
    return Box(label, x0, y0, x1, y1)


def _number(element: ElementTree.Element | None) -> float:
    """The number in an element; NaN where there is none."""
    try:
        return float((element.text or "").strip()) if element is not None else float("nan")
    except ValueError:
        return float("nan")

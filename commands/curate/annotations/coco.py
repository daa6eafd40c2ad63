"""COCO: one JSON file with the boxes and outlines of the objects in many images."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.annotations.refs import Link, Listed, Missing, Ref
from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Box
from medfm_cli.readers.records import json_stream
from medfm_cli.readers.records.column_roles import plain
from medfm_cli.readers.records.json_stream import Damaged

Mask = NDArray[Any]
MOST_POINTS = 1_000_000
"""Most points of an outline."""


def sniff(keys: dict[str, str]) -> bool:
    """Whether a JSON file, by the keys of its outer object, has COCO's lists."""
    return {name for name, kind in keys.items() if kind == "list"} >= {"images", "annotations"}


def find(file: Listed, match: Callable[[str], list[int]]) -> Iterator[Link | Missing]:
    """Which annotation, by its place in the file, belongs to which image.

    The file is gone through as a stream; its lists of images and of classes are kept.

    Raises:
        Damaged: the JSON breaks off.
    """
    path = Path(file.path)
    names = _categories(path)
    order = sorted(names, key=lambda category: (isinstance(category, str), category))
    values = {category: value for value, category in enumerate(order, 1)}
    images: dict[int | str, tuple[int, float, float]] = {}
    for _, image in json_stream.elements(path, "images"):
        if not isinstance(image, dict) or not _id(image.get("id")):
            continue
        name = str(image.get("file_name", ""))
        found = match(name) if name else []
        if len(found) == 1:
            size = _positive(image.get("width")), _positive(image.get("height"))
            images[image["id"]] = (found[0], *size)
        else:
            reason = "the image of an annotation is missing"
            several = "several files could be the image of an annotation"
            yield Missing(file.number, name, several if found else reason)
    annotated: set[int] = set()
    for offset, annotation in json_stream.elements(path, "annotations"):
        if not isinstance(annotation, dict) or not _id(annotation.get("image_id")):
            continue
        if annotation["image_id"] not in images:
            continue
        number, width, height = images[annotation["image_id"]]
        category = annotation.get("category_id")
        label = names.get(category, str(category)) if _id(category) else ""
        key = json.dumps([offset, label, values.get(category, 0), width, height])
        annotated.add(number)
        yield Link(number, file.number, Ref("coco", file.path, key))
    for number, width, height in images.values():
        if number not in annotated:  # annotated as empty
            key = json.dumps([-1, "", 0, width, height])
            yield Link(number, file.number, Ref("coco", file.path, key))


@dataclass
class ImageAnnotations:
    """The annotations of one image in a file.

    Attributes:
        boxes: as they are written.
        outlines: of each object that has one its class, its number among the classes, the outline.
        size: width and height of the annotated image, 0 where the file does not give them.
        captions: texts about the image.
    """

    boxes: list[Box] = field(default_factory=list)
    outlines: list[tuple[str, int, Any]] = field(default_factory=list)
    size: tuple[float, float] = (0.0, 0.0)
    captions: list[str] = field(default_factory=list)


def load(refs: Sequence[Ref]) -> ImageAnnotations:
    """The annotations of one image in a file.

    Raises:
        Unreadable: an annotation is damaged.
    """
    annotations = ImageAnnotations()
    for ref in refs:
        offset, label, value, width, height = json.loads(ref.key)
        annotations.size = (width, height)
        if offset < 0:
            continue
        annotation = _element(ref.path, offset)
        if box := _box(annotation.get("bbox"), label):
            annotations.boxes.append(box)
        if annotation.get("segmentation"):
            annotations.outlines.append((label, value, annotation["segmentation"]))
        if caption := plain(annotation.get("caption")):
            annotations.captions.append(caption)
    return annotations


def draw(outlines: Iterable[tuple[str, int, Any]], height: int, width: int) -> Mask:
    """The outlines as a mask `[H, W]`, later ones over earlier ones.

    Raises:
        Unreadable: an outline is damaged or of another size.
    """
    mask: Mask = np.zeros((height, width), np.uint16)
    for _, value, outline in outlines:
        mask[region(outline, height, width)] = value
    return mask.astype(np.uint8) if mask.max(initial=0) <= 255 else mask


def region(outline: Any, height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels an outline covers, `[H, W]`: polygons, or counts of a run-length encoding.

    Raises:
        Unreadable: it is neither, or it is of another size.
    """
    if isinstance(outline, dict):
        return _runs(outline, height, width)
    from PIL import Image, ImageDraw

    image = Image.new("1", (width, height))
    draw_ = ImageDraw.Draw(image)
    for polygon in outline if isinstance(outline, list) else []:
        if not isinstance(polygon, list) or len(polygon) > 2 * MOST_POINTS:
            raise Unreadable("a damaged outline")
        points = [value for value in polygon if isinstance(value, int | float)]
        if len(points) != len(polygon) or not all(abs(value) < 1e6 for value in points):
            raise Unreadable("a damaged outline")
        if len(points) >= 6:
            draw_.polygon(points[: len(points) // 2 * 2], fill=1)
    return np.asarray(image)


def _runs(outline: dict[str, Any], height: int, width: int) -> NDArray[np.bool_]:
    """Counts of pixels that are not, are, are not, … inside, down the columns."""
    if outline.get("size") != [height, width]:
        raise Unreadable("an outline for an image of another size")
    packed = outline.get("counts")
    counts: list[Any] = unpack(packed) if isinstance(packed, str) else packed or []
    whole = isinstance(counts, list) and all(isinstance(c, int) and c >= 0 for c in counts)
    if not whole or sum(counts) != height * width:
        raise Unreadable("a damaged outline")
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def unpack(text: str) -> list[int]:
    """The counts of a packed encoding (COCO API, maskApi.c, rleFrString).

    Six bits a character, five of them digits and one "more follows"; from the third count on the
    difference to the last but one.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text.encode("ascii", "replace"):
        digit = character - 48
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            value |= -1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, shift = 0, 0
    return counts


def _categories(path: Path) -> dict[Any, str]:
    found = {}
    if "categories" in json_stream.list_keys(path):
        for _, category in json_stream.elements(path, "categories"):
            if isinstance(category, dict) and _id(category.get("id")):
                found[category["id"]] = str(category.get("name", category["id"]))
    return found


def _element(path: str, offset: int) -> dict[str, Any]:
    try:
        _, annotation = next(json_stream.elements(Path(path), offset=offset))
    except (Damaged, StopIteration, OSError):
        raise Unreadable("a damaged annotation") from None
    return annotation if isinstance(annotation, dict) else {}


def _box(sides: Any, label: str) -> Box | None:
    if not isinstance(sides, list) or len(sides) != 4:
        return None
    if not all(isinstance(side, int | float) for side in sides):
        return Box(label, math.nan, math.nan, math.nan, math.nan)
    x, y, width, height = map(float, sides)
    return Box(label, x, y, x + width, y + height)


def _id(value: Any) -> bool:
    return isinstance(value, int | str)


def _positive(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e6 else 0.0

"""Tables of boxes: one row one box, with the image, the class, and four numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from medfm_cli.commands.curate.annotations.refs import Link, Listed, Missing, Ref
from medfm_cli.commands.curate.tables.open import Broken, header, meaning, rows
from medfm_cli.readers.item import Box

_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
)
_SIDES = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("bbox_x", "bbox_y", "bbox_width", "bbox_height"),
)
_FILE = re.compile(
    r"(image|img|file|pict(?:ure)|patient|study)[ _-]?(id|name|path|file|filename|index)?"
    r"|filename|path",
    re.I,
)
_LABEL = re.compile(
    r"label|class([ _-]?(name|id))?|category([ _-]?(name|id))?|target|name|type"
    r"|(cell|object|finding|lesion)[ _-]?(type|label|class|name)|finding",
    re.I,
)


def columns(names: Sequence[str]) -> tuple[tuple[str, ...], bool] | None:
    """The four columns of a box, and whether they are corners; None when there are none."""
    lower = {name.strip().lower(): name for name in names}
    for corners, kinds in ((True, _CORNERS), (False, _SIDES)):
        for four in kinds:
            if all(name in lower for name in four):
                return tuple(lower[name] for name in four), corners
    return None


def find(file: Listed, match: Callable[[str], list[int]]) -> Iterator[Link | Missing]:
    """Which box belongs to which image; nothing when no column names images of the source."""
    names = header(Path(file.path))
    found = columns(names)
    if found is None:
        return
    four, corners = found
    places = [names.index(name) for name in four]
    rest = [(place, name) for place, name in enumerate(names) if name not in four]
    image = next((place for place, name in rest if _FILE.fullmatch(name.strip())), -1)
    label = next(
        (p for p, name in rest if p != image and _LABEL.fullmatch(name.strip())),
        -1,
    )
    if image < 0:
        return
    last_name, number = "", -1
    for row in rows(Path(file.path)):
        if isinstance(row, Broken):
            yield Missing(file.number, file.name, f"row {row.number}: {row.reason}")
            continue
        name = meaning(row.cells[image])
        if name != last_name:
            last_name, matched = name, match(name) if name else []
            number = matched[0] if len(matched) == 1 else -1
            if number < 0 and name:
                yield Missing(file.number, name, "the image of a box is missing")
        if number >= 0:
            class_ = meaning(row.cells[label]) if label >= 0 else ""
            cells = [meaning(row.cells[place]) for place in places]
            key = json.dumps([class_, *cells, corners] if any(cells) else [])
            yield Link(number, file.number, Ref("boxes", file.path, key))


def load(refs: Sequence[Ref]) -> list[Box]:
    """The boxes of one image; a row without numbers says that it has none."""
    boxes: list[Box] = []
    for ref in refs:
        cells = json.loads(ref.key)
        if not cells:
            continue
        label, *four, corners = cells
        try:
            x, y, third, fourth = map(float, four)
        except ValueError:
            x = y = third = fourth = math.nan
        if not corners:
            third, fourth = x + third, y + fourth
        boxes.append(Box(label, x, y, third, fourth))
    return boxes

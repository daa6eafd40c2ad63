"""Masks that lie beside images: `masks/7.png` for `images/7.jpg`, `7_seg.png` for `7.png`.

Names propose, and what the first pairs hold decides: a mask is as large as its image and has few
values. Masks of volumes are found where files are grouped, by their grid.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.annotations.orientation import turned_mask
from medfm_cli.commands.curate.annotations.refs import Link, Listed, Ref
from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import MAX_PIXELS

MASK_WORDS = frozenset(
    {"seg", "segs", "segmentation", "segmentations", "segmentationclass"}
    | {"segmentationobject", "label", "labels", "mask", "masks", "roi", "rois"}
    | {"annotation", "annotations", "gt", "truth", "groundtruth"}
)
_PICTURE_WORDS = frozenset(
    {"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"}
    | {"original", "originals", "jpegimages", "scan", "scans", "raw", "data", "input"}
    | {"inputs", "frame", "frames"}
)
_STAGES = re.compile(r"(images?|imgs?|labels?|masks?|segs?)(tr|ts|train|val|test)")
_WORDS = re.compile(r"[^0-9a-z]+")
_ENDING = re.compile(r"\.(png|jpe?g|bmp|tiff?|gif|webp|npy)$", re.I)
PROBE = 8
"""Pairs that are looked at."""
FEW = 64
"""Distinct values of a mask, at most; colours count as values."""
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")
_GREYS = {"1", "L", "P", "I;16", "I;16B", "I;16L", "I"}


def key(name: str) -> tuple[str, str, bool]:
    """A name without words for images and masks; also without the number of a second mask.

    The last such word decides whether the name says mask.
    """
    words: list[str] = []
    for word in _WORDS.split(_ENDING.sub("", name).lower()):
        stage = _STAGES.fullmatch(word)
        words += [stage[1], stage[2]] if stage else [word]
    kinds = [n for n, word in enumerate(words) if word in MASK_WORDS or word in _PICTURE_WORDS]
    rest = [word for n, word in enumerate(words) if word and n not in kinds]
    mask = bool(kinds) and words[kinds[-1]] in MASK_WORDS
    numbered = mask and kinds[-1] == len(words) - 2 and words[-1].isdigit()
    return " ".join(rest), " ".join(rest[:-1] if numbered else rest), mask


def find(catalog: Catalog, block: int) -> Iterator[Link]:
    """The masks of images among the files, each with its image.

    Keeps nothing in memory but the first pairs: the names lie in a temporary table.
    """
    if not any(key(file.name)[2] for file in _image_files(catalog, block)):
        return
    catalog.execute("DROP TABLE IF EXISTS temp.paired")
    catalog.execute(
        "CREATE TEMP TABLE paired (number INTEGER, key TEXT, other TEXT, mask INTEGER, path TEXT)"
    )
    catalog.insert(
        "paired",
        ("number", "key", "other", "mask", "path"),
        ((file.number, *key(file.name), file.path) for file in _image_files(catalog, block)),
    )
    catalog.execute("CREATE INDEX temp.paired_key ON paired (key, mask)")
    links: list[Link] = []
    trusted = False
    for link, image in _pairs(catalog):
        if trusted:
            yield link
            continue
        if looks_like(Path(link.ref.path), Path(image)):
            links.append(link)
        elif not links:
            break
        else:
            continue
        if len(links) >= PROBE:
            trusted = True
            yield from links
    if not trusted:
        yield from links
    catalog.execute("DROP TABLE IF EXISTS temp.paired")


def _pairs(catalog: Catalog) -> Iterator[tuple[Link, str]]:
    """Masks with the only image of the same key, and the image's path."""
    masks = "SELECT number, key, other, path FROM temp.paired WHERE mask ORDER BY number"
    partner = "SELECT number, path FROM temp.paired WHERE key = ? AND NOT mask"
    for row in catalog.rows(masks):
        found: list[Any] = []
        for key_ in dict.fromkeys((row["key"], row["other"])):
            found = found or list(catalog.rows(partner, key_)) if key_ else found
        if len(found) == 1:
            ref = Ref("mask", row["path"])
            yield Link(found[0]["number"], row["number"], ref), found[0]["path"]


def _image_files(catalog: Catalog, block: int) -> Iterator[Listed]:
    sql = "SELECT number, name, path, size FROM files WHERE block = ? AND role = '' ORDER BY number"
    for row in catalog.rows(sql, block):
        if _ENDING.search(row["name"]):
            yield Listed(*row)


def looks_like(mask: Path, image: Path) -> bool:
    """Whether a file holds a mask for an image: as large, and of few values."""
    try:
        values = read(mask)
        upright, swapped = _size(image)
        return values.shape == upright or (swapped and values.shape == upright[::-1])
    except Unreadable:
        return False


def load(refs: Sequence[Ref], height: int, width: int, orientation: int = 1) -> NDArray[Any]:
    """The masks of one image as one, `[H, W]` uint8 or uint16, later ones over earlier ones.

    Args:
        refs: where they are.
        height, width: of the upright image.
        orientation: of the image (EXIF); masks of its stored pixels are turned with it.

    Raises:
        Unreadable: one is damaged, no mask, or of another size.
    """
    whole: NDArray[Any] = np.zeros((height, width), np.uint16)
    for ref in refs:
        values = turned_mask(read(Path(ref.path)), orientation, height, width)
        if values.shape != (height, width):
            raise Unreadable("a mask of another size")
        whole = np.where(values > 0, values, whole).astype(np.uint16)
    return whole.astype(np.uint8) if whole.max(initial=0) <= 255 else whole


def read(path: Path) -> NDArray[Any]:
    """The values of a mask: greys as they are, the palette's numbers, colours numbered.

    A mask of black and one other grey is 0 and 1. A JPEG, which blurs edges, is cut in the middle.

    Raises:
        Unreadable: it is damaged, or no mask.
    """
    if path.suffix.lower() == ".npy":
        return _array(path)
    from PIL import Image

    try:
        with _quiet(), Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable("a mask of far too many pixels")
            lossy = image.format in ("JPEG", "WEBP")
            values = np.asarray(image if image.mode in _GREYS else image.convert("RGB"))
    except Unreadable:
        raise
    except Exception:  # a damaged file makes the decoders say almost anything
        raise Unreadable("a damaged mask") from None
    if values.ndim == 3:
        values = _numbered(values, lossy=lossy)
    elif lossy:
        values = _cut(values)
    return _few(values)


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries quote what they read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _array(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if values.ndim != 2 or values.size > MAX_PIXELS:
            raise Unreadable("an array that is not the mask of an image")
        return _few(np.asarray(values))
    except (OSError, ValueError, EOFError):
        raise Unreadable("a damaged mask") from None


def _numbered(values: NDArray[Any], *, lossy: bool) -> NDArray[Any]:
    """Colours as numbers, black as 0; greys written as colours are greys."""
    if (values[..., 0] == values[..., 1]).all() and (values[..., 1] == values[..., 2]).all():
        return _cut(values[..., 0]) if lossy else values[..., 0]
    if lossy:
        raise Unreadable("a mask in colours that compression blurred")
    packed = values.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours = np.unique(packed)
    if len(colours) > FEW:
        raise Unreadable("not a mask: it has many colours")
    colours = colours[colours > 0]
    numbers = np.searchsorted(colours, packed) + 1
    return np.where(packed > 0, numbers, 0)


def _cut(values: NDArray[Any]) -> NDArray[Any]:
    """Black and white that a JPEG blurred."""
    between = ((values > 64) & (values < 192)).mean()
    if between > 0.05:
        raise Unreadable("not a mask: an image with grey levels")
    return (values >= 128).astype(np.uint8)


def _few(values: NDArray[Any]) -> NDArray[Any]:
    """Values as uint8 or uint16, a single one as 1."""
    if values.dtype.kind == "f" and not (values == np.round(values)).all():
        raise Unreadable("not a mask: it holds fractions")
    found = np.unique(values)
    if len(found) > FEW or found[0] < 0 or found[-1] > np.iinfo(np.uint16).max:
        raise Unreadable("not a mask: it has many values")
    if len(found) <= 2 and found[0] == 0 and found[-1] in (1, 255, 65535):
        return (values > 0).astype(np.uint8)
    return values.astype(np.uint8 if found[-1] <= 255 else np.uint16)


def _size(path: Path) -> tuple[tuple[int, int], bool]:
    """Height and width of an image, upright, and whether they are exchanged in its file.

    Raises:
        Unreadable: it is none.
    """
    from PIL import Image

    try:
        with _quiet(), Image.open(path, formats=_FORMATS) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            size = (image.width, image.height) if turned else (image.height, image.width)
            return size, turned
    except Exception:  # a damaged file makes the decoders say almost anything
        raise Unreadable("not an image") from None

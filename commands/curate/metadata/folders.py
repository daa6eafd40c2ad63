"""Labels and splits that the folders themselves spell out: `train/pneumonia/x.png`."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from medfm_cli.commands.curate.sources import File
from medfm_cli.commands.curate.sources.matching import Matcher, stem
from medfm_cli.commands.curate.tables.columns import person_folder, split_name
from medfm_cli.readers import Unreadable, sniff

_GENERIC = re.compile(
    r"(images?|imgs?|pict(?:ures?)|photos?|png|jpe?g|jpegimages|dicom|dcm|data|dataset|files?|raw"
    r"|masks?|labels?|annotations?|segmentations?|ground[ _-]?truth|gt|all|input|output)s?",
    re.I,
)
_PROBES = 3
_LARGEST_LIST = 64 << 20
_SAME_NAME = 4
"""An image may have files of its own name beside it: its mask, its boxes."""
_FEWEST = 5
"""Images a class must have on average before folders are taken for classes unasked."""
_MOST = 100
_MOST_FOLDERS = 1000


def class_of(name: str) -> str:
    """The class that a file's path spells: its folder, `train`, `val` and `test` left aside."""
    folders = [part for part in name.split("/")[:-1] if not split_name(part)]
    return folders[-1] if folders else ""


def split_of(name: str) -> str:
    """The split that a file's path spells, empty when it spells none."""
    return next((s for part in name.split("/")[:-1] if (s := split_name(part))), "")


def official_split(files: Iterable[File]) -> bool:
    """Whether folders called train, val or test hold (nearly) all files, and two of them exist."""
    found = Counter(split_of(file.name) for file in files)
    total, outside = found.total(), found.pop("", 0)
    return len(found) >= 2 and "train" in found and outside <= 0.05 * total


def person_folders(files: Iterable[File]) -> bool:
    """Whether (nearly) all files lie in folders named like patients, of whom there are several."""
    found = Counter(person_folder(file.name) for file in files)
    total, outside = found.total(), found.pop("", 0)
    return len(found) > 1 and outside <= 0.05 * total


def number_pattern(names: Iterable[str]) -> tuple[str, int] | None:
    """A pattern that takes a patient's number out of the files' names, and how many it finds.

    None where the names do not begin with numbers that group them.
    """
    files = [name.rpartition("/")[2] for name in names]
    for pattern in (r"^(\d+)[_-]", r"^([A-Za-z]+[_-]?\d+)[_-]"):
        found = Counter(match[1] for name in files if (match := re.match(pattern, name)))
        if len(found) > 1 and found.total() >= 0.95 * len(files) >= 1.2 * len(found):
            return pattern, len(found)
    return None


def split_lists(files: Iterable[File], matcher: Matcher) -> dict[int, str]:
    """What text files called train, val and test list, by the number of the file that is meant.

    A list counts when nearly all of its lines name one file each, and no file is in two.
    """
    found: dict[int, str] = {}
    for file in files:
        side = split_name(stem(file.name.rpartition("/")[2].lower()))
        if not side or not 0 < file.size <= _LARGEST_LIST or not file.path:
            continue
        lines = _lines(Path(file.path))
        named = [matcher.find(line) for line in lines]
        meant = [numbers for numbers in named if 0 < len(numbers) <= _SAME_NAME]
        if not lines or len(meant) < 0.9 * len(lines):
            continue
        for number in (number for numbers in meant for number in numbers):
            if found.setdefault(number, side) != side:
                return {}
    return found


def _lines(path: Path) -> list[str]:
    """The first word of every line of a text file; nothing for other files."""
    data = path.read_bytes()
    if b"\0" in data:
        return []
    lines = data.decode("utf-8", "replace").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def class_folders(files: Iterable[File]) -> str:
    """Why the folders can be taken for classes unasked, empty when they cannot.

    They can when plain images lie in a few folders of the same depth that are called neither like
    a patient nor like `images` or `masks`. Scans (DICOM, NIfTI) lie in patients' folders.
    """
    sizes: Counter[str] = Counter()
    probes: defaultdict[str, list[File]] = defaultdict(list)
    for file in files:
        folder = file.name.rpartition("/")[0]
        sizes[folder] += 1
        if len(probes[folder]) < _PROBES:
            probes[folder].append(file)
        if len(sizes) > _MOST_FOLDERS:
            return ""
    kept = [folder for folder, first in probes.items() if _plain_images(first)]
    classes: Counter[str] = Counter()
    for folder in kept:
        classes[class_of(f"{folder}/x")] += sizes[folder]
    depths = {len([p for p in folder.split("/") if not split_name(p)]) for folder in kept}
    if not 2 <= len(classes) <= _MOST or len(depths) != 1 or "" in classes:
        return ""
    if sum(classes.values()) < _FEWEST * len(classes) or not _class_names(list(classes)):
        return ""
    return f"images lie in {len(classes)} folders that are named like classes"


def _plain_images(files: Sequence[File]) -> bool:
    """Whether the first files of a folder that are images are ordinary ones."""
    kinds = set()
    for file in files:
        try:
            kinds.add(sniff(Path(file.path)).name)
        except (Unreadable, OSError):
            continue
    return bool(kinds) and kinds <= {"image", "npy"}


def _class_names(names: list[str]) -> bool:
    if any(_GENERIC.fullmatch(name) for name in names):
        return False
    if all(name.isdigit() for name in names):
        numbers = sorted(int(name) for name in names)
        return len(numbers) <= 10 and numbers[0] in (0, 1) and numbers[-1] - numbers[0] < 10
    return not any(re.search(r"\d{3,}", name) for name in names)

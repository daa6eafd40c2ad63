"""Where the members of an archive are unpacked to.

Files that belong together name each other (`100.hea` says `100.dat`), so a member keeps its name
where that is a harmless one. All others get a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NAMED, NUMBERED = "named", "numbered"
DEEPEST = 16
"""Most folders on the way to a member that keeps its name."""
_HARMLESS = re.compile(r"\w[\w ()+,=@~-]*(\.[\w ()+,=@~-]+)*", re.ASCII)
_LONGEST = 100
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def places(names: Sequence[str]) -> list[str]:
    """A place for each member, relative to the folder they are unpacked to.

    No part of one begins with a dot or a dash, no two places are equal on any file system, and
    none is a folder on the way to another.
    """
    split_names = [_parts(name) for name in names]
    folders = {_key(parts[:n]) for parts in split_names for n in range(1, len(parts))}
    used: set[str] = set()
    found = []
    for number, parts in enumerate(split_names):
        key = _key(parts)
        if parts and key not in folders and key not in used:
            used.add(key)
            found.append("/".join((NAMED, *parts)))
        else:
            found.append(f"{NUMBERED}/{number:07d}")
    return found


def _parts(name: str) -> list[str]:
    """The parts of a harmless name; none of any other."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    plain = all(
        _HARMLESS.fullmatch(part) and len(part) <= _LONGEST and not _DEVICES.fullmatch(part)
        for part in parts
    )
    return parts if plain and len(parts) <= DEEPEST else []


def _key(parts: list[str]) -> str:
    return "/".join(parts).lower()

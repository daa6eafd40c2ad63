"""Which file may be the segmentation of which scan, as far as names can tell.

`images/017.nii.gz` and `labels/017.nii.gz`, `017.nii.gz` and `017_seg.nii.gz`, `ct.nii` and
`mask.nii` alone in a folder. Names only propose: what the files hold decides.
"""

from __future__ import annotations

import re

_MASK = re.compile(
    r"segs?|segm|segmentations?|label(s|l?ed)?|masks?|rois?|annotations?|gt|(ground)?truth"
)
_SCAN = re.compile(r"images?|imgs?|scans?|volumes?|vols?|raw|data")
_STAGES = re.compile(r"(images?|labels?|masks?|segs?)(tr|ts|train|val|test)")
_ENDINGS = re.compile(r"(\.(?:nii|hdr))(?:\.gz)?$", re.IGNORECASE)
_WORDS = re.compile(r"[^0-9a-z]+")


def may_pair(name: str) -> bool:
    """Whether the file is named like a volume that comes as one file, or as a header."""
    return _ENDINGS.search(name) is not None


def key(name: str) -> tuple[str, str, bool]:
    """A name without words for scans and masks, its folder, and whether it says mask.

    The last word for either decides: `masks/images/1` is a scan, `images/1_mask` a mask. Of two
    files with one key, one of them said to be a mask, this may be the mask of the other.
    """
    folder, _, _ = name.rpartition("/")
    words: list[str] = []
    for word in _WORDS.split(_ENDINGS.sub("", name).lower()):
        stage = _STAGES.fullmatch(word)
        words += [stage[1], stage[2]] if stage else [word]
    said = [word for word in words if _MASK.fullmatch(word) or _SCAN.fullmatch(word)]
    rest = " ".join(word for word in words if word and word not in said)
    return rest, folder, bool(said) and _MASK.fullmatch(said[-1]) is not None

"""The samples that an item becomes, in the worker that read it."""

from __future__ import annotations

from medfm_cli.data.card import Cutting
from medfm_cli.data.cutting import PartOf, cut_content
from medfm_cli.data.readers import Item

__all__ = ["PartOf", "parts"]


def parts(item: Item, cutting: Cutting) -> list[PartOf]:
    """The whole item as one part with no suffix, or its tiles, slices, frames or windows."""
    return cut_content(item.content, cutting, mask=item.mask, boxes=item.boxes)

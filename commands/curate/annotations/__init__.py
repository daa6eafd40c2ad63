"""Annotations in files of their own: boxes, masks, questions, captions.

    counts = step.find_annotations(catalog, block)       # once: fills `annotations` and `absent`
    refs = step.refs_of(catalog, file)                   # for each file: goes to the worker with it
    item = apply.apply_annotations(item, refs, "boxes")  # in the worker, before the item is cut

Nothing is kept in memory but COCO's list of images; annotations are read where their file is.
"""

from __future__ import annotations

from medfm_cli.commands.curate.annotations.refs import KINDS, Ref

__all__ = ["KINDS", "Ref"]

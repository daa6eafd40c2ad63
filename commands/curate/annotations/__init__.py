"""Annotations in files of their own: boxes, masks, questions, captions.

    counts = find.find(ledger, block)            # once: fills `annotations` and `unmatched`
    refs = find.refs_of(ledger, file)            # for each file: small, goes to the worker with it
    item = apply.annotated(item, refs, "boxes")  # in the worker, before the item is cut

Nothing is kept in memory but COCO's list of pictures; annotations are read where their file is.
"""

from __future__ import annotations

from medfm_cli.commands.curate.annotations.refs import KINDS, Ref

__all__ = ["KINDS", "Ref"]

"""The texts of the samples, for objectives that learn from pairs of image and text. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.objectives.options.pairs import PairOptions
from medfm_cli.data.texts import row_texts
from medfm_cli.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.data.dataset import Dataset


def sample_texts(recipe: PretrainRecipe, dataset: Dataset, rows: NDArray[np.int64]) -> list[str]:
    """The text of every row of the manifest; empty if the objective needs no texts.

    Raises:
        DataError: none of `rows`, the training samples, has a text.
    """
    if not isinstance(recipe.objective, PairOptions):
        return []
    texts = row_texts(dataset, template=recipe.objective.text.template)
    if not len(having_text(rows, texts)):
        raise DataError(
            f"none of the {len(rows)} training samples has a text, and "
            f"{recipe.objective.name} learns from pairs of image and text",
            hint="curate with text=COLUMN, or questions as in curate/vqa; or set "
            "objective.text.template to use labels as texts",
        )
    return texts


def having_text(rows: NDArray[np.int64], texts: list[str]) -> NDArray[np.int64]:
    """The rows that have a text; all rows if texts are not needed."""
    return rows[[bool(texts[row]) for row in rows.tolist()]] if texts else rows

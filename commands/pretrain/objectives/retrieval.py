"""Retrieval between images and texts: recall with intervals, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medfm_cli.commands.pretrain.objectives.base import ReportSection
from medfm_cli.metrics.means import mean_estimate
from medfm_cli.runs import Facts, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.base import ObjectiveEvaluation
    from medfm_cli.data.tokens import Tokeniser, TokenTable
    from medfm_cli.metrics.estimates import Estimate
    from medfm_cli.runs.blocks import Cell

AT = (1, 5)
DIRECTIONS = {"image_to_text": "image → text", "text_to_image": "text → image"}


@dataclass(frozen=True)
class Vectors:
    """Pairs in the shared space.

    Attributes:
        images, texts: float32 [N,E], of length one; row i of both belong together.
        numbers: of the texts, int64 [N]; equal texts have equal numbers.
    """

    images: NDArray[np.float32]
    texts: NDArray[np.float32]
    numbers: NDArray[np.int64]

    @property
    def same(self) -> NDArray[np.bool_]:
        """Which texts match an image, [N,N]: its own and equal texts."""
        same: NDArray[np.bool_] = self.numbers[:, None] == self.numbers
        return same

    def hits(self, direction: str, k: int) -> NDArray[np.bool_]:
        """Whether a match is among the `k` most similar, for each query [N].

        Recall@k of cross-modal retrieval. Of equally similar candidates the wrong ones rank first,
        so that constant vectors score 0.
        """
        cosines = self.images @ self.texts.T
        if direction == "text_to_image":
            cosines = cosines.T
        best = np.where(self.same, cosines, -np.inf).max(axis=1, keepdims=True)
        ahead = ((cosines >= best) & ~self.same).sum(axis=1)
        hits: NDArray[np.bool_] = ahead < k
        return hits

    def chance(self, k: int) -> float:
        """Recall@k of a random order, 1 − C(N − m, k) / C(N, k) for m matches, on average."""
        count, right = len(self.numbers), self.same.sum(axis=1)
        missed = np.ones(count)
        for drawn in range(min(k, count)):
            missed *= np.clip(count - right - drawn, 0, None) / (count - drawn)
        return float(1 - missed.mean())


def recall(
    values: NDArray[np.bool_] | NDArray[np.float64], subjects: NDArray[np.int64], *, k: int
) -> Estimate:
    """Average over queries [N], with a 95 % interval over their subjects; the gallery stays."""
    return mean_estimate(values.astype(np.float64), subjects, metric=f"recall@{k}")


def retrieval_section(
    evaluations: Sequence[ObjectiveEvaluation], facts: dict[str, Any], *, scale: float
) -> ReportSection:
    """The recalls of every evaluated set of pairs, as metrics and as a table."""
    metrics: dict[str, Any] = {"logit_scale": round(scale, 4), **_keyed(facts)}
    rows: list[list[Cell]] = []
    for each in evaluations:
        before: Vectors = each.before
        after: Vectors = each.after
        usage = "trained on" if each.trained_on else "not trained on"
        for direction, name in DIRECTIONS.items():
            cells: list[Cell] = [f"{each.split} ({usage})", name]
            for k in AT:
                was, now = before.hits(direction, k), after.hits(direction, k)
                estimate = recall(now, each.subjects, k=k)
                gain = recall(now.astype(float) - was, each.subjects, k=k)
                key = f"{each.split}_{direction}_recall_{k}"
                metrics |= {
                    key: estimate.to_json(),
                    f"{key}_before": recall(was, each.subjects, k=k).to_json(),
                    f"{key}_gain": gain.to_json(),
                    f"{key}_chance": round(after.chance(k), 6),
                }
                cells += [estimate.text(), float(was.mean()), after.chance(k)]
            rows.append(cells)
    columns = ["Pairs", "Direction"]
    for k in AT:
        columns += [f"Recall@{k} [95 % interval]", f"before training @{k}", f"chance @{k}"]
    sizes = ", ".join(
        f"{len(each.subjects)} of {int(each.subjects.max()) + 1} subjects in {each.split}"
        for each in evaluations
    )
    caption = (
        "How often a matching text (image) is among the k most similar to an image (text). "
        f"Pairs: {sizes}; candidates are all pairs of the same row. Equal texts match too. "
        "Intervals over subjects, with fixed candidates. Recall falls with the number of "
        "candidates: compare with chance, and only between sets of equal size."
    )
    return ReportSection(
        title="Images and texts",
        metrics=metrics,
        blocks=[Table(columns, rows, caption), Facts(facts), *_remark(evaluations)],
    )


def text_facts(
    tokeniser: Tokeniser,
    table: TokenTable,
    evaluations: Sequence[ObjectiveEvaluation],
    *,
    length: int,
) -> dict[str, Any]:
    """Statistics of tokens; never the texts themselves, which may describe patients."""
    facts: dict[str, Any] = {"Vocabulary": tokeniser.size, "Tokens of a text, at most": length}
    for each in evaluations:
        lengths = table.lengths(each.rows)
        tokens = np.concatenate([table.whole(row) for row in each.rows.tolist()])
        cut = float((lengths > length - 2).mean())
        unknown = 0.0 if tokeniser.unknown is None else float((tokens == tokeniser.unknown).mean())
        facts |= {
            f"Median tokens ({each.split})": int(np.median(lengths)),
            f"Texts cut ({each.split})": f"{cut:.1%}",
            f"Unknown tokens ({each.split})": f"{unknown:.2%}",
        }
    return facts


def _keyed(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as metrics: `Texts cut (val)` → `texts_cut_val`."""
    kept = "".maketrans({" ": "_", "(": "", ")": "", ",": ""})
    return {name.lower().translate(kept): value for name, value in facts.items()}


def _remark(evaluations: Sequence[ObjectiveEvaluation]) -> list[Text]:
    """State whether retrieval improved on pairs not trained on."""
    held_out = [each for each in evaluations if not each.trained_on]
    if not held_out:
        return [Text("No pairs were held out: the recall on unseen images is unknown.")]
    each = held_out[0]
    gains = [
        recall(
            each.after.hits(direction, AT[-1]).astype(float) - each.before.hits(direction, AT[-1]),
            each.subjects,
            k=AT[-1],
        )
        for direction in DIRECTIONS
    ]
    improved = sum(gain.low is not None and gain.low > 0 for gain in gains)
    texts = {
        0: f"On pairs not trained on, recall@{AT[-1]} is not significantly above that "
        "before training in either direction: the model may only have memorised its pairs.",
        1: f"On pairs not trained on, recall@{AT[-1]} is significantly above that before "
        "training in one of two directions.",
        2: f"On pairs not trained on, recall@{AT[-1]} is significantly above that before "
        "training in both directions.",
    }
    return [Text(texts[improved])]

"""Compare the outputs of ONNX Runtime with those of PyTorch on real images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medfm_cli.errors import RunFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from medfm_cli.commands.export.graph import Graph
    from medfm_cli.inference.session import OnnxSession


@dataclass(frozen=True, slots=True)
class Parity:
    """The differences between the two over `images` images.

    `difference` is the largest |Δ| of a logit (of a feature, for an encoder), `probability` that
    of a probability; `agreement` is the fraction of images with the same predicted class (None
    for an encoder).
    """

    images: int
    output: str
    difference: float
    probability: float | None
    agreement: float | None
    tolerance: float

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def measure_parity(
    graph: Graph, session: OnnxSession, batches: Iterable[NDArray[np.uint8]], *, tolerance: float
) -> Parity:
    """Run the same uint8 batches [b,C,S,S] through both and compare all values.

    Raises:
        RunFailed: an output differs by more than `tolerance`, or is not a number.
    """
    first = graph.outputs[0]
    images = 0
    differences: dict[str, float] = dict.fromkeys(graph.outputs, 0.0)
    agreeing = 0
    for batch in batches:
        expected = _torch_outputs(graph, batch)
        actual = session.run(batch)
        images += len(batch)
        for name, values in expected.items():
            worst = float(np.abs(values - actual[name]).max())
            differences[name] = max(differences[name], np.inf if np.isnan(worst) else worst)
        agreeing += int((expected[first].argmax(axis=1) == actual[first].argmax(axis=1)).sum())
    is_classifier = first == "logits"
    parity = Parity(
        images=images,
        output=first,
        difference=differences[first],
        probability=differences.get("probabilities"),
        agreement=agreeing / images if is_classifier and images else None,
        tolerance=tolerance,
    )
    if parity.difference > tolerance:
        raise RunFailed(
            f"ONNX Runtime and PyTorch differ by {parity.difference:.2g} in a {first[:-1]} on "
            f"{images} images; {tolerance:.2g} is allowed",
            hint="try another opset, or raise parity.tolerance if that difference is harmless",
        )
    return parity


def _torch_outputs(graph: Graph, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    with torch.inference_mode():
        values = graph(torch.from_numpy(batch))
    return {name: value.numpy() for name, value in zip(graph.outputs, values, strict=True)}

"""Convert a PyTorch model to an ONNX graph with stored uint8 images as input."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from medfm_cli.errors import RunFailed, UsageError
from medfm_cli.inference.session import INPUT
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.inputs import normalise

if TYPE_CHECKING:
    import onnx

    from medfm_cli.data.preprocess import Preprocessing
    from medfm_cli.models.backbones import Backbone

EXAMPLES = 2
LARGEST = 2_000_000_000
"""Bytes of weights; protobuf is limited to 2³¹."""


class Graph(nn.Module):
    """uint8 images [N,C,S,S] to features [N,D] and, with a head, logits and probabilities [N,K].

    Normalisation is part of the graph, by the function that training uses, so a user of the model
    cannot omit or change it.
    """

    def __init__(
        self, module: Backbone | Classifier, preprocessing: Preprocessing, *, multi_label: bool
    ) -> None:
        super().__init__()
        self.module = module
        self.preprocessing = preprocessing
        self.multi_label = multi_label
        self.eval()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        if isinstance(self.module, Classifier):
            return ("logits", "probabilities", "features")
        return ("features",)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Run the model on stored bytes; the outputs are those of `outputs`."""
        normalised = normalise(image, self.preprocessing)
        if not isinstance(self.module, Classifier):
            return (self.module.features(normalised),)
        features = self.module.backbone.features(normalised)
        logits = self.module.head(features)
        probabilities = logits.sigmoid() if self.multi_label else logits.softmax(dim=1)
        return logits, probabilities, features


def write_onnx(graph: Graph, path: Path, *, opset: int) -> None:
    """Write the graph as one ONNX file with a dynamic batch.

    The same model gives the same bytes: torch's metadata in the file (source lines of this
    machine, stack traces) is removed.

    Raises:
        UsageError: the weights are too large for one ONNX file.
        RunFailed: torch cannot express the model in ONNX.
    """
    size = sum(value.numel() * value.element_size() for value in graph.parameters())
    if size > LARGEST:
        raise UsageError(
            f"the weights take {size / 1e9:.1f} GB, and an ONNX file is limited to 2 GB",
            hint="export a smaller backbone",
        )
    preprocessing = graph.preprocessing
    shape = (EXAMPLES, preprocessing.channels, preprocessing.size, preprocessing.size)
    example = torch.zeros(shape, dtype=torch.uint8)
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
                (example,),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT],
                output_names=list(graph.outputs),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise RunFailed(f"torch cannot export this model to ONNX: {reason}") from error
    model = program.model_proto  # type: ignore[union-attr]
    _anonymise(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _anonymise(model: onnx.ModelProto) -> None:
    """Remove metadata about the machine and the Python source."""
    model.doc_string = ""
    del model.metadata_props[:]
    for graph in (model.graph, *model.functions):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
        for value in graph.value_info:
            value.doc_string = ""
            del value.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own warnings (deprecations in torch and onnxscript) off stderr."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module=r"(torch|onnxscript|onnx)")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

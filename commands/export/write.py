"""The files of a bundle other than model.onnx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.inference.bundle import (
    BUNDLE_FILE,
    CARD_FILE,
    LINEAGE_FILE,
    MODEL_FILE,
    SOURCES_FILE,
    BundleCard,
)
from medfm_cli.models.card import render_model_card
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from medfm_cli.commands.export.parity import Parity
    from medfm_cli.commands.export.sources import Sources
    from medfm_cli.models.config import ImageConfig, ModelConfig
    from medfm_cli.models.lineage import Lineage


def write_bundle(
    folder: Path,
    config: ImageConfig,
    *,
    lineage: Lineage,
    sources: Sources,
    parity: Parity,
    opset: int,
) -> BundleCard:
    """Write card, lineage, sources and then bundle.json, which has the hash of each.

    Nothing in them depends on the clock or the machine: the same model gives the same bundle.
    """
    (folder / CARD_FILE).write_text(bundle_card(config, parity, opset=opset), "utf-8")
    (folder / LINEAGE_FILE).write_text(lineage.model_dump_json(indent=2) + "\n", "utf-8")
    (folder / SOURCES_FILE).write_text(sources.text, "utf-8")
    names = (CARD_FILE, LINEAGE_FILE, MODEL_FILE, SOURCES_FILE)
    card = BundleCard(
        kind=config.kind,
        architecture=config.backbone.name,
        parameters=config.parameters,
        preprocessing=config.preprocessing,
        label_schema=config.label_schema,
        operating_points=config.operating_points,
        opset=opset,
        weights_sha256=config.weights_sha256,
        files={name: file_sha256(folder / name) for name in names},
        medfm=__version__,
    ).sealed()
    (folder / BUNDLE_FILE).write_text(card.to_file(), "utf-8")
    return card


def bundle_card(config: ModelConfig, parity: Parity, *, opset: int) -> str:
    """The model card, with a section on the exported graph."""
    lines = [
        f"- format: ONNX, opset {opset}; input uint8 images, normalisation inside the graph",
        f"- compared with PyTorch on: {parity.images} images",
        f"- largest difference of a {parity.output[:-1]}: {parity.difference:.2e}",
    ]
    if parity.agreement is not None:
        lines.append(f"- same prediction: {parity.agreement:.2%} of the images")
    if config.kind == "classifier":
        lines.append("- use: medfm predict BUNDLE FILE...")
    return "\n".join([render_model_card(config).rstrip(), "", "## Exported graph", "", *lines, ""])

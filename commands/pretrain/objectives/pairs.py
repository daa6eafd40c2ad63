"""Shared by `clip` and `siglip`: pairs of image and text, their encoders, the negatives."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from medfm_cli.commands.pretrain.objectives.base import Objective, ObjectiveContext, ReportSection
from medfm_cli.commands.pretrain.objectives.retrieval import Vectors, retrieval_section, text_facts
from medfm_cli.data.tokens import Tokeniser, TokenTable
from medfm_cli.errors import UsageError
from medfm_cli.models.inputs import normalise
from medfm_cli.models.pair import TextSide, text_files
from medfm_cli.models.text import HubTower, TextTower, build_text_tower, load_hub_tower
from medfm_cli.models.text_spec import TextSpec
from medfm_cli.training.gather import gather_rows
from medfm_cli.training.views import draw_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medfm_cli.commands.pretrain.objectives.base import ObjectiveEvaluation
    from medfm_cli.commands.pretrain.objectives.options.pairs import PairOptions, TextOptions
    from medfm_cli.data.batch import Batch
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.recipe import Part
    from medfm_cli.training.randomness import StepRandom


class Pairs(Objective):
    """Images and their texts in one embedding space; a subclass defines the loss."""

    def __init__(
        self,
        backbone: Backbone,
        options: PairOptions,
        context: ObjectiveContext,
        *,
        scale: float,
        bias: float | None = None,
    ) -> None:
        """Train or load the tokeniser, and set up the text encoder.

        Raises:
            DataError: the tokeniser or the text model named in the recipe cannot be loaded.
            EnvironmentProblem: the extra `text` is not installed.
        """
        super().__init__(backbone, context)
        self.options = options
        self.tokeniser = choose_tokeniser(options.text, context)
        self.table = TokenTable(self.tokeniser, context.texts)
        self.side = TextSide(
            choose_tower(options.text, self.tokeniser),
            image_dim=backbone.dim,
            dim=options.dim,
            scale=scale,
            bias=bias,
        )

    @classmethod
    def check(cls, options: Part, context: ObjectiveContext) -> None:
        """Reject batches without negatives."""
        del options
        if context.batch // context.accumulate < 2:
            raise UsageError(
                "a batch (or a part of it) of one pair has no negatives",
                hint="set batch to 2 × accumulate at least; hundreds are better",
            )

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw a view of every image, and a statement of every text where the recipe says so."""
        images = draw_view(batch.values, self.context.views, self.preprocessing, random)
        if self.options.text.draw == "whole":
            return self._inputs(images, batch)
        return self._inputs(images, batch, random.uniform("statement"))

    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """The images and whole texts, without augmentation."""
        del random
        return self._inputs(normalise(batch.values, self.preprocessing), batch)

    def losses(  # type: ignore[override]
        self, images: Tensor, tokens: Tensor, subjects: Tensor, texts: Tensor
    ) -> Tensor:
        """Give the loss of each pair of the global batch, [B].

        Args:
            images: this process's part, normalised, [b,C,S,S].
            tokens: of the texts, [b,L].
            subjects: codes of the subjects, [b].
            texts: codes of the texts, [b]; equal texts have equal codes.
        """
        image_vectors = self.whole(self.side.images(self.backbone(images)))
        text_vectors = self.whole(self.side.texts(tokens))
        allowed = negatives(self.whole(subjects), self.whole(texts))
        return self.pair_losses(self.side.logits(image_vectors, text_vectors), allowed)

    def whole(self, rows: Tensor) -> Tensor:
        """Join the rows of all processes in training; an evaluation uses those of one process."""
        return gather_rows(rows) if self.training else rows

    @abstractmethod
    def pair_losses(self, logits: Tensor, negatives: Tensor) -> Tensor:
        """Give the loss [B] from logits [B,B], images along the rows."""

    def files(self) -> dict[str, bytes]:
        """Keep the text encoder too, for retrieval and zero-shot classification."""
        name = str(type(self.options).model_fields["name"].default)
        return text_files(self.side, self.tokeniser, objective=name)

    @torch.no_grad()
    def evaluate(self, batches: Iterable[Batch]) -> Vectors:
        """Give the vectors of images and of whole texts, in the order of the rows."""
        images, texts, numbers, rows = [], [], [], []
        for batch in batches:
            inputs = self._inputs(normalise(batch.values, self.preprocessing), batch)
            images.append(self.side.images(self.backbone(inputs["images"])).cpu())
            texts.append(self.side.texts(inputs["tokens"]).cpu())
            numbers.append(inputs["texts"].cpu())
            rows.append(batch.rows.cpu())
        order = torch.cat(rows).argsort()  # batches hold volumes of one depth
        return Vectors(*(torch.cat(parts)[order].numpy() for parts in (images, texts, numbers)))

    def report_sections(self, evaluations: Sequence[ObjectiveEvaluation]) -> list[ReportSection]:
        """The section on retrieval between images and texts, and on the tokens of the texts."""
        facts = text_facts(
            self.tokeniser, self.table, evaluations, length=self.side.tower.spec.length
        )
        scale = float(self.side.logit_scale.detach().exp())
        return [retrieval_section(evaluations, facts, scale=scale)]

    def _inputs(
        self, images: Tensor, batch: Batch, draws: Tensor | None = None
    ) -> dict[str, Tensor]:
        rows = batch.rows.tolist()
        parts = (
            [self.table.whole(row) for row in rows]
            if draws is None
            else [
                self.table.statement(row, draw)
                for row, draw in zip(rows, draws.tolist(), strict=True)
            ]
        )
        length = self.side.tower.spec.length
        tokens = np.stack([self.tokeniser.framed(part, length) for part in parts])
        subjects = self.context.subjects
        device = images.device
        return {
            "images": images,
            "tokens": torch.from_numpy(tokens).to(device),
            "subjects": torch.tensor([subjects[row] for row in rows], device=device)
            if subjects
            else batch.rows.to(device),
            "texts": torch.tensor([_number(row) for row in tokens], device=device),
        }


def negatives(subjects: Tensor, texts: Tensor) -> Tensor:
    """Which pairs of an image (row) and a text (column) are negatives: bool [B,B].

    Those of different subjects with different texts: `subjects` and `texts` [B] are their codes.
    """
    return (subjects[:, None] != subjects) & (texts[:, None] != texts)


def choose_tokeniser(options: TextOptions, context: ObjectiveContext) -> Tokeniser:
    """Load the tokeniser that the recipe names, or train one on the training texts."""
    named = options.tokeniser or options.pretrained
    if named is not None:
        return Tokeniser.load(named)
    learned = (context.texts[row] for row in context.rows) if context.rows else context.texts
    statements = (line for text in learned for line in text.splitlines())
    return Tokeniser.train(statements, size=options.vocabulary)


def choose_tower(options: TextOptions, tokeniser: Tokeniser) -> TextTower | HubTower:
    """Build the text tower for a tokeniser, or load the one that the recipe names."""
    if options.pretrained is not None:
        spec = TextSpec(length=options.length, pooling=options.pooling, pad=tokeniser.pad)
        return load_hub_tower(options.pretrained, spec)
    return build_text_tower(
        TextSpec(
            dim=options.dim,
            depth=options.depth,
            heads=options.heads,
            length=options.length,
            pooling=options.pooling,
            vocabulary=tokeniser.size,
            pad=tokeniser.pad,
        )
    )


def _number(tokens: np.ndarray) -> int:
    """A code of a text's tokens: equal for equal tokens, and for others with probability 2⁻⁶³."""
    return int.from_bytes(hashlib.blake2b(tokens.tobytes(), digest_size=8).digest()) >> 1

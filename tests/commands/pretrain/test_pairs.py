"""CLIP and SigLIP against other people's code and computations by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from medfm_cli.commands.pretrain.objectives import ClipOptions, SiglipOptions
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.clip import Clip, clip_losses
from medfm_cli.commands.pretrain.objectives.options.pairs import TextOptions
from medfm_cli.commands.pretrain.objectives.pairs import Pairs, negatives
from medfm_cli.commands.pretrain.objectives.siglip import Siglip, siglip_losses
from medfm_cli.data.batch import Batch
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import UsageError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.randomness import StepRandom

SMALL: dict[str, Any] = {"dim": 16, "depth": 1, "heads": 2, "length": 64, "vocabulary": 300}
TEXTS = [
    "the heart is normal",
    "a large effusion on the left\nthe heart is enlarged",
    "a nodule in the right lung",
    "the heart is normal",
    "free air under the diaphragm",
    "no acute finding",
]
SUBJECTS = [0, 1, 2, 3, 4, 1]


def options(kind: type[Any], text: dict[str, Any] | None = None, **keys: Any) -> Any:
    return kind(dim=8, text=TextOptions(**(SMALL | (text or {}))), **keys)


def objective(
    name: str,
    *,
    text: dict[str, Any] | None = None,
    subjects: Sequence[int] = SUBJECTS,
    **keys: Any,
) -> Pairs:
    torch.manual_seed(0)
    context = ObjectiveContext(
        preprocessing=Preprocessing(size=16, channels=1),
        views=ImageViews(crop=[0.5, 1.0]),
        batch=6,
        subjects=subjects,
        texts=TEXTS,
    )
    backbone = build_backbone(BackboneSpec(name="vit_xxs", image_size=16, patch_size=4), seed=0)
    if name == "clip":
        return Clip(backbone, options(ClipOptions, text, **keys), context)
    return Siglip(backbone, options(SiglipOptions, text, **keys), context)


def batch_of(rows: Sequence[int] = range(6)) -> Batch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (6, 1, 16, 16), generator=generator, dtype=torch.uint8)
    index = torch.tensor(list(rows))
    return Batch(
        values=images[index], labels=torch.zeros(len(index), dtype=torch.int64), rows=index
    )


def random_of(count: int = 6, step: int = 0) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=count, device=torch.device("cpu"))


def all_negatives(count: int) -> Tensor:
    return ~torch.eye(count, dtype=torch.bool)


def logits_of(count: int = 7, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, count, generator=generator, dtype=torch.float64)


def test_clip_has_the_loss_of_transformers() -> None:
    logits = logits_of()
    ours = clip_losses(logits, all_negatives(7)).mean()
    assert ours == pytest.approx(float(image_text_contrastive_loss(logits)), abs=1e-12)


def test_siglip_has_the_loss_of_transformers() -> None:
    """The lines of `SiglipModel.forward`, which has no function for them."""
    logits = logits_of()
    sign = -torch.ones_like(logits) + 2 * torch.eye(7, dtype=torch.float64)
    theirs = -torch.nn.functional.logsigmoid(sign * logits).sum(dim=-1).mean()
    assert float(siglip_losses(logits, all_negatives(7)).mean()) == pytest.approx(float(theirs))


def test_clip_by_hand_leaves_out_what_is_no_negative() -> None:
    """Image 0 and text 2 are of one person: neither finds the other in its sum."""
    logits = logits_of(3)
    allowed = all_negatives(3)
    allowed[0, 2] = allowed[2, 0] = False
    z = logits.tolist()
    e = math.exp

    def loss(own: float, row: list[float], column: list[float]) -> float:
        return -0.5 * math.log(e(own) / sum(map(e, row))) - 0.5 * math.log(
            e(own) / sum(map(e, column))
        )

    expected = [
        loss(z[0][0], [z[0][0], z[0][1]], [z[0][0], z[1][0]]),
        loss(z[1][1], z[1], [z[0][1], z[1][1], z[2][1]]),
        loss(z[2][2], [z[2][1], z[2][2]], [z[1][2], z[2][2]]),
    ]
    assert clip_losses(logits, allowed).tolist() == pytest.approx(expected)


def test_siglip_by_hand_leaves_out_what_is_no_negative() -> None:
    logits = logits_of(3)
    allowed = all_negatives(3)
    allowed[0, 2] = allowed[2, 0] = False
    z = logits.tolist()

    def cost(logit: float) -> float:
        return math.log1p(math.exp(-logit))

    expected = [
        cost(z[0][0]) + cost(-z[0][1]),
        cost(-z[1][0]) + cost(z[1][1]) + cost(-z[1][2]),
        cost(-z[2][1]) + cost(z[2][2]),
    ]
    assert siglip_losses(logits, allowed).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("losses", [clip_losses, siglip_losses])
def test_what_is_left_out_gets_no_gradient(losses: Any) -> None:
    logits = logits_of(4).requires_grad_()
    allowed = all_negatives(4)
    allowed[1, 3] = allowed[3, 1] = False
    losses(logits, allowed).mean().backward()
    assert logits.grad is not None
    assert (logits.grad == 0).nonzero().tolist() == [[1, 3], [3, 1]]


def test_persons_and_equal_texts_are_no_negatives() -> None:
    found = negatives(torch.tensor([0, 1, 1, 2]), torch.tensor([5, 6, 7, 5]))
    assert found.int().tolist() == [[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]]


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_the_task_masks_by_the_manifests_subjects_and_texts(name: str) -> None:
    """Rows 1 and 5 are one person, rows 0 and 3 read the same."""
    task = objective(name)
    inputs = task.plain_inputs(batch_of(), random_of())
    allowed = negatives(inputs["subjects"], inputs["texts"])
    forbidden = (~allowed & all_negatives(6)).nonzero().tolist()
    assert forbidden == [[0, 3], [1, 5], [3, 0], [5, 1]]
    with torch.no_grad():
        images = task.side.images(task.backbone(inputs["images"]))
        texts = task.side.texts(inputs["tokens"])
        expected = task.pair_losses(task.side.logits(images, texts), allowed)
        assert torch.allclose(task.losses(**inputs), expected)
    assert torch.allclose(images.norm(dim=1), torch.ones(6))
    apart = objective(name, subjects=()).plain_inputs(batch_of(), random_of())
    assert apart["subjects"].tolist() == list(range(6))


def test_scale_and_bias_start_as_the_papers_say() -> None:
    clip, siglip = objective("clip").side, objective("siglip").side
    assert float(clip.logit_scale.detach()) == pytest.approx(math.log(1 / 0.07))
    assert clip.logit_bias is None
    assert float(siglip.logit_scale.detach()) == pytest.approx(math.log(10))
    assert siglip.logit_bias is not None and float(siglip.logit_bias.detach()) == -10


def test_gradients_of_scale_and_bias_by_hand() -> None:
    """Differences of the loss in float64, of both objectives."""
    generator = torch.Generator().manual_seed(2)
    x, y = (
        torch.nn.functional.normalize(torch.randn(5, 8, generator=generator, dtype=torch.float64))
        for _ in range(2)
    )
    for losses in (clip_losses, siglip_losses):

        def loss(t: Tensor, b: Tensor, losses: Any = losses) -> Tensor:
            total: Tensor = losses(t.exp() * (x @ y.T) + b, all_negatives(5)).mean()
            return total

        point = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1.0, -2.0)]
        loss(*point).backward()
        step = 1e-6
        t, b = (p.detach() for p in point)
        slopes = [
            float(loss(t + step, b) - loss(t - step, b)) / (2 * step),
            float(loss(t, b + step) - loss(t, b - step)) / (2 * step),
        ]
        assert [float(p.grad) for p in point] == pytest.approx(slopes, abs=1e-8)  # type: ignore[arg-type]
        if losses is clip_losses:
            assert slopes[1] == pytest.approx(0, abs=1e-8)  # a shift of all logits is nothing


def test_the_scale_of_clip_never_passes_its_limit() -> None:
    task = objective("clip")
    with torch.no_grad():
        task.side.logit_scale.fill_(7.0)
    task.after_step(0)
    assert float(task.side.logit_scale.exp().detach()) == pytest.approx(100)
    with torch.no_grad():
        task.side.logit_scale.fill_(1.0)
    task.after_step(1)
    assert float(task.side.logit_scale.detach()) == 1.0


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_everything_is_trained(name: str) -> None:
    """What gets no gradient would also stop several processes."""
    task = objective(name, text={"pooling": "mean"})
    task(**task.inputs(batch_of(), random_of()))["loss"].mean().backward()
    without = [n for n, p in task.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_a_statement_is_drawn_anew_and_the_same_for_any_split_of_the_batch() -> None:
    task = objective("clip", text={"draw": "statement"})
    drawn = {
        tuple(task.inputs(batch_of(), random_of(step=step))["tokens"][1].tolist())
        for step in range(12)
    }
    whole = task.plain_inputs(batch_of(), random_of())["tokens"][1]
    lines = [task.tokeniser.framed(task.tokeniser.ids(x), 64) for x in TEXTS[1].splitlines()]
    assert drawn == {tuple(line.tolist()) for line in lines}
    assert tuple(whole.tolist()) not in drawn
    both = task.inputs(batch_of(), random_of())["tokens"]
    halves = [
        task.inputs(batch_of(part), random_of().part(part[0], part[0] + 3))["tokens"]
        for part in ([0, 1, 2], [3, 4, 5])
    ]
    assert torch.equal(both, torch.cat(halves))


def test_padding_is_not_seen() -> None:
    for pooling in ("mean", "end"):
        task = objective("clip", text={"pooling": pooling})
        tower = task.side.tower
        row = task.tokeniser.framed(task.tokeniser.ids("the heart"), 64)
        tokens = torch.from_numpy(row)[None]
        with torch.no_grad():
            expected = tower(tokens)
            tower.words.weight[0] += 5  # type: ignore[union-attr, index, operator]
            assert torch.allclose(tower(tokens), expected, atol=1e-6)


def test_mistakes_are_refused_before_anything_is_built() -> None:
    with pytest.raises(UsageError, match="of one pair"):
        one = ObjectiveContext(
            preprocessing=Preprocessing(size=16, channels=1), views=ImageViews(), batch=1
        )
        Clip.check(options(ClipOptions), one)
    for keys, where in (
        ({"dim": 30, "heads": 4}, "multiple of heads"),
        ({"template": "a photograph"}, "must name"),
        ({"template": "{label} {age}"}, "must name"),
        ({"pretrained": "x", "dim": 64}, "has its own"),
    ):
        with pytest.raises(ValidationError, match=where):
            TextOptions(**keys)
    with pytest.raises(ValidationError, match="above largest_scale"):
        ClipOptions(temperature=0.001)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_six_pairs_are_learnt_by_heart(name: str) -> None:
    """The loss falls to almost nothing, and all images and texts find each other."""
    task = objective(name, subjects=()).train()
    inputs = task.plain_inputs(batch_of(), random_of())
    optimiser = torch.optim.Adam(task.parameters(), lr=3e-3)
    losses = []
    for step in range(160):
        loss = task(**inputs)["loss"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        task.after_step(step)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]
    vectors = task.eval().evaluate([batch_of()])
    for direction in ("image_to_text", "text_to_image"):
        assert vectors.hits(direction, 1).all()

"""Masked objectives over volumes, signals, series and sounds: the same sentences for each kind."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_data import toy_run

from medfm_cli.commands.pretrain.objectives import Decoder, MaeOptions, SimMimOptions
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.mae import Mae
from medfm_cli.commands.pretrain.objectives.masked import Masked
from medfm_cli.commands.pretrain.objectives.patches import choose_hidden, patchify
from medfm_cli.commands.pretrain.objectives.simmim import SimMim
from medfm_cli.data.batch import Batch
from medfm_cli.data.inputs import AudioInput, SeriesInput, SignalInput, VolumeInput
from medfm_cli.errors import UsageError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import PatchSpec
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.randomness import StepRandom

INPUTS: dict[str, Any] = {
    "volume": VolumeInput(size=32, depths=[8, 16]),
    "signal": SignalInput(leads=["I", "II", "V1"], rate=50, seconds=2),
    "series": SeriesInput(
        variables=["HR", "Temp"], hours=12, step=1.0, mean=[80, 37], std=[20, 1], limit=10
    ),
    "audio": AudioInput(rate=4000, seconds=1, mels=16, n_fft=256, hop=125),
}
PATCHES = {"volume": (4, 8, 8), "signal": (10,), "series": (2,), "audio": (8, 8)}
GRIDS = {"volume": (4, 4, 4), "signal": (10,), "series": (6,), "audio": (2, 4)}
MAE, SIMMIM = "mae", "simmim"


def task_of(kind: str, objective: str = MAE, **options: Any) -> Masked:
    torch.manual_seed(0)
    channels, *shape = INPUTS[kind].shape
    spec = PatchSpec(
        name="vit_xxs", kind=kind, shape=shape, patch=list(PATCHES[kind]), channels=channels
    )  # type: ignore[arg-type]
    context = ObjectiveContext(preprocessing=INPUTS[kind], views=ImageViews())
    backbone = build_backbone(spec, seed=0)
    if objective == SIMMIM:
        return SimMim(backbone, SimMimOptions(**options), context)
    options = {"norm_pix": kind != "series"} | options
    return Mae(backbone, MaeOptions(decoder=Decoder(dim=24, depth=1, heads=2), **options), context)


def batch_of(kind: str, count: int = 2, depth: int | None = None) -> Batch:
    """Samples as the loader gives them; of a series a third is observed."""
    generator = torch.Generator().manual_seed(1)
    shape = list(INPUTS[kind].shape)
    if depth is not None:
        shape[1] = depth
    values = torch.randn(count, *shape, generator=generator)
    if kind == "volume":
        values = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    if kind == "series":
        known = torch.rand(count, 2, 12, generator=generator) < 1 / 3
        values = torch.cat([values[:, :2] * known, known.float()], dim=1)
    return Batch(values=values, labels=torch.zeros(count), rows=torch.arange(count))


def inputs_of(task: Masked, batch: Batch) -> dict[str, torch.Tensor]:
    random = StepRandom(seed=0, step=0, batch=len(batch.rows), device=torch.device("cpu"))
    return task.plain_inputs(batch, random)


def covered(task: Masked, noise: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """What is hidden, [B,1,*space]."""
    return task.reconstruct(values, noise).hidden[:, :1]


@pytest.mark.parametrize("objective", [MAE, SIMMIM])
@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_has_a_loss_and_every_weight_a_gradient(kind: str, objective: str) -> None:
    task = task_of(kind, objective)
    assert task.backbone.grid == GRIDS[kind]
    losses = task.losses(**inputs_of(task, batch_of(kind, 3)))
    assert losses.shape == (3,) and torch.isfinite(losses).all() and (losses > 0.1).all()
    losses.mean().backward()
    assert [name for name, p in task.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("kind", INPUTS)
def test_the_loss_by_hand(kind: str) -> None:
    """The mean square over what is hidden and known, patch by patch with its own slices."""
    task = task_of(kind, norm_pix=False)
    inputs = inputs_of(task, batch_of(kind))
    values, noise = inputs["values"], inputs["noise"]
    predicted = task.predict_patches(values, noise).patches
    count = math.prod(GRIDS[kind])
    keep = math.floor(0.25 * count)
    wanted = values[:, :2] if kind == "series" else values
    expected = []
    for sample in range(2):
        errors = []
        for place, patch in enumerate(noise[sample].argsort()[keep:].tolist()):
            at, corner = patch, []
            for side in reversed(GRIDS[kind]):
                at, here = divmod(at, side)
                corner.insert(0, here)
            cut = tuple(
                slice(here * size, (here + 1) * size)
                for here, size in zip(corner, PATCHES[kind], strict=True)
            )
            target = wanted[sample][(slice(None), *cut)].movedim(0, -1).flatten()
            error = (predicted[sample, place] - target).square()
            if kind == "series":
                flags = values[sample, 2:][(slice(None), *cut)].movedim(0, -1).flatten()
                error = error[flags == 1]
            errors.append(error)
        expected.append(torch.cat(errors).mean())
    assert torch.allclose(task.losses(**inputs), torch.stack(expected), rtol=1e-5)


@pytest.mark.parametrize("objective", [MAE, SIMMIM])
@pytest.mark.parametrize("kind", INPUTS)
def test_the_encoder_never_sees_what_is_hidden(kind: str, objective: str) -> None:
    task = task_of(kind, objective).eval()
    inputs = inputs_of(task, batch_of(kind))
    values, noise = inputs["values"], inputs["noise"]
    hidden = covered(task, noise, values).expand_as(values)
    assert 0.4 < hidden.float().mean() < 0.9
    other = torch.where(hidden, 1 - 3 * values, values)
    assert not torch.equal(other, values)
    predicted, changed = (task.reconstruct_patches(x, noise)[0] for x in (values, other))
    if objective == MAE and task.options.norm_pix:  # type: ignore[attr-defined]
        predicted, changed = (task.predict_patches(x, noise).patches for x in (values, other))  # type: ignore[attr-defined]
    assert torch.equal(predicted, changed)
    seen = torch.where(hidden, values, values + 1)
    assert not torch.allclose(
        task.reconstruct_patches(seen, noise)[0], task.reconstruct_patches(values, noise)[0]
    )


@pytest.mark.parametrize("objective", [MAE, SIMMIM])
def test_of_a_series_only_what_was_observed_counts(objective: str) -> None:
    task = task_of("series", objective)
    inputs = inputs_of(task, batch_of("series"))
    values, noise = inputs["values"], inputs["noise"]
    loss = task.losses(**inputs)
    hidden = covered(task, noise, values).expand(-1, 2, -1)
    unknown = hidden & (values[:, 2:] == 0)
    assert unknown.sum() > 5
    nonsense = values.clone()
    nonsense[:, :2][unknown] = 1000.0
    assert torch.equal(task.losses(nonsense, noise), loss)
    changed = values.clone()
    changed[:, :2][hidden & (values[:, 2:] == 1)] += 1.0
    assert not torch.allclose(task.losses(changed, noise), loss)


@pytest.mark.parametrize("objective", [MAE, SIMMIM])
def test_a_series_with_nothing_observed_has_no_loss_and_no_gradient(objective: str) -> None:
    task = task_of("series", objective)
    batch = batch_of("series")
    inputs = inputs_of(task, batch.replace(values=torch.zeros_like(batch.values)))
    losses = task.losses(**inputs)
    assert losses.tolist() == [0.0, 0.0]
    losses.sum().backward()
    assert all((p.grad == 0).all() for p in task.parameters() if p.grad is not None)


def test_the_flags_of_a_series_are_seen_but_not_predicted() -> None:
    task = task_of("series")
    inputs = inputs_of(task, batch_of("series"))
    assert task.predict_patches(**inputs).patches.shape[-1] == 2 * 2  # type: ignore[attr-defined]
    assert task.backbone.spec.channels == 4


@pytest.mark.parametrize("objective", [MAE, SIMMIM])
def test_a_flatter_volume_has_positions_of_its_own_grid(objective: str) -> None:
    """RadFM: images are volumes of the smallest depth, and one encoder serves both."""
    task = task_of("volume", objective)
    inputs = inputs_of(task, batch_of("volume", depth=8))
    assert inputs["noise"].shape == (2, 32 if objective == MAE else 4)
    losses = task.losses(**inputs)
    assert torch.isfinite(losses).all() and losses.shape == (2,)
    if isinstance(task, Mae):
        flat, deep = (task.decoder._positions(grid) for grid in ((2, 4, 4), (4, 4, 4)))
        assert torch.equal(deep, task.decoder.positions)
        # Linear, without corners aligned: each is the mean of the two it stands for.
        assert torch.allclose(flat.reshape(2, 16, -1), deep.reshape(2, 2, 16, -1).mean(dim=1))


@pytest.mark.parametrize("kind", INPUTS)
def test_what_is_hidden_is_the_asked_part_and_the_rest_is_left_as_it_is(kind: str) -> None:
    task = task_of(kind)
    inputs = inputs_of(task, batch_of(kind))
    found = task.reconstruct(**inputs)
    split = choose_hidden(inputs["noise"], 0.75)
    count = math.prod(GRIDS[kind])
    assert found.hidden.float().mean() == pytest.approx(split.hidden.shape[1] / count)
    assert torch.equal(found.reconstruction[~found.hidden], found.values[~found.hidden])
    assert not torch.allclose(found.reconstruction[found.hidden], found.values[found.hidden])
    assert (found.seen[found.hidden] == 0).all()
    flat = patchify(found.hidden.float(), PATCHES[kind]).mean(dim=-1)
    assert torch.equal(flat, torch.zeros(2, count).scatter(1, split.hidden, 1.0))


@pytest.mark.parametrize("objective", [MAE, SIMMIM])
@pytest.mark.parametrize("kind", INPUTS)
def test_figures_are_in_the_report(kind: str, objective: str, tmp_path: Path) -> None:
    task = task_of(kind, objective)
    random = StepRandom(seed=0, step=0, batch=3, device=torch.device("cpu"))
    names = ["one", "two", "three"]
    (figure,) = task.figures(batch_of(kind, 3), names, random, toy_run(tmp_path))
    path = tmp_path / figure.path  # type: ignore[union-attr]
    assert path.stat().st_size > 2000
    part = "75%" if objective == MAE else "60%"
    assert f"3 {PLURALS[kind]} with {part} of their patches masked" in figure.caption  # type: ignore[union-attr]
    if path.suffix == ".svg":
        assert all(name in path.read_text() for name in names)


PLURALS = {"volume": "volumes", "signal": "records", "series": "stays", "audio": "recordings"}


def test_normalised_patches_of_a_series_are_refused() -> None:
    context = ObjectiveContext(preprocessing=INPUTS["series"], views=ImageViews())
    with pytest.raises(UsageError, match="too few observed values") as caught:
        Mae.check(MaeOptions(), context)
    assert "norm_pix=false" in str(caught.value.hint)
    Mae.check(MaeOptions(norm_pix=False), context)

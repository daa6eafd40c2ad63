"""DINO against `lightly`, and what it promises of teacher, centre and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from distillation_tools import batch_of, dino, objective_context, random_of
from lightly.loss import DINOLoss
from toy_data import draw

from medfm_cli.errors import UsageError


def test_the_loss_and_the_centre_are_those_of_lightly() -> None:
    task = dino()
    reference = DINOLoss(24, teacher_temp=0.07, student_temp=0.1)
    for step in range(3):
        inputs = task.plain_inputs(batch_of(8), random_of(8, step))
        with torch.no_grad():
            crops = [*inputs["globals"].chunk(2), *inputs["locals"].chunk(3)]
            taught = [task.teacher_head(task.teacher(crop)) for crop in crops[:2]]
            learned = [task.head(task.backbone(crop)) for crop in crops]
        expected = reference(taught, learned)
        assert task(**inputs)["loss"].mean().item() == pytest.approx(expected.item(), rel=1e-5)
        task.after_step(step)
        assert torch.allclose(task.centre.value, reference.center[0, 0], atol=1e-6)
    assert task.centre.value.abs().max() > 1e-3


def test_the_gradient_is_that_of_lightly() -> None:
    task = dino()
    torch.manual_seed(1)
    task.centre.value.normal_(std=0.1)
    reference = DINOLoss(24, teacher_temp=0.07, student_temp=0.1)
    reference.center.copy_(task.centre.value)
    logits = torch.rand(5 * 8, 24).requires_grad_()
    taught = torch.rand(2 * 8, 24)
    targets = task.centre.targets(taught, torch.tensor(0.07))
    (ours,) = torch.autograd.grad(task.compare(logits, targets).mean(), logits)
    loss = reference(list(taught.chunk(2)), list(logits.chunk(5)))
    (theirs,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_loss_of_an_image_does_not_depend_on_the_others() -> None:
    task = dino().eval()
    whole = task.losses(**task.plain_inputs(batch_of(8), random_of(8)))
    batch = batch_of(8)
    part = batch.part(2, 5)
    few = task.losses(**task.plain_inputs(part, random_of(8).part(2, 5)))
    assert torch.allclose(few, whole[2:5], atol=1e-5)
    assert not task.centre.value.any()


def test_crops_are_two_large_and_some_small_of_whole_patches() -> None:
    task = dino()
    inputs = task.inputs(batch_of(8), random_of(8))
    assert inputs["globals"].shape == (16, 1, 32, 32)
    assert inputs["locals"].shape == (24, 1, 16, 16)
    pairs = [*inputs["globals"].chunk(2)], [*inputs["locals"].chunk(3)]
    assert all(not torch.equal(crops[0], crops[1]) for crops in pairs)
    alone = dino(crops={"local_count": 0})
    assert "locals" not in alone.inputs(batch_of(8), random_of(8))
    assert alone(**alone.inputs(batch_of(8), random_of(8)))["loss"].isfinite().all()


def test_only_the_student_is_trained_and_all_of_it() -> None:
    task = dino()
    task(**task.inputs(batch_of(8), random_of(8)))["loss"].mean().backward()
    trained = {name for name, p in task.named_parameters() if p.grad is not None}
    named = {name for name, _ in task.named_parameters()}
    assert trained == {name for name in named if not name.startswith("teacher")}
    assert all(not p.requires_grad for p in task.teacher.parameters())
    assert "centre.value" in task.state_dict() and not task.centre.value.requires_grad


def test_the_teacher_is_the_encoder_and_follows_by_its_equation() -> None:
    task = dino(momentum=0.9, context=objective_context(steps=4))
    assert task.encoder is task.teacher.module
    name = "net.blocks.0.mlp.fc1.weight"
    student, teacher = (dict(m.named_parameters())[name] for m in (task.backbone, task.encoder))
    expected = teacher.detach().double().clone()
    for step in range(3):
        with torch.no_grad():
            student.add_(torch.randn(student.shape))
        momentum = 1 - 0.1 * 0.5 * (1 + math.cos(math.pi * step / 4))
        expected = momentum * expected + (1 - momentum) * student.detach().double()
        task.after_step(step)
        assert torch.allclose(teacher.double(), expected, atol=1e-5)


def test_prototypes_are_held_in_the_first_epoch_only() -> None:
    task = dino(context=objective_context(epoch_steps=2))
    for step in range(4):
        task(**task.inputs(batch_of(8), random_of(8, step)))["loss"].mean().backward()
        task.before_step(step)
        assert (task.head.prototypes.grad is None) == (step < 2)
        assert task.head.mlp[0].weight.grad is not None
        task.zero_grad()


def test_the_teachers_temperature_rises_in_a_straight_line() -> None:
    task = dino(temperature_warmup=0.4, context=objective_context(steps=10))
    found = [task.inputs(batch_of(8), random_of(8, step))["temperature"] for step in (0, 1, 4, 9)]
    assert [value.item() for value in found] == pytest.approx([0.04, 0.0475, 0.07, 0.07])
    cold = dino(temperature_warmup=0.0)
    assert cold.inputs(batch_of(8), random_of(8))["temperature"].item() == pytest.approx(0.07)


def test_scalars_that_detect_collapse() -> None:
    task = dino()
    inputs = task.plain_inputs(batch_of(8), random_of(8))
    said = task(**inputs)
    targets = task.centre.targets(task.teach(inputs["globals"]), inputs["temperature"])
    entropy = -(targets * targets.log()).sum(1).mean()
    assert said["teacher_entropy"].item() == pytest.approx(entropy.item(), rel=1e-5)
    assert said["teacher_kl"].item() == pytest.approx(
        (said["loss"].mean() - entropy).item(), rel=1e-4
    )
    assert 1 / 24 <= said["prototype_usage"] <= 1
    assert task.highest_entropy == pytest.approx(math.log(24))


def used(*, centred: bool) -> float:
    """Teach itself 50 steps on drawn shapes; give how many prototypes the last targets use."""
    task = dino(
        momentum=0.9,
        centre_momentum=0.5,
        teacher_temperature=[0.04, 0.04],
        freeze_epochs=0.0,
        crops={"local_count": 0},
        context=objective_context(steps=10**6),
    )
    generator = np.random.default_rng(0)
    shapes = [draw(["disc", "ring", "bars"][i % 3], generator, 32, 25.0)[None] for i in range(16)]
    batch = batch_of(16).replace(values=torch.from_numpy(np.stack(shapes)))
    optimiser = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=3e-3)
    usages = []
    for step in range(50):
        said = task(**task.inputs(batch, random_of(16, step)))
        optimiser.zero_grad()
        said["loss"].mean().backward()
        optimiser.step()
        task.after_step(step)
        if not centred:
            task.centre.value.zero_()
        usages.append(said["prototype_usage"].item() * 24)
    return sum(usages[-10:]) / 10


def test_centering_keeps_the_teacher_from_one_answer_for_all() -> None:
    assert used(centred=False) < 1.1
    assert used(centred=True) > 3


def test_a_convnet_can_be_taught() -> None:
    task = dino("resnet10t", crops={"local_count": 2, "local_size": 16})
    said = task(**task.inputs(batch_of(8), random_of(8)))
    said["loss"].mean().backward()
    assert said["loss"].isfinite().all()
    assert task.encoder(torch.zeros(2, 1, 32, 32)).shape == (2, task.backbone.dim)


@pytest.mark.parametrize(
    ("crops", "hint"),
    [({"local_size": 20}, "local_size=16"), ({"local_size": 48}, "local_size=32")],
)
def test_crops_that_do_not_fit_are_refused(crops: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError, match="do not fit") as error:
        dino(crops=crops)
    assert hint in (error.value.hint or "")


def test_a_network_of_one_size_is_refused_with_a_way_out() -> None:
    with pytest.raises(UsageError, match="does not take crops of 14 pixels") as error:
        dino("mixer_s32_224")
    assert "local_count=0" in (error.value.hint or "")

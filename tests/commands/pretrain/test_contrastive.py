"""SimCLR and MoCo v3 as tasks: what they compare, what learns and what must not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightly.loss import NTXentLoss
from objective_tools import batch_of, build, random_of
from torch.nn import functional

from medfm_cli.commands.pretrain.objectives.mocov3 import Mocov3
from medfm_cli.commands.pretrain.objectives.simclr import Simclr
from medfm_cli.errors import UsageError
from medfm_cli.training.teacher import momentum_at

SMALL = {"hidden": 32, "out": 16}
BOTH = pytest.mark.parametrize("name", ["simclr", "mocov3"])


def simclr(**options: Any) -> Simclr:
    task = build("simclr", head=SMALL, **options)
    assert isinstance(task, Simclr)
    return task


def mocov3(**options: Any) -> Mocov3:
    task = build("mocov3", head=SMALL | {"layers": 3}, **options)
    assert isinstance(task, Mocov3)
    return task


def step_of(task: torch.nn.Module, number: int = 0, *, count: int = 8, rate: float = 0.1) -> float:
    """One step of plain gradient descent; gives the loss before it."""
    loss = task(**task.inputs(batch_of(count), random_of(count, number)))["loss"].mean()
    loss.backward()
    with torch.no_grad():
        for parameter in task.parameters():
            if parameter.grad is not None:
                parameter -= rate * parameter.grad
                parameter.grad = None
    task.after_step(number)
    return float(loss.detach())


@BOTH
def test_the_two_views_differ_and_depend_on_the_step_alone(name: str) -> None:
    task = build(name, head=SMALL)
    first, again = (task.inputs(batch_of(4), random_of(4)) for _ in range(2))
    later = task.inputs(batch_of(4), random_of(4, step=1))
    assert first["first"].shape == first["second"].shape == (4, 1, 32, 32)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.allclose(first["first"], first["second"])
    assert not torch.allclose(first["first"], later["first"])


@BOTH
@pytest.mark.parametrize(("aware", "expected"), [(True, [7, 7, 0, 3]), (False, [0, 1, 2, 3])])
def test_groups_are_people_or_samples(name: str, aware: bool, expected: list[int]) -> None:
    task = build(name, head=SMALL, subject_aware=aware, context={"subjects": [7, 7, 0, 3, 1]})
    assert task.inputs(batch_of(4), random_of(4))["groups"].tolist() == expected


def test_the_loss_of_simclr_is_lightlys_on_what_its_networks_give() -> None:
    task = simclr(temperature=0.2)
    inputs = task.inputs(batch_of(8), random_of(8))
    loss = task(**inputs)["loss"].mean().item()
    embedded = task.head(task.backbone(torch.cat([inputs["first"], inputs["second"]])))
    assert loss == pytest.approx(NTXentLoss(0.2)(*embedded.chunk(2)).item(), rel=1e-5)


def test_the_loss_of_moco_v3_is_that_of_its_algorithm() -> None:
    task = mocov3(temperature=0.5)
    step_of(task)  # from here on teacher and student differ
    views = task.inputs(batch_of(8), random_of(8))
    loss = task(**views)["loss"].mean().item()
    total = torch.zeros(())
    for one, other in (("first", "second"), ("second", "first")):
        query = task.predict(task.project(task.backbone(views[one])))
        key = task.teacher_project.module(task.teacher.module(views[other]))
        logits = functional.normalize(query) @ functional.normalize(key).T / 0.5
        total = total + 2 * 0.5 * functional.cross_entropy(logits, torch.arange(8))
    assert loss == pytest.approx(total.item(), rel=1e-5)


def test_the_teacher_is_the_average_of_the_student_and_gets_no_gradient() -> None:
    task = mocov3(momentum=0.9, context={"steps": 4})
    name = "blocks.0.attn.qkv.weight"
    weights = [task.backbone.net.get_parameter(name).detach().double().clone()]
    for step in range(3):
        task(**task.inputs(batch_of(8), random_of(8, step)))["loss"].mean().backward()
        assert all(p.grad is None for p in task.teacher.parameters())
        assert all(p.grad is None for p in task.teacher_project.parameters())
        step_of(task, step)
        weights.append(task.backbone.net.get_parameter(name).detach().double().clone())
    average = weights[0]
    for step, student in enumerate(weights[1:]):
        m = momentum_at(step, steps=4, start=0.9)
        average = m * average + (1 - m) * student
    found = task.teacher.module.net.get_parameter(name).double()
    assert torch.allclose(found, average, atol=1e-7)
    assert (found - weights[-1]).abs().max() > 1e-5


@pytest.mark.parametrize("freeze", [True, False])
def test_moco_v3_leaves_the_patch_projection_as_it_was(freeze: bool) -> None:
    task = mocov3(freeze_patches=freeze)
    before = task.backbone.net.patch_embed.proj.weight.detach().clone()
    positions = task.backbone.net.pos_embed.detach().clone()
    step_of(task)
    assert torch.equal(task.backbone.net.patch_embed.proj.weight, before) == freeze
    assert not torch.equal(task.backbone.net.pos_embed, positions)
    assert task.encoder is task.backbone


@BOTH
def test_every_other_weight_gets_a_gradient(name: str) -> None:
    task = build(name, head=SMALL)
    task(**task.inputs(batch_of(8), random_of(8)))["loss"].mean().backward()
    idle = {n.split(".")[0] for n, p in task.named_parameters() if p.grad is None}
    assert idle == ({"backbone", "teacher", "teacher_project"} if name == "mocov3" else set())
    learning = [n for n, p in task.backbone.named_parameters() if p.grad is None]
    frozen = ["net.patch_embed.proj.weight", "net.patch_embed.proj.bias"]
    assert learning == (frozen if name == "mocov3" else [])


@BOTH
def test_a_convnet_does_as_well(name: str) -> None:
    task = build(name, head=SMALL, backbone="resnet10t")
    values = task(**task.inputs(batch_of(4), random_of(4)))
    values["loss"].mean().backward()
    assert values["loss"].isfinite().all()


@BOTH
def test_it_learns_to_find_the_other_view(name: str) -> None:
    task = build(name, head=SMALL, temperature=0.2, context={"steps": 60})
    optimiser = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=3e-3)
    losses, matched = [], []
    for step in range(60):
        values = task(**task.inputs(batch_of(16), random_of(16, step)))
        optimiser.zero_grad()
        values["loss"].mean().backward()
        optimiser.step()
        task.after_step(step)
        losses.append(values["loss"].mean().item())
        matched.append(values["matched"].mean().item())
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
    assert sum(matched[-10:]) > sum(matched[:10]) + 2


@BOTH
@pytest.mark.parametrize("context", [{"batch": 1}, {"batch": 4, "accumulate": 4}])
def test_a_sample_alone_is_refused(name: str, context: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="there is 1 in it"):
        build(name, context=context)


@BOTH
def test_a_measurement_is_the_same_each_time_and_changes_nothing(name: str) -> None:
    task = build(name, head=SMALL).eval()
    state = {key: value.clone() for key, value in task.state_dict().items()}
    first, again = (task.losses(**task.plain_inputs(batch_of(5), random_of(5))) for _ in range(2))
    assert first.shape == (5,) and torch.equal(first, again)
    assert all(torch.equal(value, state[key]) for key, value in task.state_dict().items())

"""DINOv2 against `lightly`: its three losses, what is hidden, and what is trained."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from distillation_tools import batch_of, dinov2, random_of
from lightly.loss import DINOLoss, IBOTPatchLoss, KoLeoLoss

from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.errors import UsageError
from medfm_cli.recipe.load import load


def masks_of(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return inputs["masks"].view(-1, 4, 4)


@pytest.mark.parametrize("shared", [False, True])
def test_the_three_losses_and_the_centres_are_those_of_lightly(shared: bool) -> None:
    task = dinov2(balance="centering", shared_head=shared, koleo_weight=0.2, patch_weight=0.7)
    images = DINOLoss(24, teacher_temp=0.07, student_temp=0.1)
    patches = IBOTPatchLoss(24, teacher_temp=0.07, student_temp=0.1)
    for step in range(3):
        inputs = task.plain_inputs(batch_of(8), random_of(8, step))
        with torch.no_grad():
            seen = task.encode_masked(inputs["globals"], inputs["masks"])
            whole = task.encoder.tokens(inputs["globals"])
            small = task.backbone(inputs["locals"])
            student = task.head(torch.cat([seen.mean(1), small])).chunk(5)
            teacher = task.teacher_head(whole.mean(1)).chunk(2)
            heads = (
                (task.teacher_head, task.head)
                if shared
                else (task.teacher_patch_head, task.patch_head)
            )
            taught, learned = (
                head(tokens[inputs["masks"]])
                for head, tokens in zip(heads, (whole, seen), strict=True)
            )
            dino = images(list(teacher), list(student))
            ibot = patches(taught, learned, masks_of(inputs))
            spread = sum(KoLeoLoss()(crop) for crop in seen.mean(1).chunk(2))
        said = task(**inputs)
        assert said["loss_dino"].item() == pytest.approx(dino.item(), rel=1e-5)
        assert said["loss_ibot"].item() == pytest.approx(ibot.item(), rel=1e-5)
        assert said["loss_koleo"].item() == pytest.approx(spread.item(), rel=1e-5)
        expected = dino + 0.7 * ibot + 0.2 * spread
        assert said["loss"].mean().item() == pytest.approx(expected.item(), rel=1e-5)
        assert task.losses(**inputs).mean().item() == pytest.approx(expected.item(), rel=1e-2)
        task.after_step(step)
        assert torch.allclose(task.centre.value, images.center[0, 0], atol=1e-6)
        assert torch.allclose(task.patch_centre.value, patches.center.value[0], atol=1e-6)


def test_with_sinkhorn_targets_are_distributions_and_prototypes_are_used() -> None:
    task = dinov2()
    inputs = task.inputs(batch_of(8), random_of(8))
    taught = task.teach(**inputs)
    for targets in (taught.targets, taught.patch_targets):
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)), atol=1e-4)
    assert task(**inputs)["prototype_usage"] > 0.3
    assert not any("centre" in name for name in task.state_dict())


def test_half_of_the_large_crops_have_hidden_patches_as_many_as_asked() -> None:
    task = dinov2(mask_ratio=[0.25, 0.5])
    inputs = task.inputs(batch_of(64), random_of(64))
    counts = inputs["masks"].sum(1)
    first, second = counts.chunk(2)
    assert ((first == 0) ^ (second == 0)).all()
    assert 16 < (first == 0).sum() < 48
    hidden = counts[counts > 0]
    assert hidden.min() == 4 and hidden.max() in (7, 8)
    assert torch.equal(inputs["masks"].flatten().nonzero()[:, 0], inputs["hidden"])


def test_masks_are_the_same_for_any_number_of_processes() -> None:
    task, batch = dinov2(), batch_of(8)
    whole = task.inputs(batch, random_of(8))["masks"].view(2, 8, 16)
    for start in (0, 4):
        part = batch.part(start, start + 4)
        found = task.inputs(part, random_of(8).part(start, start + 4))["masks"]
        assert torch.equal(found.view(2, 4, 16), whole[:, start : start + 4])


def test_hidden_pixels_do_not_reach_the_student() -> None:
    task = dinov2()
    inputs = task.inputs(batch_of(4), random_of(4))
    images = inputs["globals"].requires_grad_()
    task.encode_masked(images, inputs["masks"]).square().sum().backward()
    assert images.grad is not None
    reached = images.grad[:, 0].view(8, 4, 8, 4, 8).abs().sum(dim=(2, 4)) > 0
    assert torch.equal(~reached, masks_of(inputs))


def test_a_mask_token_stands_where_its_patch_was() -> None:
    """Two hidden patches differ by their positions; with nothing hidden nothing changes."""
    task = dinov2()
    inputs = task.inputs(batch_of(4), random_of(4))
    nothing = torch.zeros_like(inputs["masks"])
    plain = task.backbone.tokens(inputs["globals"])
    assert torch.allclose(task.encode_masked(inputs["globals"], nothing), plain, atol=1e-6)
    all_hidden = task.encode_masked(inputs["globals"], ~nothing)
    assert torch.allclose(all_hidden[0], all_hidden[1], atol=1e-6)
    assert not torch.allclose(all_hidden[0, 0], all_hidden[0, 1], atol=1e-3)


@pytest.mark.parametrize("balance", ["sinkhorn", "centering"])
def test_only_the_student_is_trained_and_all_of_it(balance: str) -> None:
    task = dinov2(balance=balance)
    task(**task.inputs(batch_of(8), random_of(8)))["loss"].mean().backward()
    trained = {name for name, p in task.named_parameters() if p.grad is not None}
    named = {name for name, _ in task.named_parameters()}
    assert trained == {name for name in named if not name.startswith("teacher")}
    assert {"mask_token", "patch_head.prototypes"} <= trained
    task.before_step(0)
    assert task.head.prototypes.grad is None and task.patch_head.prototypes.grad is None


def test_every_teacher_follows() -> None:
    task = dinov2(momentum=0.0)
    with torch.no_grad():
        for parameter in task.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    task.after_step(0)
    for student, teacher in task.pairs():
        pairs = zip(student.parameters(), teacher.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
    assert len(task.pairs()) == 3 and len(dinov2(shared_head=True).pairs()) == 2


def test_no_small_crops_and_one_image_are_enough() -> None:
    task = dinov2(crops={"local_count": 0})
    said = task(**task.inputs(batch_of(1), random_of(1)))
    assert all(value.isfinite() for value in said.values())
    assert said["loss_koleo"] == 0
    assert task.highest_entropy == pytest.approx(math.log(24))


@pytest.mark.parametrize(
    ("name", "keys"), [("resnet10t", {}), ("vit_xxs", {"crops": {"local_size": 12}})]
)
def test_what_cannot_work_is_refused(name: str, keys: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as error:
        dinov2(name, **keys)
    assert error.value.hint


def test_the_paper_recipe_has_the_papers_values() -> None:
    """Oquab et al. 2023 and its released code (from memory, said so in the recipe)."""
    recipe = load("dinov2", [], verb="pretrain", model=PretrainRecipe).recipe
    assert isinstance(recipe, PretrainRecipe)
    options, crops = recipe.objective, recipe.objective.crops
    assert (crops.global_area, crops.local_area) == ([0.32, 1.0], [0.05, 0.32])
    assert (crops.local_count, crops.local_size) == (8, 96)
    assert (options.head.prototypes, options.head.bottleneck) == (65536, 256)
    assert (options.mask_ratio, options.koleo_weight, options.momentum) == ([0.1, 0.5], 0.1, 0.992)
    assert options.teacher_temperature == [0.04, 0.07]
    assert options.temperature_warmup * recipe.epochs == pytest.approx(30)
    optimiser = recipe.optimiser
    assert (optimiser.base_learning_rate, optimiser.base_batch) == (4e-3, 1024)
    assert (optimiser.scaling, optimiser.clip) == ("sqrt", 3.0)
    assert (optimiser.weight_decay, optimiser.weight_decay_end) == (0.04, 0.4)

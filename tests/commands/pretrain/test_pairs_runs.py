"""Whole pretrainings on pairs: what they leave behind and what they say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_data import Toy, balanced, toy_dataset, toy_run

from medfm_cli import verbs
from medfm_cli.commands.pretrain import engine
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.errors import DataError
from medfm_cli.models.directory import load_model
from medfm_cli.models.pair import load_pair
from medfm_cli.runs import Result, Run
from medfm_cli.runs.run import read_jsonl


def text_of(toy: Toy, number: int) -> str:
    """A report of some sentences, which many share."""
    return f"There is a {toy.label} in the picture. {'A' if number % 2 else 'No'} fracture."


def data_of(folder: Path) -> Path:
    toy_dataset(folder, balanced(subjects=6), size=48, text_of=text_of)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_of(tmp_path_factory.mktemp("data"))


def pretrain(data: Path, folder: Path, **keys: Any) -> tuple[Result, Run]:
    run = toy_run(folder, verb="pretrain")
    small: dict[str, Any] = {
        "data": str(data),
        "backbone": {"name": "vit_xxs"},
        "batch": 18,
        "steps": 20,
        "monitor": {"every": 100},
        "optimiser": {"learning_rate": 3e-3},
    }
    return engine.run(PretrainRecipe.model_validate(small | keys), run), run


def objective(name: str, **text: Any) -> dict[str, Any]:
    tower = {"dim": 16, "depth": 1, "heads": 2, "length": 40, "vocabulary": 300}
    return {"name": name, "dim": 16, "text": tower | text}


@pytest.fixture(scope="module", params=["clip", "siglip"])
def done(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Result, Run]:
    folder = tmp_path_factory.mktemp(request.param)
    return pretrain(data, folder, objective=objective(request.param))


def test_the_loss_falls_and_retrieval_is_compared_with_random_weights(
    done: tuple[Result, Run],
) -> None:
    result, run = done
    losses = [r["loss"] for r in read_jsonl(run.path("metrics.jsonl")) if "loss" in r]
    assert sum(losses[-5:]) < sum(losses[:5])
    numbers = result.metrics
    for split, pairs in (("train", 36), ("val", 18)):
        for direction in ("image_to_text", "text_to_image"):
            for k in (1, 5):
                key = f"{split}_{direction}_recall_{k}"
                assert numbers[key]["n"] == numbers[f"{key}_before"]["n"] == pairs
                assert 0 < numbers[f"{key}_chance"] < 1
    assert numbers["texts_cut_train"] == "0.0%"
    assert numbers["unknown_tokens_val"] == "0.00%"


def test_no_text_of_a_patient_is_in_what_is_written(done: tuple[Result, Run]) -> None:
    result, run = done
    words = ("picture", "fracture")
    story = json.dumps(result.to_json())
    assert not any(word in story for word in words)
    for path in run.dir.rglob("*.jsonl"):
        assert not any(word in path.read_text() for word in words), path
    assert not any(word in (run.dir / "model" / "card.md").read_text() for word in words)


def test_the_pair_is_kept_and_gives_vectors_of_images_and_texts(done: tuple[Result, Run]) -> None:
    result, run = done
    directory = run.dir / result.artefacts["model"]
    pair = load_pair(directory)
    assert load_model(directory).config == pair.config
    texts = pair.embed_texts([f"There is a {name} in the picture." for name in ("disc", "bars")])
    assert texts.shape == (2, 16)
    assert torch.allclose(texts.norm(dim=1), torch.ones(2))
    images = pair.embed_images(torch.zeros(3, 1, 48, 48, dtype=torch.uint8))
    assert images.shape == (3, 16)
    again = load_pair(directory)
    assert torch.equal(again.embed_texts(["bars"]), pair.embed_texts(["bars"]))
    limit = 100 if pair.text_config.objective == "clip" else float("inf")
    assert 1 < float(pair.side.logit_scale.exp().detach()) <= limit


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("text.safetensors", "the sha256 differs"),
        ("tokenizer.json", "the sha256 differs"),
        ("text.json", "not a valid text config"),
    ],
)
def test_a_damaged_text_side_is_not_loaded(
    done: tuple[Result, Run], tmp_path: Path, file: str, message: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(done[1].dir / "model", folder)
    whole = (folder / file).read_bytes()
    (folder / file).write_bytes(whole[:-9])
    with pytest.raises(DataError, match=message):
        load_pair(folder)
    (folder / file).unlink()
    with pytest.raises(DataError, match="has no"):
        load_pair(folder)


def test_a_text_model_of_hugging_face_is_gone_on_from(
    done: tuple[Result, Run], data: Path, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "text"
    vocabulary = load_pair(done[1].dir / "model").tokeniser.size
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=vocabulary, intermediate_size=32, max_position_embeddings=40, **sizes
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.BertModel(config)
    model.save_pretrained(folder)
    shutil.copy(done[1].dir / "model" / "tokenizer.json", folder)
    text = {"pretrained": str(folder), "length": 40, "pooling": "mean"}
    wanted = {"name": "clip", "dim": 16, "text": text}
    result, run = pretrain(data, tmp_path / "run", objective=wanted, steps=2)
    pair = load_pair(run.dir / "model")
    assert "pooler.dense.weight" in model.state_dict()
    trained = dict(pair.side.tower.named_parameters())
    words = trained["model.embeddings.word_embeddings.weight"]
    moved = (words - model.embeddings.word_embeddings.weight).detach().abs().max()
    assert 0 < float(moved) < 0.05, "two steps away from where the folder left them"
    assert not [name for name in trained if "pooler" in name]
    assert pair.embed_texts(["a disc"]).shape == (1, 16)
    assert result.metrics["steps"] == 2


def test_the_same_again_gives_the_same_bytes(
    done: tuple[Result, Run], data: Path, tmp_path: Path
) -> None:
    result, first = done
    name = load_pair(first.dir / "model").text_config.objective
    _, again = pretrain(data, tmp_path, objective=objective(name))
    for file in sorted(path.name for path in (first.dir / "model").iterdir()):
        one, other = ((run.dir / "model" / file).read_bytes() for run in (first, again))
        assert one == other, file
    assert result.metrics["steps"] == 20


def test_images_without_a_text_are_left_out_and_counted(tmp_path: Path) -> None:
    def some(toy: Toy, number: int) -> str | None:
        return text_of(toy, number) if number % 3 else None

    toy_dataset(tmp_path / "data", balanced(subjects=6), size=48, text_of=some)
    result, _ = pretrain(tmp_path / "data", tmp_path / "run", objective=objective("clip"), steps=2)
    assert "24 images of 12 subjects" in (result.headline or "")
    assert "12 further images have no text and were left out" in json.dumps(result.to_json())
    assert result.metrics["val_image_to_text_recall_1"]["n"] == 12
    recipe = PretrainRecipe.model_validate(
        {"data": str(tmp_path / "data"), "objective": objective("clip")}
    )
    plan = verbs.plan("pretrain", recipe)
    assert any("12 samples without a text" in line for line in plan.lines)


def test_without_any_text_it_says_so_and_a_template_tells_labels(tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(subjects=6), size=48)
    with pytest.raises(DataError, match="none of the 36 training samples has a text"):
        pretrain(tmp_path / "data", tmp_path / "none", objective=objective("clip"))
    labels_as_texts = objective("clip", template="a drawing of {label}")
    result, _ = pretrain(tmp_path / "data", tmp_path / "run", objective=labels_as_texts, steps=2)
    assert "Samples without a text use their label as text" in json.dumps(result.to_json())
    chance = result.metrics["train_image_to_text_recall_1_chance"]
    assert chance == pytest.approx(1 / 3)  # a third of the texts read the same

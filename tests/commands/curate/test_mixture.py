"""Several sources in one dataset: each block has its own keys and shares those above it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from curate_files import dicom, noise, picture, table
from curate_types import Curate

from medfm_cli.commands.curate.plan import plan
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.console import Silence
from medfm_cli.errors import EnvironmentProblem
from medfm_cli.recipe.load import load


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Any]:
    """Scans of three patients, and photographs with a table; one picture is in both."""
    for number in range(6):
        scan = tmp_path / "scans" / f"{number}.dcm"
        dicom(scan, noise(number, height=40), PatientID=f"P{number // 2}", Modality="MR")
        picture(tmp_path / "photos" / f"{number}.png", 100 + number, colour=True)
    rows = [f"{n}.png,{'ab'[n % 2]},subject {n // 2}" for n in range(6)]
    table(tmp_path / "photos" / "labels.csv", "file,label,patient_id", *rows)
    return {
        "scans": {"source": str(tmp_path / "scans"), "labels": "modality", "consent": "broad"},
        "photos": {
            "source": str(tmp_path / "photos"),
            "modality": "Dermoscopy",
            "licences": ["CC BY 4.0"],
        },
    }


def test_every_block_has_its_own_keys(curate: Curate, sources: dict[str, Any]) -> None:
    done = curate(None, sources=sources)
    by_origin = {
        name: [row for row in done.rows if row["origin"] == name] for name in ("scans", "photos")
    }
    assert {name: len(rows) for name, rows in by_origin.items()} == {"scans": 6, "photos": 6}
    assert {row["modality"] for row in by_origin["photos"]} == {"Dermoscopy"}
    assert {row["label"] for row in by_origin["photos"]} == {"a", "b"}
    assert {row["label"] for row in by_origin["scans"]} == {"MR"}
    assert done.dataset.card.counts.origins == {"photos": 6, "scans": 6}
    assert done.dataset.card.licences == ["CC BY 4.0"]
    assert done.dataset.card.consent == "broad"
    assert done.counts["patients"] == 6
    found = {n: done.run.resolved[f"sources.{n}.readers"] for n in sources}
    assert {name: said["value"] for name, said in found.items()} == {
        "scans": ["dicom"],
        "photos": ["image"],
    }
    assert found["photos"]["why"] == "by the content of the first 6 files: 6 image"


def test_a_copy_in_another_source_is_one(curate: Curate, sources: dict[str, Any]) -> None:
    scans, photos = (Path(sources[name]["source"]) for name in ("scans", "photos"))
    (photos / "again.png").write_bytes((photos / "0.png").read_bytes())
    (scans / "stray.png").write_bytes((photos / "0.png").read_bytes())
    done = curate(None, sources=sources)
    copies = [row for row in done.quarantine if row["step"] == "duplicates"]
    assert len(copies) == 2
    assert done.counts["kept"] == 12


def test_sources_that_are_cut_in_different_ways_are_told(
    curate: Curate, sources: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card has room for one way of cutting, and models take it over."""
    said: list[str] = []
    monkeypatch.setattr(Silence, "warn", lambda _, text: said.append(text))
    curate(None, sources=sources, tile={"size": None})
    assert not any("cut in different ways" in text for text in said)
    # A modality holds for every tile of a scan, a label of the table for a whole photograph only.
    done = curate(None, out="two", sources=sources)
    assert any("as those of 'scans'" in text for text in said)
    assert done.dataset.card.cutting.tile == 512


def test_what_a_block_does_not_say_is_taken_from_above(sources: dict[str, Any]) -> None:
    recipe = CurateRecipe.model_validate(
        {"sources": sources, "frames": 2, "consent": "narrow", "subject": "none"}
    )
    scans, photos = recipe.blocks().values()
    assert (scans.consent, photos.consent) == ("broad", "narrow")
    assert {scans.frames, photos.frames} == {2}
    assert {scans.subject, photos.subject} == {"none"}


@pytest.mark.parametrize("keys", [{}, {"source": ".", "sources": {"a": {"source": "."}}}])
def test_one_source_or_several_but_not_both_or_none(keys: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one source, or a mixture"):
        CurateRecipe.model_validate(keys)


def test_a_block_without_a_source_is_named() -> None:
    with pytest.raises(ValueError, match=r"sources\.b names no source"):
        CurateRecipe.model_validate({"sources": {"a": {"source": "."}, "b": {}}})


def test_the_recipes_that_ship(curate: Curate, sources: dict[str, Any]) -> None:
    """With sources of one's own, as the head of each recipe says."""
    scans, photos = (sources[name]["source"] for name in ("scans", "photos"))
    overrides = [f"sources.scans.source={scans}", f"sources.photographs.source={photos}"]
    mixed = load("mixture", overrides, verb="curate", model=CurateRecipe).recipe
    done = curate(None, **mixed.model_dump(exclude={"source", "workers"}))
    assert done.dataset.card.counts.origins == {"photographs": 6, "scans": 6}
    archive = load("dicom-archive", [f"source={scans}"], verb="curate", model=CurateRecipe).recipe
    done = curate(scans, out="archive", **archive.model_dump(exclude={"source", "workers"}))
    assert done.counts["kept"] == 6
    assert done.counts["patients"] == 3


def test_a_scheduler_without_its_engine_is_told(tmp_path: Path) -> None:
    keys = {"source": str(tmp_path), "address": "tcp://127.0.0.1:8786"}
    with pytest.raises(ValueError, match="say engine: dask as well"):
        CurateRecipe.model_validate(keys)


def test_a_missing_extra_is_told_before_anything_is_put_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "a.png")
    monkeypatch.setattr("medfm_cli.commands.curate.plan.installed", lambda _: False)
    recipe = CurateRecipe.model_validate({"source": str(tmp_path), "engine": "dask"})
    with pytest.raises(EnvironmentProblem, match="'distributed'"):
        plan(recipe)

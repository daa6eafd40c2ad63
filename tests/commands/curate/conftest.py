"""A curation in this process, and a key of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from curate_types import Curate, Curated

from medfm_cli.commands.curate import engine
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.console import Silence
from medfm_cli.runs import Run


@pytest.fixture(autouse=True)
def _own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDFM_KEY_FILE", str(tmp_path / "secret" / "deid.key"))


@pytest.fixture
def curate(tmp_path: Path) -> Curate:
    """Curate a source with the keys of a recipe."""

    def run_it(source: Path | str | None, *, out: str = "run", **keys: Any) -> Curated:
        recipe = CurateRecipe.model_validate(
            {"source": None if source is None else str(source), "workers": 1} | keys
        )
        folder = tmp_path / out
        folder.mkdir(exist_ok=True)
        run = Run(dir=folder, verb="curate", name="toy", hash="0" * 64, console=Silence())
        return Curated(engine.run(recipe, run), run)

    return run_it


@pytest.fixture(scope="session")
def real() -> Path | None:
    """Real data where they are there."""
    root = Path(os.environ.get("MEDFM_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
    return root if (root / "INDEX.md").is_file() else None

"""A source that goes away: nothing is finished, and the same command tries again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from curate_files import picture
from curate_types import Curate

from medfm_cli.commands.curate import engine
from medfm_cli.commands.curate.plan import inputs
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import find_source
from medfm_cli.commands.curate.sources.vanished import check_listing, must_stay
from medfm_cli.envelope import of_os_error
from medfm_cli.errors import DataError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number in range(4):
        picture(tmp_path / "source" / f"p{number}" / "image.png", number)
    return tmp_path / "source"


@pytest.mark.parametrize("step", ["find_annotations", "read_all"])
def test_files_that_vanish_after_they_were_listed(
    source: Path, curate: Curate, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(engine, step)
    away = source.with_name("away")

    def unplugged(*arguments: Any) -> Any:
        source.rename(away)
        source.mkdir()  # the empty folder on which a share was mounted
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(engine, step, unplugged)
        with pytest.raises(OSError, match="no longer there") as caught:
            curate(source)
    problem = of_os_error(caught.value)
    assert problem is not None
    assert problem.exit_code == 4
    source.rmdir()
    away.rename(source)
    again = curate(source)
    assert not (again.run.dir / "previous").exists()
    assert (len(again.rows), again.quarantine) == (4, [])


def test_a_share_that_is_gone_when_all_was_read(
    source: Path, curate: Curate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables and annotations may have been read from what was left: it cannot be known."""
    real = engine.read_all

    def read(*arguments: Any) -> Any:
        done = real(*arguments)
        (source / "p3" / "image.png").unlink()
        return done

    monkeypatch.setattr(engine, "read_all", read)
    with pytest.raises(OSError, match="no longer there"):
        curate(source)


def test_a_listing_that_lacks_files_of_the_one_before(source: Path) -> None:
    recipe = CurateRecipe.model_validate({"source": str(source)})
    before = inputs(recipe)["source"]
    (source / "p2" / "image.png").unlink()
    count = len(find_source(str(source)).survey().files)
    with pytest.raises(DataError, match="had 4 files a moment ago and has 3 now"):
        check_listing(str(source), before, count)
    check_listing(str(source), before, 5)  # what came since is read with the rest
    check_listing(str(source), "md5:0123", 0)  # a file with a name of its own


def test_a_folder_that_goes_while_it_is_listed(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def failing(folder: str) -> Any:
        if folder.endswith("p2"):
            raise OSError(5, "Input/output error", folder)
        return real(folder)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(DataError, match="can no longer be read: input/output error") as caught:
        find_source(str(source)).fingerprint()
    assert "same command" in str(caught.value.hint)


def test_an_archive_that_goes_is_no_bug(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"the source 'a.zip' can no longer be read"),
        must_stay("a.zip"),
    ):
        (tmp_path / "a.zip").stat()
    with pytest.raises(OSError, match="room"), must_stay("a.zip"):  # of the disk that is written
        raise OSError(28, "no room")

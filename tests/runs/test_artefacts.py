"""Finding what one verb wrote for the next."""

from pathlib import Path

import pytest

from medfm_cli.errors import DataError
from medfm_cli.runs.artefacts import MARKS, Kind, find, holds


@pytest.mark.parametrize("kind", list(MARKS))
def test_the_artefact_itself_or_the_run_that_wrote_it(tmp_path: Path, kind: Kind) -> None:
    folder = tmp_path / "run" / kind
    folder.mkdir(parents=True)
    (folder / MARKS[kind]).touch()
    assert find(folder, kind) == folder
    assert find(str(tmp_path / "run"), kind) == folder
    assert holds(tmp_path / "run", kind)


def said(path: Path, kind: Kind = "dataset") -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        find(path, kind)
    assert not holds(path, kind)
    return caught.value.message, caught.value.hint or ""


def test_a_path_that_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "curate-dicom-01234567").mkdir()
    message, hint = said(tmp_path / "curate-dicm-01234567")
    assert "the path does not exist" in message
    assert hint == "did you mean 'curate-dicom-01234567'?"
    assert "does not exist" in said(tmp_path / "no" / "where" / "at" / "all")[0]


def test_a_run_that_is_not_finished(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").touch()
    message, hint = said(tmp_path, "model")
    assert "is not finished, so it has no model yet" in message
    assert hint == "run its command again to finish it"


def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").touch()
    assert said(tmp_path)[0].endswith("is not a dataset: it has no dataset.json; it holds a model")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is not a dataset" in said(tmp_path / "file")[0]

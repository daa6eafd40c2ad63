"""What the tests of the executable share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from executable import Ended, Executable

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a recipe into the test's own folder."""

    def write_(text: str, name: str = "count.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write_


@pytest.fixture
def count(toy: Executable, tmp_path: Path, write: Write) -> Callable[..., Ended]:
    """Run `medfm toy` in the test's own folder with these overrides and options."""
    write("description: count, then end as told\n")

    def count_(*arguments: object, **options: object) -> Ended:
        return toy("toy", "count.yaml", *arguments, cwd=tmp_path, **options)  # type: ignore[arg-type]

    return count_

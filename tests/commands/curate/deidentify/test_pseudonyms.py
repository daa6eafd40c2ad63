"""Pseudonyms: the same for the same key, nothing without it; a key that only its owner reads."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medfm_cli.commands.curate.deidentify.pseudonyms import (
    PUBLIC_KEY,
    Pseudonyms,
    is_placeholder,
    key_file,
    private_key,
)
from medfm_cli.errors import EnvironmentProblem


def test_a_pseudonym_depends_on_key_kind_and_identifier() -> None:
    names = Pseudonyms(b"k" * 32)
    assert names.of("subject", "A") == names.of("subject", "A")
    others = [names.of("study", "A"), names.of("subject", "B"), Pseudonyms(b"x").of("subject", "A")]
    assert len({names.of("subject", "A"), *others}) == 4
    assert names.of("subject", "A").startswith("subject-")


def test_public_pseudonyms_never_change() -> None:
    assert Pseudonyms(PUBLIC_KEY).of("subject", "1CT1") == "subject-13cec20201c9f9a5"


@pytest.mark.parametrize(
    "text", ["", "  ", "ANONYMOUS", "anon", "Anonymized", "unknown", "N/A", "none", "***", "-"]
)
def test_placeholders_stand_for_nobody(text: str) -> None:
    assert is_placeholder(text)
    assert Pseudonyms(b"k").of_person(text) is None


@pytest.mark.parametrize("text", ["0", "000", "X", "0.0"])
def test_zeros_of_a_scanner_are_nobody_but_may_be_a_number_in_a_table(text: str) -> None:
    assert Pseudonyms(b"k").of_person(text) is None
    assert not is_placeholder(text)


@pytest.mark.parametrize("text", ["1CT1", "Annonay", "ID1", "4MR1", "P-000"])
def test_patients_are_somebody(text: str) -> None:
    assert Pseudonyms(b"k").of_person(text) is not None


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key, path = private_key(tmp_path / "run.key")
    assert path == key_file() == tmp_path / "secret" / "deid.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert private_key(tmp_path / "run.key") == (key, path)
    assert not (tmp_path / "run.key").exists()
    assert [p.name for p in path.parent.iterdir()] == ["deid.key"]


def test_many_at_once_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: private_key(tmp_path / "run.key")[0], range(16)))
    assert len(keys) == 1


def test_a_home_that_cannot_be_written_to_leaves_the_key_in_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEDFM_KEY_FILE")
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, no folder")
    monkeypatch.setenv("XDG_DATA_HOME", str(blocked))
    key, path = private_key(tmp_path / "run.key")
    assert path == tmp_path / "run.key"
    assert private_key(tmp_path / "run.key") == (key, path)


def test_a_key_file_that_is_none_is_told(tmp_path: Path) -> None:
    key_file().parent.mkdir()
    key_file().write_text("hello")
    with pytest.raises(EnvironmentProblem, match="is no key file"):
        private_key(tmp_path / "run.key")


def test_a_chosen_key_file_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDFM_KEY_FILE", str(tmp_path / "file" / "key"))
    with pytest.raises(EnvironmentProblem, match="cannot be used"):
        private_key(tmp_path / "run.key")

"""Subjects who withdrew: nowhere in what is written, counted in the books."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from curate_files import dicom, noise, picture, table
from executable import Executable

from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms, private_key
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.console import Silence
from medfm_cli.errors import DataError
from medfm_cli.execute import Job, Outcome, execute


def curate(source: Path, out: Path, **keys: Any) -> Outcome:
    values = {"source": str(source), "workers": 1, "labels": "labels.csv"} | keys
    return execute(Job("curate", "toy", CurateRecipe.model_validate(values), out, Silence()))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Twelve pictures of six patients by a table, one scan of a patient by its header."""
    root = tmp_path / "in"
    for number in range(12):
        picture(root / f"{number:02}.png", number)
    (root / "03.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    dicom(root / "scan.dcm", noise(50).astype(np.int16), PatientID="P-77")
    rows = [f"{n:02}.png,{'ab'[n % 2]},pat{n // 2}" for n in range(12)]
    table(root / "labels.csv", "file,label,patient", *rows)
    return root


def pseudonym(tmp_path: Path, identifier: str) -> str:
    key, _ = private_key(tmp_path / "fallback.key")
    return Pseudonyms(key).of("subject", identifier)


def everything(folder: Path) -> bytes:
    """All that a run left behind; parquet files in plain words, and the private linkage too."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            found.append(repr(pq.read_table(path, partitioning=None).to_pylist()).encode())
        else:
            found.append(path.read_bytes())
    return b"\n".join(found)


def test_who_withdrew_is_nowhere(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    before = curate(source, out)
    gone = [pseudonym(tmp_path, name) for name in ("pat1", "pat4", "P-77")]
    assert all(name.encode() in everything(before.dir) for name in gone)
    told = tmp_path / "withdrawn.txt"
    told.write_text("# consent withdrawn in May\npat1\n\n  P-77 \nunknown-1\nunknown-2\n"
                    f"{gone[1]}\n")  # fmt: skip
    after = curate(source, out, withdraw=str(told))
    left = everything(after.dir)
    assert not [name for name in gone if name.encode() in left]
    assert not [word for word in (b"pat1", b"P-77", b"unknown-1", b"pat4") if word in left]
    counts = after.result.metrics
    parts = ("kept", "duplicates", "quarantined")
    assert counts["read"] == sum(counts[name] for name in parts) == before.result.metrics["read"]
    assert counts["kept"] == before.result.metrics["kept"] - 4, "3 of tables (one broken), 1 scan"
    assert after.result.lineage["dataset"] != before.result.lineage["dataset"]
    assert after.result.lineage["sources"] != before.result.lineage["sources"]
    assert "3 of 5 identifiers" in repr(after.result.sections)
    quarantine = pq.read_table(after.dir / "dataset" / "quarantine.parquet").to_pylist()
    rows = [row for row in quarantine if row["step"] == "withdrawn"]
    assert len(rows) == 5, "the broken file of pat1 too"
    assert {(row["source"], row["source_sha256"]) for row in rows} == {("", "")}


def test_who_still_holds_them_is_told(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    before = curate(source, out)
    told = tmp_path / "withdrawn.txt"
    told.write_text("pat2\n")
    after = curate(source, out, withdraw=str(told))
    said = repr(after.result.sections)
    assert f"still in older runs: {before.dir.name}. Delete these folders" in said
    told.write_text("nobody\n")
    assert "older runs" not in repr(curate(source, out, withdraw=str(told)).result.sections)


def test_shards_are_written_anew_and_nothing_else_is_read(tmp_path: Path, source: Path) -> None:
    out, told = tmp_path / "out", tmp_path / "withdrawn.txt"
    curate(source, out)
    told.write_text("pat2\n")
    after = curate(source, out, withdraw=str(told))
    fresh = curate(source, tmp_path / "fresh", withdraw=str(told))
    for name in ("samples.parquet", "quarantine.parquet", "shards/shard-00000.tar"):
        assert (after.dir / "dataset" / name).read_bytes() == (
            fresh.dir / "dataset" / name
        ).read_bytes()
    assert curate(source, out, withdraw=str(told)).status == "up to date"
    told.write_text("pat3\n")
    back = curate(source, out, withdraw=str(told))
    again = curate(source, tmp_path / "fresh-2", withdraw=str(told))
    assert back.result.lineage["dataset"] == again.result.lineage["dataset"]


def test_a_run_that_is_killed_while_it_forgets(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are gone already; the counts stay."""
    from medfm_cli.commands.curate.reading.staging import Staging

    told = tmp_path / "withdrawn.txt"
    told.write_text("pat1\npat2\n")
    whole = curate(source, tmp_path / "whole", withdraw=str(told))

    def killed(self: Staging) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Staging, "drop_payloads", killed)
        with pytest.raises(KeyboardInterrupt):
            curate(source, tmp_path / "out", withdraw=str(told))
    again = curate(source, tmp_path / "out", withdraw=str(told))
    assert again.result.lineage == whole.result.lineage
    assert again.result.metrics == whole.result.metrics
    assert "2 of 2 identifiers" in repr(again.result.sections)


def test_all_withdrew(tmp_path: Path, source: Path) -> None:
    told = tmp_path / "withdrawn.txt"
    told.write_text("".join(f"pat{n}\n" for n in range(6)) + "P-77\n")
    with pytest.raises(DataError, match="the subject withdrew"):
        curate(source, tmp_path / "out", withdraw=str(told))


def test_a_file_that_is_not_there(medfm: Executable, tmp_path: Path, source: Path) -> None:
    done = medfm("curate", "images-with-csv", f"source={source}", "withdraw=nowhere.txt",
                 cwd=tmp_path)  # fmt: skip
    assert done.code == 3
    assert "the withdrawal file 'nowhere.txt' does not exist" in done.stderr

"""`medfm doctor`: it tells what is there, and stops nothing but what is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from toy_bundle import toy_export, toy_model, traced_dataset
from toy_data import balanced, toy_dataset

from medfm_cli.commands.doctor import packages as looked_up
from medfm_cli.commands.doctor.artefacts import check
from medfm_cli.commands.doctor.decoders import decoders
from medfm_cli.commands.doctor.diagnosis import Diagnosis, diagnose
from medfm_cli.commands.doctor.machine import machine
from medfm_cli.commands.doctor.packages import Package, missing_extras, packages
from medfm_cli.commands.doctor.text import as_text
from medfm_cli.errors import DataError

DOCTOR = [sys.executable, "-c", "from medfm_cli.commands.doctor.cli import command; command({})"]


def doctor(arguments: str = "out='.', json=True") -> subprocess.CompletedProcess[str]:
    code = DOCTOR[2].format(arguments)
    return subprocess.run([*DOCTOR[:2], code], capture_output=True, text=True, check=False)


def test_one_json_document_and_no_torch_in_the_process() -> None:
    watched = (
        "import atexit, sys;"
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr));"
    )
    code = watched + DOCTOR[2].format("out='.', json=True")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "False"
    found = json.loads(done.stdout)
    assert found["exit_code"] == 0
    assert found["machine"]["usable_cores"] >= 1
    assert {item["name"]: item["version"] for item in found["packages"]}["numpy"] == version(
        "numpy"
    )


def test_text_goes_to_stdout_and_ends_in_a_verdict() -> None:
    done = doctor("out='.', json=False")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith("medfm can work here")
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


def test_a_folder_that_is_not_there_yet_is_judged_by_its_parent(tmp_path: Path) -> None:
    done = doctor(f"out={str(tmp_path / 'new' / 'runs')!r}, json=True")
    assert json.loads(done.stdout)["machine"]["folder"] == str(tmp_path)


def test_every_compressed_syntax_can_be_decoded_by_the_base_install() -> None:
    found = decoders()
    assert len(found) >= 10
    assert [decoder.name for decoder in found if not decoder.plugins] == []


def test_a_missing_extra_is_a_remark_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=2", "torch-that-is-not-there>=2; extra == 'train'"]
    monkeypatch.setattr(looked_up, "requires", lambda _: lines)
    found = packages()
    assert [(item.name, item.extra, item.usable) for item in found] == [
        ("numpy", "", True),
        ("torch-that-is-not-there", "train", False),
    ]
    assert missing_extras(found) == {"train": "pip install 'medfm[train]'"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no-such-package>=1", "no-such-package is missing"),
        ("numpy>=999", "numpy >=999 is required"),
    ],
)
def test_what_the_base_install_lacks_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, message: str
) -> None:
    monkeypatch.setattr(looked_up, "requires", lambda _: [line])
    diagnosis = diagnose(tmp_path)
    assert diagnosis.broken[0].startswith(message)
    assert "medfm cannot work here" in as_text(diagnosis)


def test_a_package_that_cannot_be_imported_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(looked_up, "requires", lambda _: ["numpy>=2"])

    def broken(_: str) -> None:
        raise ImportError("libwrong.so: cannot open shared object file")

    monkeypatch.setattr(looked_up.importlib, "import_module", broken)
    assert "numpy cannot be imported: libwrong.so" in diagnose(tmp_path).broken[0]


def test_little_room_and_no_right_to_write_are_remarks(tmp_path: Path) -> None:
    here = machine(tmp_path, torch_installed=False)
    assert here.folder_writable
    assert here.torch_device is None
    assert 0 < here.memory_free <= here.memory


def test_the_text_names_packages_that_are_missing() -> None:
    here = machine(Path.cwd(), torch_installed=False)
    shown = as_text(Diagnosis(here, [Package("torch", "train", None)], [], [], ["a remark"]))
    assert "torch MISSING" in shown
    assert "note        a remark" in shown


def test_a_dataset_is_checked_byte_by_byte(tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(subjects=2))
    whole = doctor(f"dataset={str(tmp_path / 'data')!r}, json=True")
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["samples"] == 24
    assert doctor(f"dataset={str(tmp_path / 'data')!r}").stdout.count("\n") == 1
    shard = next((tmp_path / "data" / "shards").iterdir())
    payload = bytearray(shard.read_bytes())
    payload[600] ^= 1
    shard.write_bytes(payload)
    damaged = doctor(f"dataset={str(tmp_path / 'data')!r}, json=True")
    assert damaged.returncode == 3
    assert shard.name in json.loads(damaged.stdout)["error"]["message"]
    assert doctor(f"dataset={str(tmp_path / 'nothing')!r}").returncode == 3


def test_a_model_and_a_bundle_are_checked_too(tmp_path: Path) -> None:
    dataset = traced_dataset(tmp_path / "data")
    model = toy_model(tmp_path / "model", dataset)
    bundle, _ = toy_export(tmp_path / "run", model, dataset)
    (found,) = check(str(model))
    assert found.kind == "model"
    assert "parameters have the hash in its config, and they are finite numbers" in found.sentence
    (found,) = check(str(tmp_path / "run"))  # the folder that holds a bundle
    assert found.kind == "bundle"
    assert found.to_json()["files"] == 4
    (bundle / "sources.txt").write_text("")
    with pytest.raises(DataError, match=r"sources\.txt has changed since the export"):
        check(str(bundle))
    (model / "model.safetensors").write_bytes(b"x")
    with pytest.raises(DataError, match="the sha256 differs"):
        check(str(model))


def test_a_run_that_is_not_finished_or_holds_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a dataset"):
        check(str(tmp_path))
    (tmp_path / "recipe.yaml").touch()
    with pytest.raises(DataError, match="is not finished"):
        check(str(tmp_path))
    (tmp_path / "DONE").touch()
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(DataError, match=r"result\.json is damaged"):
        check(str(tmp_path))
    (tmp_path / "result.json").write_text('{"stages": {}, "artefacts": {}}')
    assert check(str(tmp_path)) == []

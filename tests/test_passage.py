"""The whole passage through the real executable: from raw DICOM to answers of a bundle.

The pipeline that ships is run at toy scale; what it learns is worth nothing, what it leaves is all
there. Figures of the real thing are in the report of `make quickstart`.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from executable import Ended, Executable, snapshot, until

from medfm_cli.runs.run import read_jsonl

pytest.importorskip("data_store", reason="the extra `demo` is not installed")

SMALL = (
    "pretrain.steps=2",
    "full.steps=2",
    "full-random.steps=2",
    "probe.probe.epochs=2",
    "probe-random.probe.epochs=2",
    *(
        f"{stage}.bootstrap=100"
        for stage in ("probe", "probe-random", "full", "full-random", "eval")
    ),
    "eval.folds=2",
    "export.latency.repeats=2",
)
STAGES = ["curate", "pretrain", "probe", "probe-random", "full", "full-random", "eval", "export"]
MINUTES = 60.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("passage")


@pytest.fixture(scope="module")
def passage(medfm: Executable, place: Path) -> Ended:
    """The pipeline, interrupted once by SIGTERM and once by SIGKILL on its way."""
    command = ("run", "quickstart", *SMALL, "--json")
    for stage, by in (("pretrain", signal.SIGTERM), ("eval", signal.SIGKILL)):
        process = medfm.start(*command, cwd=place)
        until(lambda: list(place.glob(f"runs/run-*/{stage}-*/log.jsonl")), timeout=5 * MINUTES)  # noqa: B023
        process.send_signal(by)
        process.communicate(timeout=MINUTES)
        assert process.returncode in (143, -signal.SIGKILL), process.returncode
    return medfm(*command, cwd=place, timeout=8 * MINUTES)


@pytest.fixture(scope="module")
def run_dir(passage: Ended, place: Path) -> Path:
    assert passage.code == 0, passage.stderr
    return place / str(passage.json["run_dir"])


@pytest.fixture(scope="module")
def result(run_dir: Path) -> dict[str, Any]:
    document = json.loads((run_dir / "result.json").read_text())
    assert isinstance(document, dict)
    return document


def test_every_stage_is_done_once(run_dir: Path, result: dict[str, Any]) -> None:
    assert list(result["stages"]) == STAGES
    for folder in result["stages"].values():
        events = [event["event"] for event in read_jsonl(run_dir / folder / "log.jsonl")]
        assert events[-1] == "ended"
        ended = [e for e in read_jsonl(run_dir / folder / "log.jsonl") if e["event"] == "ended"]
        assert [e["status"] for e in ended].count("done") == 1, "nothing is done twice"


def test_interruptions_show_in_no_artefact(run_dir: Path) -> None:
    leftovers = [
        path for path in run_dir.rglob("*") if path.name.endswith((".tmp", ".new", ".old"))
    ]
    assert leftovers == []


def test_the_same_command_has_nothing_to_do(medfm: Executable, run_dir: Path, place: Path) -> None:
    before = snapshot(run_dir)
    done = medfm("run", "quickstart", *SMALL, "--json", cwd=place)
    assert done.json["status"] == "up to date"
    assert done.stderr.startswith("up to date")
    assert snapshot(run_dir) == before


def test_curation_tells_what_it_left_out(run_dir: Path, result: dict[str, Any]) -> None:
    metrics = result["metrics"]["curate"]
    assert metrics["kept"] + metrics["duplicates"] + metrics["quarantined"] >= metrics["files"]
    assert min(metrics[name] for name in ("kept", "duplicates", "quarantined", "patients")) > 0


def test_scores_stand_beside_baselines_with_intervals(result: dict[str, Any]) -> None:
    text = json.dumps(result["metrics"]["eval"])
    for name in ("majority", "pixels", "random", "subjects", "low", "high"):
        assert f'"{name}"' in text


def test_one_report_tells_the_whole_story(run_dir: Path) -> None:
    report = (run_dir / "report.html").read_text("utf-8")
    for stage in STAGES:
        assert stage in report
    assert report.count("data:image/") + report.count("<svg") > 10
    assert "http://" not in report.replace("http://www.w3.org", "")
    assert "Caution" in report


def test_lineage_leads_from_the_bundle_to_every_source_file(run_dir: Path) -> None:
    bundle = run_dir / "export" / "bundle"
    sources = [line.split()[0] for line in (bundle / "sources.txt").read_text().splitlines()]
    assert len(sources) > 50
    folder = Path(str(resources.files("pydicom") / "data" / "test_files"))
    shipped = {hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.dcm")}
    assert len(shipped & set(sources)) > 20
    lineage = (bundle / "lineage.json").read_text()
    card = json.loads((run_dir / "curate" / "dataset" / "dataset.json").read_text())
    assert card["version"] in lineage
    assert card["lineage"]["source_digest"] in lineage


def test_no_patient_is_named(run_dir: Path) -> None:
    """Names and numbers of the patients in pydicom's files, wherever the run could keep them."""
    names = [b"CompressedSamples", b"Doe^", b"Lestrade", b"ANON", b"Anonymized^"]
    for path in run_dir.rglob("*"):
        if path.is_file() and path.suffix in (
            ".json",
            ".jsonl",
            ".html",
            ".yaml",
            ".md",
            ".parquet",
        ):
            if path.name == "linkage.parquet":  # the site's own way back, readable by it alone
                assert path.stat().st_mode & 0o077 == 0
                continue
            data = path.read_bytes()
            assert not [name for name in names if name in data], path


NO_TORCH = """
import sys
sys.argv[0] = "medfm"
from medfm_cli.cli.app import main
try:
    main()
finally:
    heavy = {"torch", "torchvision", "timm", "accelerate", "sklearn"} & set(sys.modules)
    print("LOADED", *sorted(heavy), file=sys.stderr)
"""


def test_the_bundle_alone_labels_files_without_torch(
    medfm: Executable, run_dir: Path, tmp_path: Path
) -> None:
    from pydicom.data import get_testdata_file

    shutil.copytree(run_dir / "export" / "bundle", tmp_path / "bundle")
    file = get_testdata_file("CT_small.dcm")
    done = medfm(
        "-c", NO_TORCH, "predict", "bundle", file, "--json", command=(sys.executable,), cwd=tmp_path
    )
    assert done.code == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED"
    assert "CT" in json.dumps(done.json)


def test_an_unreadable_file_costs_only_itself(medfm: Executable, run_dir: Path) -> None:
    from pydicom.data import get_testdata_file

    good = get_testdata_file("MR_small.dcm")
    done = medfm("predict", run_dir / "export", good, run_dir / "DONE", "--json")
    assert done.code == 3
    assert done.json["exit_code"] == 3
    assert "MR_small" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pretrain", "mae-tiny", "data=nowhere"), "there is no dataset at 'nowhere'"),
        (("finetune", "probe", "data={run}/curate", "model={run}/curate"), "is not a model"),
        (("finetune", "probe", "data={run}/curate", "model=weights.pkl"), "weights.pkl"),
        (("curate", "folders", "source=empty"), "empty"),
        (("curate", "folders", "source=nowhere"), "the source 'nowhere' does not exist"),
        (("export", "onnx", "model=nowhere", "data={run}/curate"), "'nowhere'"),
        (("eval", "compare", "data={run}/curate", "models.a=nowhere"), "'nowhere'"),
        (("predict", "nowhere", "x.png"), "nowhere"),
    ],
)
def test_bad_data_are_one_sentence(
    medfm: Executable, run_dir: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "weights.pkl").write_bytes(b"\x80\x04\x95N.")
    words = [word.replace("{run}", str(run_dir)) for word in arguments]
    done = medfm(*words, cwd=tmp_path)
    assert done.code == 3, done.stderr
    assert said in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert not any(path.name == "DONE" for path in tmp_path.rglob("*"))


def test_a_loss_that_is_no_number_ends_with_1(
    medfm: Executable, run_dir: Path, tmp_path: Path
) -> None:
    done = medfm(
        "pretrain", "mae-tiny", f"data={run_dir / 'curate'}", "steps=60", "optimiser.clip=null",
        "optimiser.learning_rate=1.0e+30", "schedule.warmup=0", cwd=tmp_path, timeout=3 * MINUTES,
    )  # fmt: skip
    assert done.code == 1, done.stderr
    assert "DONE" not in [path.name for path in tmp_path.rglob("*")]


def test_a_gate_ends_with_5(medfm: Executable, run_dir: Path, tmp_path: Path) -> None:
    done = medfm(
        "eval", "gate", f"data={run_dir / 'curate'}", f"models.new={run_dir / 'pretrain'}",
        "gate.auc=1.0", "gate.balanced_accuracy=1.0", "baselines=[majority]", "bootstrap=100",
        "folds=2", "--json", cwd=tmp_path, timeout=3 * MINUTES,
    )  # fmt: skip
    assert done.code == 5, done.stderr
    assert done.json["status"] == "done"
    assert "auc" in done.json["error"]["message"].lower()


@pytest.mark.realdata
def test_a_users_own_images_take_the_same_way(
    medfm: Executable, shared_data: Path, tmp_path: Path
) -> None:
    """The quickstart's recipe on JPEG files with a table: `curate.source=DIR curate.labels=…`."""
    source = shared_data / "fundus_odir_sample"
    done = medfm(
        "run", "quickstart", *SMALL, f"curate.source={source}", "curate.labels=labels.csv",
        "--json", cwd=tmp_path, timeout=8 * MINUTES,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    metrics = done.json["metrics"]
    assert metrics["curate"]["labelled"] > 100
    assert (tmp_path / done.json["artefacts"]["export.bundle"] / "model.onnx").is_file() or (
        tmp_path / done.json["run_dir"] / done.json["artefacts"]["export.bundle"] / "model.onnx"
    ).is_file()


def test_no_process_is_left_behind(place: Path, passage: Ended) -> None:
    """Nothing that the killed pipeline started still works in its folder."""
    mine = [
        path
        for path in Path("/proc").glob("[0-9]*/cwd")
        if path.parent.name != str(os.getpid()) and readlink(path) == str(place)
    ]
    assert mine == []


def readlink(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""

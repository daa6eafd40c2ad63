"""Nothing heavy is imported before there is work (how long it takes: benchmarks/startup.py)."""

import sys
from pathlib import Path

import pytest
from executable import Executable

HEAVY = (
    "torch", "torchvision", "timm", "monai", "transformers", "accelerate", "numpy", "scipy",
    "sklearn", "pandas", "pyarrow", "pydicom", "PIL", "nibabel", "matplotlib", "onnx",
    "onnxruntime", "jinja2",
)  # fmt: skip

HARNESS = """
import atexit, sys
heavy = sys.argv.pop(1).split(",")
loaded = lambda: print("LOADED", *sorted(set(heavy) & set(sys.modules)), file=sys.stderr)
atexit.register(loaded)
sys.argv[0] = "medfm"
from medfm_cli.cli.app import main
main()
"""

COMMANDS: list[tuple[tuple[str, ...], int]] = [
    (("--help",), 0),
    (("--version",), 0),
    (("run", "--help"), 0),
    (("curate", "--help"), 0),
    (("pretrain", "--help"), 0),
    (("finetune", "--help"), 0),
    (("eval", "--help"), 0),
    (("export", "--help"), 0),
    (("predict", "--help"), 0),
    (("doctor", "--help"), 0),
    (("recipes", "ls"), 0),
    (("recipes", "show", "pretrain/mae-tiny"), 0),
    (("pretrian",), 2),
    (("pretrain", "mae-tinny"), 2),
    (("pretrain", "wrong.yaml"), 2),
    (("run", "wrong.yaml"), 2),
]


@pytest.mark.parametrize(("arguments", "code"), COMMANDS, ids=lambda value: str(value))
def test_no_heavy_import(
    medfm: Executable, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    (tmp_path / "wrong.yaml").write_text("no-such-key: 1\n")
    done = medfm(
        "-c", HARNESS, ",".join(HEAVY), *arguments, command=(sys.executable,), cwd=tmp_path
    )
    assert done.code == code, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("verb", ["curate", "pretrain", "finetune", "eval", "export", "run"])
def test_a_schema_needs_no_training_library(medfm: Executable, verb: str) -> None:
    torch_like = ",".join(name for name in HEAVY if name not in ("numpy", "PIL"))
    done = medfm("-c", HARNESS, torch_like, "schema", verb, command=(sys.executable,))
    assert done.code == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED"

"""No library that medfm uses sends telemetry, in the executable and where medfm is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
CODE = """
import os, sys
import {}
assert not set(sys.modules) & set(("onnxruntime", "huggingface_hub", "transformers")), "too late"
print(*(os.environ.get(name) for name in sys.argv[1:]))
"""
VARIABLES = (*NAMES, "HF_HUB_OFFLINE")


@pytest.mark.parametrize("module", ["medfm_cli", "medfm_cli.cli.app", "medfm_cli.inference"])
@pytest.mark.parametrize(
    "given",
    [{}, dict.fromkeys(NAMES, "0"), {"HF_HUB_OFFLINE": "1"}],
    ids=["unset", "enabled", "offline"],
)
def test_telemetry_is_off_before_a_library_is_imported(module: str, given: dict[str, str]) -> None:
    kept = {key: os.environ[key] for key in os.environ if key not in VARIABLES}
    code = [sys.executable, "-c", CODE.format(module), *VARIABLES]
    output = subprocess.check_output(code, env=kept | given, text=True)
    assert output.split() == ["1", "1", "1", given.get("HF_HUB_OFFLINE", "None")]


def test_onnx_runtime_knows_the_variable() -> None:
    import onnxruntime

    libraries = Path(onnxruntime.__file__).parent.rglob("*onnxruntime*.so*")
    assert any(b"ORT_DISABLE_TELEMETRY" in path.read_bytes() for path in libraries)


def test_the_hub_reads_the_variable() -> None:
    code = "import medfm_cli; from huggingface_hub import constants as c; print(c.{0})"
    line = [sys.executable, "-c", code.format("HF_HUB_DISABLE_TELEMETRY")]
    assert subprocess.check_output(line, text=True) == "True\n"

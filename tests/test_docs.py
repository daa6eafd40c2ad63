"""What the documentation says is so: commands exist, links lead somewhere, recipes run."""

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from executable import Executable

from medfm_cli.errors import ExitCode

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

# What a placeholder of the documentation stands for in the tests.
STAND_INS = {
    "DIR": "images",
    "FILE.npz": "set.npz",
}


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Every `medfm …` line in the code blocks of a page, as words."""
    found = []
    for block in blocks(page):
        for line in block.replace("\\\n", " ").splitlines():
            text = re.sub(r"^(\$ |[\d*]+ [\d*]+ \* \* \*\s+.*&& |    (?=medfm))", "", line)
            text = text.removeprefix(".venv/bin/")
            if text.startswith("medfm ") and "…" not in text and "[OPTIONS]" not in text:
                words = shlex.split(text, comments=True)
                found.append(list(itertools.takewhile(lambda word: word not in "|>", words)))
    return found


COMMANDS = [
    pytest.param(page, words, id=f"{page.name}: {' '.join(words)}")
    for page in PAGES
    for words in commands(page)
]


def test_the_reference_is_current() -> None:
    """Every command, option and recipe key is in docs/cli.md: it is made from the program."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text("utf-8")
    assert re.findall(r"^\| \*\*(\d+)\*\*", text, re.MULTILINE) == [str(int(c)) for c in ExitCode]


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if target.startswith(("http:", "https:")):
            continue
        assert not path or (page.parent / path).exists(), target
        if anchor:
            linked = (page.parent / path if path else page).read_text("utf-8")
            headings = re.findall(r"^#+ (.*)$", linked, re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


@each_page
def test_pages_name_no_machine(page: Path) -> None:
    assert not re.search(r"/(?:root|work|home/\w+|tmp)/", page.read_text("utf-8"))


def test_the_readme_names_every_verb(medfm: Executable) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    listed = medfm("--help").stdout.partition("Commands:")[2].split("\n")
    for name in [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]:
        assert re.search(rf"`(medfm )?{name}`", readme), name


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for page in PAGES:
        for target in re.findall(r"\bmake ([a-z]+)\b", " ".join(blocks(page))):
            assert re.search(rf"^{target}( \w+)*:", makefile, re.MULTILINE), (page.name, target)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the commands of the documentation make sense."""
    import numpy as np
    from PIL import Image

    root = tmp_path_factory.mktemp("workplace")
    (root / "images").mkdir()
    rows = ["file,label,patient"]
    generator = np.random.default_rng(0)
    for number in range(12):
        pixels = generator.integers(0, 255, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        rows.append(f"{number}.png,{'ab'[number % 2]},p{number}")
    for folder in (root, root / "images"):
        (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    for name in ("ptbxl_database.csv", "Outcomes-a.csv"):  # of recipes for one layout
        (root / name).write_text("\n".join(rows) + "\n")
    arrays = {
        f"{split}_{kind}": generator.integers(0, 2 if kind == "labels" else 255, shape).astype(
            np.uint8
        )
        for split in ("train", "val", "test")
        for kind, shape in (("images", (6, 28, 28)), ("labels", (6, 1)))
    }
    np.savez(root / "set.npz", **arrays)
    return root


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_a_documented_command_is_right(
    page: Path, words: list[str], medfm: Executable, workplace: Path
) -> None:
    """It parses, its recipe and keys exist; where the data are there, its plan is made.

    Data that a reader would have made before are missing here: then the answer is 3, and nothing
    but that is wrong.
    """
    arguments = [stand_in(word) for word in words[1:]]
    if arguments[0] in ("recipes", "schema", "doctor"):
        (workplace / "my.yaml").unlink(missing_ok=True)
        (workplace / "mine.yaml").unlink(missing_ok=True)
        done = medfm(*arguments, cwd=workplace)
        assert done.code == 0, done.stderr
        return
    if arguments[0] == "predict":
        done = medfm(*arguments, cwd=workplace)
        assert done.code == ExitCode.DATA, done.stderr
        return
    for name in ("my.yaml", "mine.yaml", "nightly.yaml", "pipeline.yaml"):
        base = (
            "run/quickstart" if name in ("nightly.yaml", "pipeline.yaml") else "pretrain/mae-tiny"
        )
        (workplace / name).write_text(f"extends: {base}\n")
    done = medfm(*arguments, "--dry-run", cwd=workplace)
    assert done.code in (ExitCode.DONE, ExitCode.DATA), done.stderr
    if done.code == ExitCode.DATA:
        assert re.search(r"'(runs/|DATASET|MODEL|medmnist)", done.stderr), done.stderr


def test_the_python_of_the_dataset_page_works(tmp_path: Path) -> None:
    from toy_data import balanced, toy_dataset

    toy_dataset(tmp_path / "runs" / "curate-dicom" / "dataset", balanced())
    text = (ROOT / "docs" / "dataset.md").read_text("utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    code += "\nassert next(iter(pairs))['png'].shape == image.shape"
    done = subprocess.run(
        [sys.executable, "-c", code.replace("{00000..00003}", "00000")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_python_of_the_walkthrough_works(tmp_path: Path) -> None:
    from toy_data import balanced, toy_dataset

    toy_dataset(tmp_path / "runs" / "curate-dicom" / "dataset", balanced())
    text = (ROOT / "docs" / "curate-walkthrough.md").read_text("utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_pictures_of_the_documentation_are_small() -> None:
    for picture in (ROOT / "docs" / "images").iterdir():
        assert picture.stat().st_size < 300_000, picture.name


def stand_in(word: str) -> str:
    key, equals, value = word.rpartition("=")
    return f"{key}{equals}{STAND_INS.get(value, value)}"

"""The completion scripts in the real shells, as far as they are installed."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
COMPLETIONS = REPOSITORY / "completions"

CASES = [
    # What is typed before the tab, and what stands there afterwards.
    ("medfm pretr", "medfm pretrain "),
    ("medfm recipes sh", "medfm recipes show "),
    ("medfm recipes show run/quick", "medfm recipes show run/quickstart "),
    ("medfm recipes ls pretr", "medfm recipes ls pretrain "),
    ("medfm schema finet", "medfm schema finetune "),
    ("medfm run --dry", "medfm run --dry-run "),
    ("medfm run --out no-such-dir --dry", "medfm run --out no-such-dir --dry-run "),
    ("medfm run quicks", "medfm run quickstart "),
    ("medfm pretrain mae-ti", "medfm pretrain mae-tiny "),
    ("medfm pretrain mine", "medfm pretrain mine.yaml "),
    (
        "medfm pretrain --processes 2 mae-tiny -q objective.mask_r",
        "medfm pretrain --processes 2 mae-tiny -q objective.mask_ratio=",
    ),
    ("medfm pretrain mae-tiny objective.mask_r", "medfm pretrain mae-tiny objective.mask_ratio="),
    ("medfm finetune probe mode=f", "medfm finetune probe mode=full "),
    ("medfm finetune probe data=fold", "medfm finetune probe data=folder/"),
    (
        "medfm run quickstart pretrain.objective.mask_r",
        "medfm run quickstart pretrain.objective.mask_ratio=",
    ),
    ("medfm run quickstart full.mode=pro", "medfm run quickstart full.mode=probe "),
    ("medfm run mypipe.yaml second.label_sm", "medfm run mypipe.yaml second.label_smoothing="),
    ("medfm predict folder/im", "medfm predict folder/image.png "),
    ("medfm doctor --js", "medfm doctor --json "),
]
each_case = pytest.mark.parametrize(("typed", "done"), CASES, ids=[typed for typed, _ in CASES])


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not installed")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with files to complete, in which neither Python nor medfm is on the PATH."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "image.png").touch()
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "mypipe.yaml").write_text(
        "description: x\nfirst:\n  verb: curate\n  source: .\nsecond: {verb: finetune, data: x}\n"
        "third:\n  {data: x, verb: eval}\npretrain:\n  epochs: 1  # verb: none\n"
    )
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    """Tools of the shells only: a completion that starts Python fails."""
    tools = place / "bin"
    tools.mkdir(exist_ok=True)
    for name in ("awk", "cut", "sort", "grep", "uniq", "cat", "ls", "sed", "tr"):
        if (found := shutil.which(name)) and not (tools / name).exists():
            (tools / name).symlink_to(found)
    return {"PATH": str(tools), "HOME": str(place), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def on_a_terminal(command: list[str], setup: str, typed: str, place: Path) -> str:
    """The line that stands in an interactive shell after a tab.

    The line is then made the argument of an echo, between marks, and run.
    """
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment(place),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    try:
        os.write(leader, f"{setup}; PS1='> '; echo REA''DY\n".encode())
        wait_for(leader, "READY")
        os.write(leader, f"{typed}\t".encode())
        time.sleep(0.1)
        os.write(leader, b"\x01echo 'MARK<\x05>MA''RK'\n")
        shown = wait_for(leader, ">MARK")
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    found = re.findall(r"^MARK<(.*)>MARK", shown.replace("\r", ""), re.MULTILINE)
    assert found, shown
    return str(found[-1])


def wait_for(leader: int, word: str, seconds: float = 20) -> str:
    shown, end = "", time.monotonic() + seconds
    while word not in shown:
        ready, _, _ = select.select([leader], [], [], max(0, end - time.monotonic()))
        assert ready, f"no {word!r} in {shown!r}"
        shown += os.read(leader, 65536).decode("utf-8", "replace")
    return shown


@needs("bash")
@each_case
def test_bash(place: Path, typed: str, done: str) -> None:
    command = [str(shutil.which("bash")), "--norc", "--noprofile", "-i"]
    setup = f"source {COMPLETIONS / 'medfm.bash'}; bind 'set bell-style none'"
    assert on_a_terminal(command, setup, typed, place) == done


@needs("zsh")
@each_case
def test_zsh(place: Path, typed: str, done: str) -> None:
    command = [str(shutil.which("zsh")), "-f", "-i"]
    setup = (
        f"fpath=({COMPLETIONS} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; "
        "bindkey -e"
    )
    shown = on_a_terminal(command, setup, typed, place)
    assert shown == done.rstrip(" /"), "zsh takes back its space or slash when the cursor moves on"


@needs("fish")
@each_case
def test_fish(place: Path, typed: str, done: str) -> None:
    offered = fish(place, typed)
    expected = done.rstrip().rpartition(" ")[2]
    assert offered == [expected]


def fish(place: Path, typed: str) -> list[str]:
    script = f"source {COMPLETIONS / 'medfm.fish'}; complete -C '{typed}'"
    done = subprocess.run(
        [str(shutil.which("fish")), "--no-config", "-c", script],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def bash(place: Path, typed: str) -> list[str]:
    """What bash is offered, without a terminal."""
    script = f"""
source {COMPLETIONS / "medfm.bash"}
COMP_LINE='{typed}' COMP_POINT={len(typed)} COMP_WORDBREAKS=$' \\t\\n=:'
_medfm
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [str(shutil.which("bash")), "--norc", "-c", script],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


LISTS = [
    ("medfm ", {"run", "curate", "pretrain", "finetune", "eval", "export", "predict", "doctor"}),
    ("medfm recipes ", {"ls", "show", "cp"}),
    ("medfm pretrain ", {"mae-tiny", "mae", "mine.yaml"}),
    ("medfm pretrain mae-tiny ", {"data=", "objective.mask_ratio=", "backbone.name=", "seed="}),
    ("medfm finetune probe mode=", {"probe", "full"}),
    ("medfm run quickstart ", {"curate.source=", "pretrain.epochs=", "full-random.mode=", "seed="}),
    (
        "medfm run mypipe.yaml ",
        {"first.source=", "second.mode=", "third.folds=", "pretrain.epochs="},
    ),
    ("medfm curate dicom --", {"--out", "--dry-run", "--json", "--force", "--help"}),
    ("medfm schema ", {"curate", "run", "run/quickstart"}),
]


@pytest.mark.parametrize(("typed", "expected"), LISTS, ids=[typed for typed, _ in LISTS])
@pytest.mark.parametrize("shell", [pytest.param("bash", marks=needs("bash")), pytest.param("fish", marks=needs("fish"))])  # fmt: skip  # noqa: E501
def test_everything_that_fits_is_offered(
    place: Path, shell: str, typed: str, expected: set[str]
) -> None:
    offered = {"bash": bash, "fish": fish}[shell](place, typed)
    if shell == "fish" and typed.endswith("="):
        offered = [word.partition("=")[2] for word in offered]
    assert expected <= set(offered)
    assert len(offered) == len(set(offered)), "nothing is offered twice"


@pytest.mark.parametrize("name", ["medfm.bash", "_medfm", "medfm.fish"])
def test_the_scripts_are_current(name: str) -> None:
    """As the generator would write them now."""
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "generate.py"), "completions", "--check"],
        capture_output=True,
        text=True,
    )
    assert f"completions/{name}" not in done.stderr

"""What goes to stdout and what to stderr, and in which form."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from executable import Ended, Executable

from medfm_cli.errors import ExitCode

Count = Callable[..., Ended]
ANSI = "\x1b["


def test_stdout_is_the_run_directory_and_nothing_else(count: Count, tmp_path: Path) -> None:
    done = count()
    assert re.fullmatch(r"runs/toy-count-[0-9a-f]{8}\n", done.stdout)
    assert "Counted to 3." in done.stderr
    assert "report: runs/" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        ((), 0, None),
        (("--dry-run",), 0, None),
        (("end=failed",), 1, "failed"),
        (("unitz=3", "rate=no"), 2, "recipe"),
        (("--unknown",), 2, "usage"),
        (("end=data",), 3, "data"),
        (("end=missing",), 4, "environment"),
        (("end=gate",), 5, "gate"),
        (("end=bug",), 70, "bug"),
    ],
)
def test_json_is_one_document_whatever_happens(
    count: Count, arguments: tuple[str, ...], code: int, kind: str | None
) -> None:
    done = count(*arguments, "--json")
    assert done.code == code
    document = done.json
    assert document["exit_code"] == code
    assert document.get("error", {}).get("kind") == kind
    if kind:
        assert set(document["error"]) >= {"kind", "message"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("recipes", "ls", "--json"),
        ("recipes", "ls", "nope", "--json"),
        ("recipes", "show", "nope", "--json"),
        ("doctor", "--json"),
        ("schema", "run"),
        ("run", "no-such-recipe", "--json"),
        ("no-such-command", "--json"),
    ],
)
def test_json_of_every_command(medfm: Executable, arguments: tuple[str, ...]) -> None:
    done = medfm(*arguments)
    document = done.json
    if arguments[0] != "schema":
        assert document["exit_code"] == done.code


def test_json_of_a_recipe_error_carries_every_place(count: Count) -> None:
    problems = count("unitz=3", "rate=no", "--json").json["error"]["problems"]
    assert [(p["file"], p["key"], p["fix"]) for p in problems] == [
        ("override 'rate=no'", "rate", None),
        ("override 'unitz=3'", "unitz", "did you mean 'units'?"),
    ]


def test_json_holds_no_nan(count: Count) -> None:
    done = count("--json")
    metrics = json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))["metrics"]
    assert metrics == {"counted": 3, "not_a_number": None}


def test_quiet_says_nothing_when_all_is_well(count: Count) -> None:
    done = count("--quiet")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")  # or cron sends a mail each night
    assert count("-q", "--force").stderr == ""


def test_quiet_still_says_what_went_wrong(count: Count) -> None:
    done = count("--quiet", "end=data")
    assert done.stderr == "error: there is no image in 'here'\n  → give another folder\n"


@pytest.mark.parametrize(
    "arguments", [("--help",), ("toy", "--help"), ("recipes", "ls"), ("nope",), ("doctor",)]
)
def test_no_ansi_in_a_pipe(toy: Executable, arguments: tuple[str, ...]) -> None:
    done = toy(*arguments)
    assert ANSI not in done.stdout + done.stderr


def test_no_ansi_from_a_run_in_a_pipe(count: Count) -> None:
    done = count("-v")
    assert ANSI not in done.stdout + done.stderr


def on_a_terminal(command: tuple[str, ...], environment: dict[str, str], folder: Path) -> str:
    """What a command shows when stderr is a terminal."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += (piece := os.read(leader, 65536))
        except OSError:  # the terminal is gone with the last process that held it
            break
        if not piece:
            break
    os.close(leader)
    process.communicate(timeout=30)
    assert process.returncode == 0
    return shown.decode()


def test_colours_on_a_terminal_unless_no_color(
    toy: Executable, count: Count, tmp_path: Path
) -> None:
    command = (*toy.command, "toy", "count.yaml")
    environment = toy.environment | {"TERM": "xterm-256color"}
    coloured = on_a_terminal(command, environment, tmp_path)
    assert "\x1b[1m" in coloured
    assert "3/3" in coloured
    plain = on_a_terminal((*command, "--force"), environment | {"NO_COLOR": "1"}, tmp_path)
    assert not re.findall(r"\x1b\[[0-9;]*m", plain)
    assert "Counted to 3." in plain


@pytest.mark.parametrize("arguments", [("recipes", "ls"), ("schema", "run"), ("--help",)])
def test_a_reader_that_goes_away_is_no_bug(medfm: Executable, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [*medfm.command, *arguments],
        env=medfm.environment,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )
    os.close(writer)
    assert process.stderr == ""
    assert process.returncode in (ExitCode.READER_GONE, 1), "1 is click's, for --help"


def test_a_full_stdout_is_told(medfm: Executable) -> None:
    done = medfm("-c", '"$0" recipes ls > /dev/full', *medfm.command, command=("bash",))
    assert done.code == 4
    assert done.stderr.startswith("error: there is no room left to write")


def test_a_terminal_that_goes_away_does_not_end_the_run(
    toy: Executable, count: Count, tmp_path: Path
) -> None:
    shell = '"$0" toy count.yaml 2> >(exec true)'
    done = toy("-c", f"{shell}; exit $?", *toy.command, command=("bash",), cwd=tmp_path)
    assert done.code == 0
    assert (tmp_path / done.stdout.strip() / "DONE").is_file()


def test_version(medfm: Executable) -> None:
    from medfm_cli import __version__

    assert medfm("--version") == Ended(0, f"medfm {__version__}\n", "")


def test_no_arguments_shows_the_help(medfm: Executable) -> None:
    done = medfm()
    assert done.code == 2
    assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pretrian",), "did you mean 'pretrain'?"),
        (("recipes", "shw"), "did you mean 'show'?"),
        (("recipes", "show", "run/quikstart"), "did you mean 'run/quickstart'?"),
        (("run", "quikstart"), "did you mean 'quickstart'?"),
        (("schema", "pretrian"), "did you mean 'pretrain'?"),
    ],
)
def test_unknown_words_get_a_suggestion(
    medfm: Executable, arguments: tuple[str, ...], said: str
) -> None:
    done = medfm(*arguments)
    assert done.code == 2
    assert done.stdout == ""
    assert said in done.stderr

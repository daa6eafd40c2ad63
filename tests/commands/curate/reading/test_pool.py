"""Workers that crash, hang or are told to stop: no other file suffers."""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from curate_files import crash_on_bad, hang_on_bad, picture

from medfm_cli.commands.curate.deidentify.pseudonyms import PUBLIC_KEY, Pseudonyms
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.reading import pool as pool_module
from medfm_cli.commands.curate.reading.pool import Pool, Work
from medfm_cli.commands.curate.reading.staging import Entry, RejectedRecord, Staging, WorkUnit
from medfm_cli.commands.curate.reading.worker import SourceConfig, WorkerConfig, read_unit
from medfm_cli.data import Cutting
from medfm_cli.errors import Stopped
from medfm_cli.readers import ReadOptions


def units(root: Path, *names: str, per: int = 3) -> list[WorkUnit]:
    for number, name in enumerate(names):
        picture(root / f"{name}.png", number)
    entries = [Entry(n, n, 0, name, str(root / f"{name}.png"), 999) for n, name in enumerate(names)]
    return [
        WorkUnit(number, tuple(entries[i : i + per]))
        for number, i in enumerate(range(0, len(entries), per))
    ]


def settings(folder: Path, *, seconds: int = 60) -> WorkerConfig:
    folder.mkdir(exist_ok=True)
    return WorkerConfig(
        folder=str(folder),
        mark="m",
        blocks=(SourceConfig((), ReadOptions(), Cutting()),),
        quality=Quality(seconds=seconds),
        deidentify=Deidentify(),
        pseudonyms=Pseudonyms(PUBLIC_KEY),
    )


def refusals(folder: Path, work: list[WorkUnit]) -> dict[str, str]:
    staging = Staging(folder, "m")
    names = {entry.index: entry.name for unit in work for entry in unit.entries}
    rows = [row for unit in work for row in staging.load(unit.number)]
    refused = [row for row in rows if isinstance(row, RejectedRecord)]
    assert len(rows) == len(names)
    return {names[row.entry]: row.reason for row in refused}


def run(folder: Path, todo: list[WorkUnit], made: WorkerConfig, work: Work) -> list[int]:
    done: list[int] = []
    Pool(
        made,
        workers=2,
        check_stop=lambda: None,
        done=lambda unit, *_: done.append(unit.number),
        work=work,
    ).run(todo)
    return done


def test_a_file_that_crashes_its_reader_is_left_out_alone(tmp_path: Path) -> None:
    todo = units(tmp_path, "a", "bad1", "c", "d", "e", "f", "bad2", "h", "bad3")
    done = run(tmp_path / "staging", todo, settings(tmp_path / "staging"), crash_on_bad)
    reason = "reading it crashed the process that read it"
    assert refusals(tmp_path / "staging", todo) == dict.fromkeys(("bad1", "bad2", "bad3"), reason)
    assert sorted(done) == [0, 1, 2]


def test_a_file_that_hangs_is_left_out_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "GRACE", 1.0)
    todo = units(tmp_path, "a", "bad1", "c", "d")
    made = settings(tmp_path / "staging", seconds=1)
    started = time.monotonic()
    run(tmp_path / "staging", todo, made, hang_on_bad)
    assert time.monotonic() - started < 40
    reason = "reading it took too long and had to be killed"
    assert refusals(tmp_path / "staging", todo) == {"bad1": reason}


def test_a_slow_reader_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, where the reader can be replaced by one that takes its time."""
    (todo,) = units(tmp_path, "a", "b", "c")
    real = pool_module.read_unit.__globals__["sniff"]

    def slow(path: Path, *rest: object) -> object:
        if path.name == "b.png":
            time.sleep(30)
        return real(path, *rest)

    monkeypatch.setitem(pool_module.read_unit.__globals__, "sniff", slow)
    before = signal.getsignal(signal.SIGALRM)
    assert read_unit(todo, settings(tmp_path / "staging", seconds=1)) == (2, 1)
    assert signal.getsignal(signal.SIGALRM) is before
    assert refusals(tmp_path / "staging", [todo]) == {"b": "reading took more than 1 seconds"}


def test_a_reader_with_a_bug_costs_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (todo,) = units(tmp_path, "a", "b")

    def buggy(path: Path, *_: object) -> object:
        raise KeyError("Mueller^Hans")

    monkeypatch.setitem(pool_module.read_unit.__globals__, "sniff", buggy)
    read_unit(todo, settings(tmp_path / "staging"))
    reason = "the reader failed (KeyError)"
    assert refusals(tmp_path / "staging", [todo]) == {"a": reason, "b": reason}


def test_a_stop_leaves_finished_units_and_no_process(tmp_path: Path) -> None:
    todo = units(tmp_path, *[f"f{i}" for i in range(12)], per=1)
    finished: list[int] = []

    def check() -> None:
        if finished:
            raise Stopped(signal.SIGTERM)

    made = settings(tmp_path / "staging")
    pool = Pool(
        made, workers=2, check_stop=check, done=lambda unit, *_: finished.append(unit.number)
    )
    with pytest.raises(Stopped):
        pool.run(todo)
    staging = Staging(tmp_path / "staging", "m")
    assert all(staging.is_done(todo[number], packed=False) for number in finished)
    left = [unit for unit in todo if not staging.is_done(unit, packed=False)]
    run(tmp_path / "staging", left, made, read_unit)
    assert refusals(tmp_path / "staging", todo) == {}


def test_a_file_larger_than_allowed_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never opened")
    entry = Entry(0, 0, 0, "big", str(tmp_path / "never opened"), 5 << 30)
    read_unit(WorkUnit(0, (entry,)), settings(tmp_path / "staging"))
    assert refusals(tmp_path / "staging", [WorkUnit(0, (entry,))]) == {
        "big": "a file of more than 2048 MB"
    }


def test_a_file_that_vanished_is_no_refusal_but_a_failure_of_the_source(tmp_path: Path) -> None:
    (todo,) = units(tmp_path, "a", "b")
    made = settings(tmp_path / "staging")
    (tmp_path / "b.png").rename(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="no longer there") as caught:
        read_unit(todo, made)
    assert caught.value.errno == errno.ESTALE
    assert not Staging(tmp_path / "staging", "m").is_done(todo, packed=False)
    (tmp_path / "elsewhere").rename(tmp_path / "b.png")
    assert read_unit(todo, made) == (2, 0)  # the next try reads all of it


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT])
def test_a_disk_that_fails_is_a_failure_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The file is still listed: the error itself says that its content was not seen."""
    (todo,) = units(tmp_path, "a")

    def failing(path: Path, *_: object) -> object:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setitem(pool_module.read_unit.__globals__, "sniff", failing)
    with pytest.raises(OSError, match="no longer there"):
        read_unit(todo, settings(tmp_path / "staging"))


def test_a_group_is_not_read_from_what_is_left_of_it(tmp_path: Path) -> None:
    """A reader may do without a companion that never was; not without one that was listed."""
    first = picture(tmp_path / "a.png")
    entry = Entry(0, 0, 0, "a", str(first), 9, others=(str(tmp_path / "gone.png"),))
    with pytest.raises(OSError, match="no longer there"):
        read_unit(WorkUnit(0, (entry,)), settings(tmp_path / "staging"))


def test_a_unit_of_other_files_does_not_count(tmp_path: Path) -> None:
    """It was grouped while its source went away."""
    (todo,) = units(tmp_path, "a", "b")
    read_unit(todo, settings(tmp_path / "staging"))
    staging = Staging(tmp_path / "staging", "m")
    other = replace(todo, entries=(replace(todo.entries[0], key="f00"), todo.entries[1]))
    assert staging.is_done(todo, packed=False)
    assert not staging.is_done(other, packed=False)


def test_units_of_other_settings_do_not_count(tmp_path: Path) -> None:
    (todo,) = units(tmp_path, "a")
    read_unit(todo, settings(tmp_path / "staging"))
    assert Staging(tmp_path / "staging", "m").is_done(todo, packed=False)
    assert not Staging(tmp_path / "staging", "other").is_done(todo, packed=False)
    Staging(tmp_path / "staging", "m").drop_payloads()
    assert Staging(tmp_path / "staging", "m").is_done(todo, packed=True)
    assert not Staging(tmp_path / "staging", "m").is_done(todo, packed=False)

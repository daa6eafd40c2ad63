"""What `auto` becomes: within the container's limits, and with a reason that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfm_cli.data import auto as choices
from medfm_cli.data.auto import choose_cache, choose_workers
from medfm_cli.runs import machine


def test_a_small_set_is_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "available_memory", lambda: 1_000_000_000)
    cached = choose_cache("auto", nbytes=50_000_000, world=2)
    assert (cached.value, cached.why) == (True, "decoded images take 50 MB of 50 MB allowed")
    assert choose_cache("auto", nbytes=50_000_001, world=2).value is False
    assert choose_cache(True, nbytes=10**12, world=1).value is True
    assert choose_cache(False, nbytes=1, world=1).value is False


@pytest.mark.parametrize(
    ("cpus", "world", "shared", "workers"),
    [
        (1, 1, None, 1),
        (2, 1, None, 1),
        (4, 1, None, 3),
        (64, 1, None, 8),
        (16, 4, None, 3),
        (2, 4, None, 1),
        (16, 1, 10**9, 8),
        (16, 1, 64 << 20, 3),  # what docker gives
        (16, 2, 64 << 20, 1),
        (16, 1, 10 << 20, 0),
    ],
)
def test_workers_fit_the_machine(
    monkeypatch: pytest.MonkeyPatch, cpus: int, world: int, shared: int | None, workers: int
) -> None:
    monkeypatch.setattr(choices, "usable_cpus", lambda: cpus)
    monkeypatch.setattr(choices, "free_shared_memory", lambda: shared)
    found = choose_workers("auto", cached=False, batch_bytes=3_000_000, world=world)
    assert found.value == workers
    assert found.why


def test_workers_as_asked_unless_there_is_nothing_to_decode() -> None:
    assert choose_workers(5, cached=False, batch_bytes=1, world=1).value == 5
    assert choose_workers(5, cached=True, batch_bytes=1, world=1).value == 0


def files(root: Path, values: dict[str, str]) -> None:
    for name, text in values.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "limits",
    [
        {"cpu.max": "150000 100000\n", "memory.max": "3000\n", "memory.current": "1000\n"},
        {
            "cpu/cpu.cfs_quota_us": "150000",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "3000",
            "memory/memory.usage_in_bytes": "1000",
        },
    ],
)
def test_a_containers_limits_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, str]
) -> None:
    files(tmp_path, limits)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert machine.usable_cpus() == 2
    assert machine.available_memory() == 2000


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"cpu.max": "max 100000\n", "memory.max": "max\n", "memory.current": "1000\n"},
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        {"cpu.max": "nonsense"},
    ],
)
def test_no_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, str]) -> None:
    files(tmp_path, limits)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert machine.usable_cpus() == 3
    assert machine.available_memory() > 1 << 20

"""What every test may use: real data, the real executable, and no network.

The environment is fixed before any library is imported: one thread a process (several test
processes share the machine), no hub, no colours, no window size of the terminal around.
"""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent
INSIDE = TESTS / "inside"

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
for _name in (
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
    "MEDFM_WORKER_RUN_DIR",
):
    os.environ.pop(_name, None)
sys.path.insert(0, str(INSIDE))

import loopback  # noqa: E402
import pytest  # noqa: E402
from executable import Executable, clean_environment  # noqa: E402
from hypothesis import settings  # noqa: E402

loopback.only()
settings.register_profile("medfm", deadline=None, print_blob=True)
settings.load_profile("medfm")


LONGEST = (
    "commands/pretrain/test_resume.py",
    "commands/curate/test_kills.py",
    "commands/pretrain/test_tiny_recipes.py",
    "commands/pretrain/study/test_study.py",
    "commands/pretrain/test_launchers.py",
    "test_passage.py",
    "commands/curate/test_hostile.py",
    "commands/curate/test_fuzz.py",
    "commands/curate/test_incremental.py",
    "commands/curate/reading/test_dask.py",
    "commands/pretrain/test_kill.py",
    "commands/pretrain/test_sharding.py",
    "commands/pretrain/test_dino.py",
    "commands/pretrain/test_masked_recipes.py",
    "commands/curate/split/test_clients.py",
    "cli/test_run_directory.py",
    "cli/test_hostile_machine.py",
    "data/test_mixture.py",
    "cli/test_exit_codes.py",
    "training/test_distributed.py",
)
"""Files whose tests take long come first: a long one that begins last leaves a core idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the longest files to the front; the order within a file stays."""
    place = {TESTS / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; the test is skipped where it is absent."""
    root = Path(os.environ.get("MEDFM_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (root / "INDEX.md").is_file():
        pytest.skip("no shared data here (MEDFM_SHARED_DATA names the folder)")
    return root


@pytest.fixture(scope="session")
def medfm(tmp_path_factory: pytest.TempPathFactory) -> Executable:
    """The real executable, in processes of its own: `medfm("recipes", "ls")`."""
    home = tmp_path_factory.mktemp("home")
    return Executable(home, clean_environment(home))


@pytest.fixture(scope="session")
def toy(medfm: Executable) -> Executable:
    """The real executable with one more verb, `toy`, whose engine does what its recipe says."""
    return medfm.having(MEDFM_TEST_VERBS=str(TESTS / "cli" / "verbs"))

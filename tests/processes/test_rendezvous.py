"""Processes meet in one store, on a socket that was theirs from the beginning."""

import os
import sys
from pathlib import Path

from medfm_cli.processes.launch import launch

BODY = """
import os
from pathlib import Path
from medfm_cli.processes.rendezvous import meet
rank, store = os.environ["RANK"], meet()
store.set(f"from-{rank}", rank)
store.wait(["from-0", "from-1", "from-2"])
inherited = "MEDFM_STORE_SOCKET" in os.environ
Path(f"{os.environ['HERE']}/{rank}").write_text(f"{store.get('from-2').decode()} {inherited}")
store.set(f"done-{rank}", "")
store.wait(["done-0", "done-1", "done-2"])
"""


def test_three_processes_share_a_store(tmp_path: Path) -> None:
    assert launch([sys.executable, "-c", BODY], 3, os.environ | {"HERE": str(tmp_path)}) == 0
    assert [(tmp_path / rank).read_text() for rank in "012"] == ["2 False"] * 3

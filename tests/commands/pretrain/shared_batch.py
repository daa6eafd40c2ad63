"""What the processes of test_shared_batch.py do: train objectives and leave their gradients.

Arguments: a folder, and JSON with the name and options of each objective by a name of its own.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from objective_tools import train
from safetensors.torch import save_file


def main(folder: Path, objectives: dict[str, dict[str, Any]]) -> None:
    torch.set_num_threads(1)
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    for name, chosen in objectives.items():
        gradients = train(folder / name, chosen, rank=rank, world=world)
        save_file(gradients, folder / name / f"gradients-{rank}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))

"""Write the files that are made from the program itself: completions/ and the pages in docs/.

    scripts/generate.py [completions] [docs] [--check]

`--check` writes nothing and ends with 1 when a file is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generating import completions, reference
from generating.surface import surface

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Generate or check; gives the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated files.")
    parser.add_argument("what", nargs="*", choices=["completions", "docs", []], default=[])
    parser.add_argument("--check", action="store_true", help="only say which are not current")
    arguments = parser.parse_args()
    products = arguments.what or ["completions", "docs"]
    program = surface()
    files: dict[str, str] = {}
    if "completions" in products:
        files |= completions.files(program)
    if "docs" in products:
        files |= reference.files(program)
    stale = [name for name, text in files.items() if _read(ROOT / name) != text]
    if arguments.check:
        for name in stale:
            print(f"{name} is not current: make {name.split('/')[0]}", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(files[name], "utf-8")
        print(f"wrote {name}")
    return 0


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())

"""The shipped recipes, found by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from medfm_cli.errors import UsageError
from medfm_cli.recipe.problems import did_you_mean


@dataclass(frozen=True)
class Shipped:
    """A shipped recipe: its verb, its name (with its subfolder, if any) and its file."""

    verb: str
    name: str
    path: Path

    @property
    def full_name(self) -> str:
        """`verb/name`, as in `extends` and in commands."""
        return f"{self.verb}/{self.name}"

    @property
    def summary(self) -> str:
        """The recipe's description, else its first comment line that is not its command."""
        lines = self.path.read_text("utf-8").splitlines()
        texts = [
            line.partition(":")[2].strip() for line in lines if line.startswith("description:")
        ]
        comments = [line.lstrip("# ").strip() for line in lines if line.startswith("#")]
        texts += [text for text in comments if text and not text.startswith("medfm ")]
        return texts[0] if texts else ""


def root() -> Path:
    """The folder that holds the shipped recipes."""
    return Path(str(files("medfm_cli.recipes")))


def shipped(verb: str | None = None) -> list[Shipped]:
    """All shipped recipes, or those of one verb, by verb and name."""
    found = (_shipped(path) for path in sorted(root().glob("*/**/*.yaml")))
    return [recipe for recipe in found if verb in (None, recipe.verb)]


def _shipped(path: Path) -> Shipped:
    """`pretrain/scaling/tiny.yaml` is the recipe `scaling/tiny` of the verb pretrain."""
    verb, *name = path.relative_to(root()).with_suffix("").parts
    return Shipped(verb, "/".join(name), path)


def recipe_name(path: Path) -> str:
    """The name of a recipe file: `scaling-tiny` for the shipped `pretrain/scaling/tiny.yaml`."""
    return _shipped(path).name.replace("/", "-") if path.is_relative_to(root()) else path.stem


def find(name: str, verb: str | None = None) -> Shipped:
    """The shipped recipe of that name: `verb/name`, or `name` alone.

    Raises:
        UsageError: there is none, or the bare name fits several verbs.
    """
    candidates = shipped(verb)
    hits = [r for r in candidates if name in (r.full_name, r.name)]
    if len(hits) == 1:
        return hits[0]
    if hits:
        names = ", ".join(r.full_name for r in hits)
        raise UsageError(f"'{name}' is the name of several recipes", hint=f"choose one: {names}")
    known = [n for r in candidates for n in (r.full_name, r.name)]
    hint = did_you_mean(name, known) or "medfm recipes ls lists the shipped recipes"
    raise UsageError(f"there is no recipe '{name}', neither a file nor a shipped recipe", hint=hint)


def locate(recipe: str, verb: str | None = None, *, relative_to: Path | None = None) -> Path:
    """The file for a RECIPE argument or an `extends`: a path, or the name of a shipped one."""
    path = (relative_to or Path()) / recipe
    if recipe.endswith((".yaml", ".yml")) or path.is_file():
        if not path.is_file():
            known = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
            hint = did_you_mean(path.name, known) or "check the path"
            raise UsageError(f"there is no recipe file '{path}'", hint=hint)
        return path
    return find(recipe, verb).path

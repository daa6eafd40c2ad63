"""Docs, messages, docstrings and names use the words of CONTRIBUTING.md, "Names and prose"."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BANNED = {
    r"pictures?|pictured": "image, or figure in a report",
    r"films?": "video",
    r"(?<!heart )sounds": "audio",
    r"painted|painting|paintings|paints": "reconstruction, masked",
    r"told|tells": "reported, listed, configured; detected",
    r"asked|asks for": "requested, configured",
    r"whoever": "name the role, or 'if you …'",
    r"on two sides|on one side": "in more than one split, in one split",
    r"learnt": "learned, trained",
    r"goes on|go on|going on": "continues",
    r"the books|by heart|at hand": "counts; memorised; available",
    r"a second look|looked at once more": "confirmation, final check",
    r"befalls?|lest|withal|wherein|anew|nought|whither|hence": "plain English",
    r"is no (?:proof|claim|reproduction|image|picture|finished|readable|regular)": "is not a …",
}
"""Prose: regular expression → the words to use. Matched as whole words, without case."""

NAMES = {
    "Story": "ReportContext",
    "Entrant": "Candidate",
    "Contest": "EvaluationSetup",
    "Board": "ComparisonResult",
    "Trial": "ResamplingPlan",
    "Exam": "ProbeTask",
    "Onlooker": "EvalCallback",
    "Verdict": "…Comparison",
    "Judgement": "EvaluationResult",
    "told": "a noun of the domain",
    "tells": "a noun of the domain",
    "asked": "a noun of the domain",
    "said": "a noun of the domain",
    "wanted": "a noun of the domain",
    "taken": "a noun of the domain",
    "story": "context",
    "entrant": "candidate",
    "judge": "evaluate",
}
"""Identifiers that Python code does not define."""

PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks/README.md"]
    if page.name not in ("ARCHITECTURE.md", "CHANGELOG.md", "cli.md", "exit-codes.md")
)
"""Pages written by hand; what is generated follows the code."""

FOLDERS = sorted(
    str(folder.relative_to(ROOT))
    for root in ("medfm_cli", "commands")
    for folder in [ROOT / root, *(ROOT / root).glob("*/")]
    if not folder.is_symlink() and any(folder.rglob("*.py"))
)
PATTERN = re.compile(rf"(?<![\w/.-])(?:{'|'.join(BANNED)})(?![\w/-])", re.IGNORECASE)


def found_in(text: str) -> Iterator[str]:
    """The banned words of a text, each with what to write instead."""
    for match in PATTERN.finditer(text):
        use = next(use for word, use in BANNED.items() if re.fullmatch(word, match[0], re.I))
        yield f"'{match[0]}': write {use}"


def prose(page: Path) -> str:
    """A page without its code blocks, code spans and the list of words itself."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    if page.name == "CONTRIBUTING.md":
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("|", "- **")))
        text = text.split("it says that something happened")[0]
    return re.sub(r"`[^`]*`", "", text)


def problems(path: Path) -> Iterator[str]:
    """What a Python file says or names against the rules, with its line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            texts = list(found_in(re.sub(r"`[^`]*`", "", node.value)))
            yield from (f"{path.relative_to(ROOT)}:{line}: {text}" for text in texts)
        name = _defined(node)
        if name in NAMES:
            yield f"{path.relative_to(ROOT)}:{line}: {name}: use {NAMES[name]}"


def _defined(node: ast.AST) -> str:
    """The name that a node defines, if any."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.arg if isinstance(node, ast.arg) else ""


@cache
def problems_of(folder: str) -> list[str]:
    """The problems of a folder; of the top folders only their own files."""
    top = "/" not in folder
    files = (ROOT / folder).glob("*.py") if top else (ROOT / folder).rglob("*.py")
    return [problem for file in sorted(files) for problem in problems(file)]


def test_banned_words_are_found_and_parts_of_words_are_not() -> None:
    assert list(found_in("The Picture is told")) != []
    assert list(found_in("filming a picturesque retold story at docs/films")) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages(page: Path) -> None:
    assert list(found_in(prose(page))) == []


@pytest.mark.parametrize(
    "recipe", sorted((ROOT / "recipes").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes(recipe: Path) -> None:
    comments = re.findall(r"(?:^|\s)#.*|^description:.*", recipe.read_text("utf-8"), re.MULTILINE)
    assert list(found_in("\n".join(comments))) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_code(folder: str) -> None:
    assert problems_of(folder) == []

"""The report page: sections of blocks → one self-contained `report.html`.

The page needs no network, no script and no second file: images are data URIs, the style sheet is
inline, and a Content-Security-Policy forbids everything else. Whatever comes from data (file names,
labels) is escaped. The same input gives the same bytes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medfm_cli.runs.blocks import Cell, Figure, Section
from medfm_cli.runs.cells import (
    clean,
    duration,
    show_columns,
    show_value,
    split_caption,
    split_interval,
)

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

StageStatus = Literal["done", "up to date", "running", "failed", "stopped", "not run"]

ROW_LIMIT = 400  # rows of one table that a page shows; the whole table is in the run directory
_MIME = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}
_HEAVY_PNG = 200_000  # bytes from which an opaque PNG is tried as JPEG


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline, shown as a chapter of the pipeline's page.

    `root` is the stage's run directory, to which the figures of its sections are relative.
    """

    name: str
    verb: str
    status: StageStatus
    root: Path
    seconds: float | None = None
    summary: str = ""
    facts: Mapping[str, Cell] = field(default_factory=dict)
    sections: Sequence[Section] = ()


def render_page(
    root: Path,
    *,
    title: str,
    subtitle: str = "",
    verb: str,
    facts: Mapping[str, Cell],
    sections: Sequence[Section],
    stages: Sequence[Stage] = (),
    appendix: Mapping[str, str] | None = None,
) -> str:
    """Give the page's HTML; figures are read relative to `root`.

    `subtitle` is the summary paragraph under the title; `appendix` holds long plain texts (the
    resolved recipe, the environment) that are folded at the end, by their titles.
    """
    anchors = _Anchors()
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            subtitle=_paragraphs(subtitle),
            verb=verb,
            facts=facts,
            root=root,
            sections=[(anchors.next(section.title), section) for section in sections],
            stages=[
                (
                    anchors.next(stage.name),
                    stage,
                    [(anchors.next(f"{stage.name} {part.title}"), part) for part in stage.sections],
                )
                for stage in stages
            ],
            appendix=[(anchors.next(name), name, text) for name, text in (appendix or {}).items()],
        )
    )


class _Anchors:
    """Hands out readable element ids, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def next(self, title: str) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "part"
        free = (f"{slug}-{number}" if number > 1 else slug for number in count(1))
        anchor = next(name for name in free if name not in self._taken)
        self._taken.add(anchor)
        return anchor


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["paragraphs"] = _paragraphs
    environment.filters["markdown"] = _markdown
    environment.filters["value"] = show_value
    environment.filters["duration"] = duration
    environment.globals["data_uri"] = _data_uri
    environment.globals["columns"] = lambda table: show_columns(table, limit=ROW_LIMIT)
    environment.filters["split_interval"] = split_interval
    environment.filters["split_caption"] = split_caption
    return environment


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def _markdown(text: str) -> Markup:
    """Turn Markdown into HTML below the page's own headings; HTML inside it is escaped."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.disable(["image", "link", "autolink", "reference"])
    tokens = reader.parse(clean(text))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 3)}"
    # safe: markdown-it escapes every text, and html and links are off
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704


def _data_uri(figure: Figure, root: Path) -> str | None:
    """Give the figure as a data URI, or None where its file is missing."""
    path = root / str(figure.path)
    mime = _MIME.get(path.suffix.lower())
    if mime is None:
        raise ValueError(f"a figure is one of {', '.join(sorted(_MIME))}, not {path.name}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if mime == "image/png" and len(content) > _HEAVY_PNG:
        mime, content = _lighter(content)
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def _lighter(png: bytes) -> tuple[str, bytes]:
    """Re-encode a heavy opaque PNG as JPEG where that at least halves it."""
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(png)) as image:
        if image.mode not in ("L", "RGB"):
            return "image/png", png
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=88, optimize=True, progressive=True)
    jpeg = buffer.getvalue()
    return ("image/jpeg", jpeg) if len(jpeg) * 2 < len(png) else ("image/png", png)

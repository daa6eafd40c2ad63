"""The report page: complete in one file, safe with any text, the same for the same input."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medfm_cli.runs import page
from medfm_cli.runs.blocks import Callout, Document, Facts, Figure, Section, Table, Text
from medfm_cli.runs.page import Stage, render_page

HOSTILE = "<script>alert(1)</script>\n🫁 \"'&\u202egpj.exe\x1b[31m \udcff"
VOID = {"meta", "img", "br", "link", "input"}


class Reader(HTMLParser):
    """Collects tags, attributes and ids, and checks that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run directory with one figure of each kind."""
    folder = tmp_path / "figures"
    folder.mkdir()
    Image.new("L", (8, 8), 90).save(folder / "small.png")
    noise = np.random.default_rng(0).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize((30, 20)).resize((600, 400)))
    Image.fromarray(smooth // 2 + noise // 16).save(folder / "heavy.png")
    (folder / "chart.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return tmp_path


def sections() -> list[Section]:
    return [
        Section(
            HOSTILE,
            [
                Text(f"{HOSTILE}\n\nsecond paragraph"),
                Table([HOSTILE, "n"], [[HOSTILE, 12_345], ["x", None]], HOSTILE, bars=["n"]),
                Facts({HOSTILE: HOSTILE, "samples": 412}),
                Callout("warn", HOSTILE),
                Figure("figures/small.png", HOSTILE, HOSTILE),
            ],
        ),
        Section("Pictures", [Figure("figures/chart.svg", "a chart", "a line that falls")]),
        Section("Pictures", [Figure("figures/missing.png", "nothing")]),
    ]


def render(root: Path, **changes: object) -> str:
    arguments: dict[str, object] = {
        "title": HOSTILE,
        "subtitle": HOSTILE,
        "verb": "curate",
        "facts": {"samples": 412},
        "sections": sections(),
        "appendix": {"Recipe": HOSTILE},
    }
    return render_page(root, **(arguments | changes))  # type: ignore[arg-type]


def test_hostile_text_is_shown_and_never_obeyed(run_dir: Path) -> None:
    html = render(run_dir, stages=[Stage(HOSTILE, HOSTILE, "done", run_dir, 3.0, HOSTILE)])
    reader = read(html)
    assert "script" not in reader.tags
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 12
    assert "\x1b" not in html
    html.encode("utf-8")


def test_the_page_loads_nothing(run_dir: Path) -> None:
    html = render(run_dir)
    reader = read(html)
    assert not {"script", "link", "iframe", "object", "base"} & set(reader.tags)
    assert all(source.startswith("data:image/") for source in reader.values("src"))
    assert all(target.startswith("#") for target in reader.values("href"))
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in html


def test_links_of_the_contents_lead_somewhere(run_dir: Path) -> None:
    stage = Stage("curate", "curate", "done", run_dir, 12.0, sections=sections())
    reader = read(render(run_dir, stages=[stage, stage]))
    ids = reader.values("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in reader.values("href")} <= set(ids)


def test_the_same_input_gives_the_same_bytes(run_dir: Path) -> None:
    assert render(run_dir) == render(run_dir)


def test_stages_are_chapters_with_status_and_duration(run_dir: Path) -> None:
    stages = [
        Stage("curate", "curate", "up to date", run_dir, 187.0, "All read.", {"files": 172}),
        Stage("probe", "finetune", "failed", run_dir, 2.0),
        Stage("export", "export", "not run", run_dir),
    ]
    html = render(run_dir, stages=stages)
    assert "Stage 2 of 3 · finetune" in html
    assert html.count("3 min 07 s") == 2
    for status in ("up-to-date", "failed", "not-run"):
        assert html.count(f'class="state {status}"') == 2


def test_a_missing_figure_is_named(run_dir: Path) -> None:
    assert "This figure was not written: figures/missing.png" in render(run_dir)


def test_figures_of_a_stage_come_from_its_own_directory(run_dir: Path, tmp_path: Path) -> None:
    part = Section("s", [Figure("figures/small.png")])
    stage = Stage("curate", "curate", "done", run_dir, sections=[part])
    html = render(tmp_path / "elsewhere", sections=[], stages=[stage])
    assert "data:image/png" in html


def test_an_unknown_kind_of_picture_is_a_bug(run_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"\.svg.*not a\.bmp"):
        render(run_dir, sections=[Section("s", [Figure("a.bmp")])])


def test_heavy_pictures_get_lighter(run_dir: Path) -> None:
    html = render(run_dir, sections=[Section("s", [Figure("figures/heavy.png")])])
    assert "data:image/jpeg" in html
    assert len(html) < (run_dir / "figures/heavy.png").stat().st_size


def test_long_tables_scroll_and_are_cut(run_dir: Path) -> None:
    table = Table(["i"], [[number] for number in range(1234)])
    html = render(run_dir, sections=[Section("s", [table])])
    assert 'class="scroll tall" tabindex="0" role="region"' in html
    assert "The first 400 of 1234 rows." in html
    assert html.count("<tr>") == 401


def test_documents_are_drawn_and_hold_no_html_links_or_pictures(run_dir: Path) -> None:
    text = f"# Card\n\n- *a* `b`\n\n|x|y|\n|-|-|\n|1|{HOSTILE.split()[0]}|\n\n<b>raw</b>\n\n"
    text += "[link](javascript:alert(1)) ![p](http://example.org/p.png) <http://example.org>"
    html = render(run_dir, sections=[Section("s", [Document(text)])])
    reader = read(html)
    assert "<h4>Card</h4>" in html
    assert {"ul", "li", "em", "code", "td"} <= set(reader.tags)
    assert not {"b", "img", "script"} & set(reader.tags)
    assert all(target.startswith("#") for target in reader.values("href"))


def test_numbers_are_right_aligned_and_marked_rows_stand_out(run_dir: Path) -> None:
    table = Table(["model", "AUC"], [["a", 0.5], ["b", 0.75]], strong=[1])
    html = render(run_dir, sections=[Section("s", [table])])
    assert '<th scope="col" class="n">AUC</th>' in html
    assert re.search(
        r'<tr class="strong">\s*<td class="short">b</td>\s*<td class="n">0\.750</td>', html
    )


def test_contents_are_left_out_of_short_reports(run_dir: Path) -> None:
    assert "nav" not in read(render(run_dir, sections=sections()[:2])).tags
    assert "nav" in read(render(run_dir)).tags


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    lit = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * lit[0] + 0.7152 * lit[1] + 0.0722 * lit[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_contrast_of_every_text_is_at_least_4_5(scheme: int) -> None:
    css = (Path(page.__file__).parent / "templates" / "page.css").read_text("utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    pairs = [
        *((ink, "paper") for ink in ("ink", "soft", "accent", "good", "warn", "bad")),
        *(("ink", panel) for panel in ("panel", "strong", "good-panel", "warn-panel")),
        ("good", "good-panel"),
        ("warn", "warn-panel"),
    ]
    for ink, ground in pairs:
        low, high = sorted((luminance(colours[ink]), luminance(colours[ground])))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)

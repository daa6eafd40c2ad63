"""The report and the datasheet: every kind is shown, nothing private is, nothing is invented."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_mixed import BLOCKS, Kept, everything, shape_picture, write_catalog, write_mixed

from medfm_cli.commands.curate.counts import CurationCounts
from medfm_cli.commands.curate.deidentify.rescan import KNOWN, Look, Rescan
from medfm_cli.commands.curate.describing.step import describe
from medfm_cli.commands.curate.duplicates.summary import DuplicateSummary, Pair
from medfm_cli.commands.curate.options.describe import Describe
from medfm_cli.commands.curate.reading.step import JoinSummary
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.report.context import ReportContext
from medfm_cli.commands.curate.report.datasheet import TEMPLATE, datasheet, responsible_use
from medfm_cli.commands.curate.report.step import sections, summary
from medfm_cli.commands.curate.report.texts import column, excerpt
from medfm_cli.commands.curate.split.step import SplitResult
from medfm_cli.console import Silence
from medfm_cli.runs import Callout, Figure, Run, Section, Table
from medfm_cli.runs.page import render_page
from medfm_cli.samples.content import Image2D, Row, Text

WORDS = "Jane Roe was seen on Tuesday with a cough and no fever at all."

NO_SHEETS: dict[str, Any] = {"describe": {"sheets": False}}
"""Options of a curation for tests that look at tables alone: drawing takes a second."""

Tell = Callable[..., ReportContext]


@pytest.fixture
def tell(tmp_path: Path) -> Any:
    """Curations as if they had been run: the items are given, the rest follows."""
    opened = ExitStack()

    def build(
        items: list[Kept], *, public: bool = False, more: Any = None, **keys: Any
    ) -> ReportContext:
        sources = {name: {"source": str(tmp_path)} for name in BLOCKS}
        recipe = CurateRecipe.model_validate({"sources": sources} | keys)
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        card = write_mixed(tmp_path / "dataset", items)
        catalog = opened.enter_context(write_catalog(tmp_path / "catalog.db", items))
        description = describe(catalog, tmp_path / "dataset", BLOCKS, recipe.describe, seed=0)
        run = Run(dir=tmp_path, verb="curate", name="toy", hash="0" * 64, console=Silence())
        run.resolve("deidentify.secret", "private", "the source may hold patients' data")
        return ReportContext(
            recipe=recipe, account=CurationCounts(catalog), card=card, run=run,
            joined=JoinSummary(),
            unique=DuplicateSummary(), dealt=SplitResult(why="by subject"),
            description=description, public=public,
            more=more or {},
        )  # fmt: skip

    yield build
    opened.close()


def blocks(found: list[Section], kind: type[Any]) -> list[Any]:
    return [block for section in found for block in section.blocks if isinstance(block, kind)]


def table(found: list[Section], first: str) -> Table:
    return next(block for block in blocks(found, Table) if block.columns[0] == first)


def test_every_kind_has_its_section_and_its_figures(tell: Tell, tmp_path: Path) -> None:
    context = tell(everything())
    found = sections(context)
    titles = [section.title for section in found]
    assert titles[0] == "Counts by step"
    for title in ("Images", "Volumes", "Videos", "Signals", "Audio", "Time series", "Texts",
                  "Tables", "Labels and split", "Distribution of the dataset",
                  "Privacy"):  # fmt: skip
        assert title in titles
    figures = blocks(found, Figure)
    assert len(figures) >= 9
    for figure in figures:
        assert (tmp_path / figure.path).stat().st_size > 500
        assert figure.alt
    assert len({figure.path for figure in figures}) == len(figures)


def test_the_page_is_one_file_that_asks_for_nothing(tell: Tell, tmp_path: Path) -> None:
    context = tell(everything(), public=True)
    page = render_page(tmp_path, title="t", verb="curate", facts={}, sections=sections(context))
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert "was not written" not in page
    assert "<script" not in page
    assert len(page) < 6_000_000


def test_the_same_curation_gives_the_same_bytes(tell: Tell, tmp_path: Path) -> None:
    context = tell(everything())
    one = sections(context)
    pictures = {p.name: p.read_bytes() for p in (tmp_path / "figures").iterdir()}
    assert sections(context) == one
    assert {p.name: p.read_bytes() for p in (tmp_path / "figures").iterdir()} == pictures
    assert datasheet(context) == datasheet(context)


def test_words_are_shown_only_where_that_is_allowed(tell: Tell) -> None:
    turns = [[f"What did {WORDS}", WORDS, {"task": "closed"}]]
    items = [
        *everything(),
        Kept(Text(WORDS), subject="q", block=2),
        Kept(shape_picture(77), subject="r", text=WORDS, turns=turns),
        Kept(Row({"name": "Jane Roe", "age": 40.0}), subject="s", block=2),
    ]
    hidden = repr(sections(tell(items)))
    assert "Jane" not in hidden
    assert "describe.show_text" in hidden
    for shown in (tell(items, public=True), tell(items, describe={"show_text": True})):
        text = repr(sections(shown))
        assert text.count(WORDS) >= 3
        assert "'name'" in text
        assert "Jane Roe (" not in text, "a cell that one row has is never shown"


def test_columns_are_summed_up_without_their_rare_values() -> None:
    words = Counter({"yes": 40, "no": 12, "Jane Roe": 1})
    assert column("smoker", [], words, 100) == [
        "smoker", "53%", "text", "3 different: yes (40), no (12)",
    ]  # fmt: skip
    assert column("id", [], Counter({"a": 1, "b": 1}), 2)[3] == "2 different"
    numbers = [float(n) for n in range(101)]
    assert column("age", numbers, Counter(), 101)[3] == "median 50, 5th to 95th percentile 5 to 95"
    assert column("x", [], Counter(), 5) == ["x", "0%", "empty", ""]


def test_an_excerpt_ends_at_a_word() -> None:
    assert excerpt("a\n b") == "a b"
    cut = excerpt("word " * 200)
    assert cut.endswith("word …")
    assert len(cut) < 330


def test_the_table_of_steps_shows_the_counts_before_and_after(tell: Tell) -> None:
    items = everything()
    items.append(replace(items[0], fate="duplicate", twin=0, exact=1, step="duplicates"))
    dropped = Kept(shape_picture(70), fate="dropped", step="labels", reason="dropped: odd")
    context = tell([*items, dropped], quality={"on": False}, **NO_SHEETS)
    rows = table(sections(context), "Step").rows
    steps = {row[0]: row[1:] for row in rows}
    assert steps["reading"] == ("on", 47, 0, 47)
    assert steps["quality"] == ("off", 47, 0, 47)
    assert steps["labels"][2] == 1
    assert steps["deduplication"][1:] == (46, 1, 45)
    assert steps["writing"][1:] == (45, 0, 45)
    for (_, _, _, _, after), (_, _, before, _, _) in pairwise(rows):
        assert after == before
    reasons = {row[0]: row[2] for row in table(sections(context), "Reason").rows}
    assert reasons == {"dropped: odd": 1}


def test_reasons_and_notes_are_counted_together(tell: Tell) -> None:
    items = everything()
    items[3] = replace(items[3], notes=("2 implausible: Temp", "channels of several rates"))
    items[4] = replace(items[4], notes=("5 implausible: Temp",))
    for row in range(3):
        items.append(
            Kept(shape_picture(80 + row), fate="dropped", step="quality",
                 reason=f"row {row}: an empty report")
        )  # fmt: skip
    found = sections(tell(items, **NO_SHEETS))
    reasons = table(found, "Reason").rows
    assert reasons == (("an empty report", "quality", 3),)
    notes = {row[0]: row[1:] for row in table(found, "Note").rows}
    assert notes == {"implausible: Temp": (2, 7), "channels of several rates": (1, 1)}


def test_rules_of_labels_are_listed_with_their_counts(tell: Tell, tmp_path: Path) -> None:
    sources: dict[str, Any] = {name: {"source": str(tmp_path)} for name in BLOCKS}
    sources["films"]["labels"] = {
        "file": "t.csv", "column": "dx", "classes": {"pos": "ill", "neg": "well"},
    }  # fmt: skip
    rows = table(sections(tell(everything(), sources=sources, **NO_SHEETS)), "Source").rows
    assert ("films", "pos", "ill", 8) in rows
    assert ("films", "neg", "well", 16) in rows


def test_copies_and_look_alikes_are_shown(tell: Tell, tmp_path: Path) -> None:
    items = everything()
    items[1] = replace(items[1], cluster=1)
    items[2] = replace(items[2], cluster=1)
    items.append(
        replace(items[0], fate="duplicate", twin=0, exact=1, step="duplicates", reason="the same")
    )
    near = shape_picture(1)
    changed = near.pixels.copy()
    changed[0, 0] ^= 1
    items.append(
        Kept(replace(near, pixels=changed), fate="duplicate", twin=1, step="duplicates",
             reason="almost the same", cluster=1)
    )  # fmt: skip
    unique = DuplicateSummary(
        clusters=1, clustered=3, pairs=2, turned=1, doubtful=[Pair(1, 2, "flipped", 7)]
    )
    context = replace(tell(items), unique=unique)
    thumb = np.arange(256, dtype=np.uint8).tobytes()
    context.catalog.execute("UPDATE items SET thumb = ?", thumb)
    found = sections(context)
    text = repr(found)
    assert "1 samples have the same content as 1 others" in text
    assert "3 samples in 1 groups are near duplicates" in text
    assert "1 of 2 pairs are rotated or flipped" in text
    assert "1 of 1 groups" in text
    assert "by their thumbnail" in text
    for name in ("near", "doubtful", "copies"):
        assert (tmp_path / "figures" / f"{name}.png").is_file()


def test_near_copies_that_were_left_out_stand_beside_what_is_kept(
    tell: Tell, tmp_path: Path
) -> None:
    items = everything()
    near = shape_picture(1).pixels.copy()
    near[0, 0] ^= 1
    items.append(Kept(Image2D(near), fate="duplicate", twin=1, step="duplicates", reason="near"))
    context = replace(tell(items), unique=DuplicateSummary(nearly=1))
    found = sections(context)
    assert "1 samples are near duplicates of others and were removed." in repr(found)
    assert "1 of 1 groups" in repr(found)
    assert (tmp_path / "figures" / "near.png").is_file()


def test_boxes_and_masks_are_drawn(tell: Tell, tmp_path: Path) -> None:
    items = everything()[:6]
    sections(tell(items))
    plain = (tmp_path / "figures" / "classes.png").read_bytes()
    boxes = [["spot", 5, 5, 50, 40]]
    found = sections(tell([replace(item, boxes=boxes) for item in items]))
    assert (tmp_path / "figures" / "classes.png").read_bytes() != plain
    assert "annotations of the source" in repr(found)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 20:40] = 1
    found = sections(tell([replace(item, mask=mask) for item in items]))
    assert "annotations of the source" in repr(found)


def test_the_base_install_draws_everything(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sklearn", "pandas", "torch"):
        for loaded in [n for n in sys.modules if n == name or n.startswith(f"{name}.")]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, name, None)
    assert len(blocks(sections(tell(everything())), Figure)) >= 9


def test_sheets_can_be_off(tell: Tell) -> None:
    found = sections(tell(everything(), describe={"sheets": False, "on": False}))
    assert [figure.path for figure in blocks(found, Figure)] == ["figures/tails.svg"]


def test_what_further_steps_tell_stands_in_their_chapters(tell: Tell) -> None:
    extra = [Callout("good", "No overlap with the other set.")]
    found = sections(tell(everything(), more={"Contamination": extra}, **NO_SHEETS))
    chapters = {section.title: section for section in found}
    assert chapters["Contamination"].blocks == tuple(extra)
    steps = [row[0] for row in table(found, "Step").rows]
    assert steps.index("split") + 1 == steps.index("contamination")


def test_what_looking_again_has_shown_is_listed(tell: Tell) -> None:
    looks = [Look("texts", 3, 3), Look("pixels", 2, 9)]
    context = replace(
        tell(everything(), **NO_SHEETS),
        rescanned=Rescan(looks, 40, "builtin", ["Voices were not."]),
    )
    text = repr(sections(context)[-2])
    assert "No identifier that occurred during reading is in the dataset." in text
    assert "Voices were not." in text
    assert "('pixels', 2, 9, 'nothing')" in text
    assert "Voices were not." in datasheet(context)
    looks[0].see("abc", Counter({KNOWN: 1}))
    text = repr(sections(context)[-2])
    assert "1 samples contain an identifier that occurred during reading, such as abc." in text
    assert "No identifier" not in text


def test_without_deidentification_the_report_says_so(tell: Tell) -> None:
    context = tell(everything(), deidentify={"on": False}, **NO_SHEETS)
    rows = {row[0]: row[1] for row in table(sections(context), "Possible identifier").rows}
    assert rows["text burned into pixels"] == "NOT CHECKED"
    assert rows["patient, study and institution"] == "replaced by keyed pseudonyms"
    assert "Text burned into pixels: NOT CHECKED." in datasheet(context)


def test_a_datasheet_answers_what_is_known_and_no_more(tell: Tell) -> None:
    context = tell(everything(), description="Toys of every kind.")
    sheet = datasheet(context)
    questions = re.findall(r"^\*\*(.+)\*\*$", TEMPLATE.read_text("utf-8"), re.MULTILINE)
    assert len(questions) > 45
    answers = dict(re.findall(r"\*\*(.+?)\*\*\n\n(.+?)\n\n", sheet + "\n\n", re.DOTALL))
    assert list(answers) == questions
    assert answers["For what purpose was the dataset created?"] == "Toys of every kind."
    assert answers["Who funded the creation of the dataset?"] == "UNKNOWN"
    assert "45 samples of 33 subjects" in answers["How many instances are there in total?"]
    assert "24 of 45 samples have labels" in sheet
    assert "Sex: F 12, M 12" in sheet.replace("UNKNOWN 21, ", "")
    assert answers["Did the individuals in question consent to the collection and use of their "
                   "data?"] == "UNKNOWN"  # fmt: skip
    assert sheet.count("UNKNOWN") > 25


def test_responsible_use_tells_no_unknown_field(tell: Tell) -> None:
    fields = responsible_use(tell(everything()))
    assert "duplicates were removed" in " ".join(fields["dataPreprocessingProtocol"])
    assert any(line.startswith("label: ") for line in fields["dataBiases"])
    assert "dataCollection" not in fields


def test_the_summary_counts_kinds(tell: Tell) -> None:
    context = tell(everything())
    rows = {row[0]: row[1] for row in summary(context.account, context.card).rows}
    assert rows["samples kept"] == 45
    assert rows["of kind volume"] == 3
    assert Describe().show_text is False

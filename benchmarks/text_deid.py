"""Free text: how many planted identifiers are found, and what else is taken for one.

Run: python benchmarks/text_deid.py [--data FOLDER] [--each 40] [--engines builtin presidio]

Recall is of planted identifiers of which every letter and digit is covered; what is covered in part
is told too. The sentences `held out` were written after the patterns and never used to change them.
False alarms are counted on real texts: transcripts (every finding counts, although
most are names and dates that were left in them) and X-ray reports whose names are XXXX already.
Medical terms with people's names, and drugs, should survive. Texts a second are of one process.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from planted_text import CONTEXTS, FURTHER, HELD_OUT, MEDICAL, SENTENCES, planted

from medfm_cli.commands.curate.deidentify.text.clean import clean, finder
from medfm_cli.commands.curate.deidentify.text.find import Finder, again
from medfm_cli.commands.curate.deidentify.text.patterns import Span


def main() -> None:
    """Print a table an engine, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--each", type=int, default=40, help="sentences of each kind")
    parser.add_argument("--engines", nargs="+", default=["builtin", "presidio"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print what was missed")
    chosen = parser.parse_args()
    transcripts, reports = real_texts(chosen.data)
    results = {}
    for name in chosen.engines:
        find = finder(name)
        results[name] = {
            "recall": recalls(find, transcripts, SENTENCES, chosen),
            "recall, further": recalls(find, transcripts, FURTHER, chosen),
            "recall, held out": recalls(find, transcripts, HELD_OUT, chosen),
            "eponyms that survive": survivors(find, show=chosen.show),
            "transcripts": alarms(find, transcripts),
            "reports": alarms(find, reports),
        }
        print(f"== {name}")
        for what, values in results[name].items():
            print(f"{what}: {values}" if not isinstance(values, dict) else f"{what}:")
            for key, value in values.items() if isinstance(values, dict) else ():
                print(f"    {key:24} {value}")
    print(json.dumps(results))


def real_texts(data: Path) -> tuple[list[str], list[str]]:
    """Transcripts, and findings with impressions of X-ray reports."""
    csv.field_size_limit(sys.maxsize)
    with (data / "text_mtsamples" / "mtsamples_part.csv").open(encoding="utf-8") as file:
        transcripts = [row["transcription"] for row in csv.DictReader(file)]
    with (data / "reports_iu_xray" / "indiana_reports.csv").open(encoding="utf-8") as file:
        columns = ("indication", "comparison", "findings", "impression")
        reports = [" ".join(row[c] or "" for c in columns) for row in csv.DictReader(file)]
    return transcripts, reports


def carriers(transcripts: list[str]) -> list[str]:
    """Sentences of transcripts in which nobody is named by a title."""
    sentences = [s.strip() for text in transcripts for s in re.split(r"(?<=[a-z]\.)[\s,]+", text)]
    return [s for s in sentences if 30 < len(s) < 300 and not re.search(r"\b[DM]rs?\b|Ms\b", s)]


def recalls(
    find: Finder,
    transcripts: list[str],
    groups: dict[str, tuple[str, ...]],
    chosen: argparse.Namespace,
) -> dict[str, str]:
    """For each kind the share found in full, and in part."""
    sentences, result = carriers(transcripts), {}
    total: list[bool] = []
    for kind, templates in groups.items():
        full, part = [], []
        for number in range(chosen.each):
            draw = random.Random(f"{chosen.seed} {kind} {number}")
            around = (draw.choice(sentences), draw.choice(sentences))
            one = planted(kind, templates[number % len(templates)], around, draw)
            found = covered(again(one.text, find(one.text)))
            for start, end in one.spans:
                letters = [i for i in range(start, end) if one.text[i].isalnum()]
                shares = sum(i in found for i in letters) / len(letters)
                full.append(shares == 1)
                part.append(shares > 0)
                if chosen.show and shares < 1:
                    print("missed", kind, repr(one.text[max(0, start - 30) : end + 20]))
        total += full
        result[kind] = f"{mean(full):.3f} (in part {mean(part):.3f}) of {len(full)}"
    return result | {"all": f"{mean(total):.3f} of {len(total)}"}


def survivors(find: Finder, *, show: bool) -> str:
    """The share of medical terms with a name that stay as they are."""
    texts = [context.format(term) for term in MEDICAL for context in CONTEXTS]
    lost = [text for text in texts if clean(text, find).text != text]
    if show:
        print("lost", lost)
    return f"{1 - len(lost) / len(texts):.3f} of {len(texts)}"


def alarms(find: Finder, texts: list[str]) -> dict[str, Any]:
    """What is replaced in real texts, per 1000 words, and the speed."""
    started = time.process_time()
    cleaned = [clean(text, find) for text in texts]
    seconds = time.process_time() - started
    counts: Counter[str] = sum((one.counts for one in cleaned), Counter())
    words = sum(len(text.split()) for text in texts)
    per: dict[str, Any] = {
        k: f"{n} ({1000 * n / words:.2f} of 1000 words)" for k, n in counts.items()
    }
    return per | {"texts a second": f"{len(texts) / seconds:.0f}"}


def covered(spans: list[Span]) -> set[int]:
    """The positions that spans cover."""
    return {i for span in spans for i in range(span.start, span.end)}


def mean(values: list[bool]) -> float:
    """The share of true ones."""
    return sum(values) / max(1, len(values))


if __name__ == "__main__":
    main()

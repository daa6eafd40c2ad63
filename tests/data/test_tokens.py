"""Tokenisers: trained the same every time, read back, and nothing of the text lost."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.data.tokens import Tokeniser, TokenTable
from medfm_cli.errors import DataError

WORDS = "the heart is normal in size and the lungs are clear without effusion or pneumothorax"
TEXTS = [" ".join(WORDS.split()[i % 5 : 5 + i % 9]) for i in range(80)]
TRAIN = (
    "import hashlib\n"
    "from medfm_cli.data.tokens import Tokeniser\n"
    f"tokeniser = Tokeniser.train({TEXTS!r}, size=300)\n"
    "print(hashlib.sha256(tokeniser.to_json().encode()).hexdigest())\n"
)


@cache
def trained() -> Tokeniser:
    return Tokeniser.train(TEXTS, size=300)


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    return trained()


def test_two_processes_train_the_same_bytes(tokeniser: Tokeniser) -> None:
    expected = hashlib.sha256(tokeniser.to_json().encode()).hexdigest()
    found = {
        subprocess.run(
            [sys.executable, "-c", TRAIN], check=True, capture_output=True, text=True
        ).stdout.strip()
        for _ in range(2)
    }
    assert found == {expected}


def test_it_is_read_back_from_its_file(tokeniser: Tokeniser, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokeniser.to_json())
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        again = Tokeniser.load(path)
        assert again.to_json() == tokeniser.to_json()
        assert again.ids("Normal heart") == tokeniser.ids("normal heart")
    assert (tokeniser.pad, tokeniser.start, tokeniser.end, tokeniser.unknown) == (0, 1, 2, None)
    assert 259 < tokeniser.size <= 300


@given(st.text(max_size=40))
def test_no_text_is_unknown_to_it(text: str) -> None:
    """Bytes: any script, any character, and lower case is all that it takes away."""
    tokeniser = trained()
    wanted = unicodedata.normalize("NFC", text)
    decoded = tokeniser._tokenizer.decode(tokeniser.ids(text))
    assert decoded.strip().casefold() == wanted.lower().strip().casefold()


def test_words_that_are_rare_stay_letters() -> None:
    """A name that stands once or twice is no entry of the vocabulary that is kept."""
    tokeniser = Tokeniser.train([*TEXTS, "seen by doctor zyxwvq"], size=4000)
    assert "zyxwvq" not in tokeniser.to_json() and "zyx" not in tokeniser.to_json()
    assert "heart" in tokeniser.to_json()


@pytest.mark.parametrize("count", [0, 3, 6, 50])
def test_texts_are_framed_cut_and_filled(tokeniser: Tokeniser, count: int) -> None:
    ids = list(range(100, 100 + count))
    row = tokeniser.framed(ids, 8)
    kept = ids[:6]
    expected = [1, *kept, 2] + [0] * (6 - len(kept))
    assert row.dtype == np.int64 and row.tolist() == expected


def test_a_table_gives_whole_texts_and_single_statements(tokeniser: Tokeniser) -> None:
    texts = ["heart normal\nlungs clear\nno effusion", "", "heart normal"]
    table = TokenTable(tokeniser, texts)
    assert table.whole(0).tolist() == tokeniser.ids("heart normal lungs clear no effusion")
    assert table.whole(1).tolist() == []
    assert table.whole(2).tolist() == tokeniser.ids("heart normal")
    lines = [tokeniser.ids(line) for line in texts[0].splitlines()]
    draws = [0.0, 0.33, 0.34, 0.5, 0.67, 0.999999999]
    found = [table.statement(0, draw).tolist() for draw in draws]
    assert found == [lines[i] for i in (0, 0, 1, 1, 2, 2)]
    assert table.statement(1, 0.5).tolist() == []
    assert table.statement(2, 0.9).tolist() == lines[0]
    assert table.lengths([0, 1, 2]).tolist() == [len(table.whole(row)) for row in range(3)]


def test_what_is_no_tokeniser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a readable tokeniser"):
        Tokeniser.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="not a tokeniser of the tokenizers library"):
        Tokeniser.load(tmp_path)
    bare = Tokeniser.train(TEXTS, size=300).to_json().replace("</s>", "(s)")
    (tmp_path / "tokenizer.json").write_text(bare)
    with pytest.raises(DataError, match="none of the tokens </s>"):
        Tokeniser.load(tmp_path)

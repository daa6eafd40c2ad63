"""Text as numbers: a byte-level BPE trained on the run's own texts, or a tokeniser from a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import DataError
from medfm_cli.extras import require

TOKENISER_FILE = "tokenizer.json"
EXTRA = "text"
FEWEST = 5
"""Times that two pieces must stand together before they become one: rare words, names say, are
kept in the vocabulary only as letters and common syllables."""
_PAD = ("<pad>", "[PAD]")
_START = ("<s>", "[CLS]", "<|startoftext|>", "<bos>")
_END = ("</s>", "[SEP]", "<|endoftext|>", "<eos>")
_UNKNOWN = ("[UNK]", "<unk>", "<|unk|>")


class Tokeniser:
    """A tokeniser of the `tokenizers` library, and the numbers of its special tokens.

    Attributes:
        size: tokens in the vocabulary.
        pad, start, end: what fills up, begins and ends a sequence.
        unknown: what stands for all that the vocabulary lacks; None where it lacks nothing.
    """

    def __init__(self, tokenizer: Any, *, source: str = "the tokeniser") -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.size = int(tokenizer.get_vocab_size())
        self.end = self._special(_END, source)
        self.start = self._special(_START, source)
        self.pad = self._special(_PAD, source)
        self.unknown = self._find(_UNKNOWN)

    @classmethod
    def train(cls, statements: Iterable[str], *, size: int) -> Self:
        """Train a byte-level BPE of at most `size` tokens.

        Sennrich et al. 2016, on bytes as in Radford et al. 2019; text is lower-cased as in CLIP.
        Equal statements in equal order give equal bytes.

        Raises:
            EnvironmentProblem: the extra `text` is not installed.
        """
        library = _library()
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.normalizer = library.normalizers.Sequence(
            [library.normalizers.NFC(), library.normalizers.Lowercase()]
        )
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=FEWEST,
            special_tokens=[_PAD[0], _START[0], _END[0]],
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(statements, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Load a `tokenizer.json`, or the one in a model directory.

        Raises:
            DataError: there is none, it is damaged, or it lacks tokens for start, end and padding.
            EnvironmentProblem: the extra `text` is not installed.
        """
        file = tokeniser_file(path)
        try:
            return cls.parse(file.read_text("utf-8"), source=str(file))
        except (OSError, UnicodeDecodeError):
            raise DataError(f"{file} is not a readable tokeniser") from None

    @classmethod
    def parse(cls, text: str, *, source: str = "the tokeniser") -> Self:
        """Make the tokeniser that `to_json` wrote.

        Raises:
            DataError: it is damaged, or lacks tokens for start, end and padding.
        """
        library = _library()
        try:
            tokenizer = library.Tokenizer.from_str(text)
        except Exception:  # the library raises nothing more special
            raise DataError(f"{source} is not a tokeniser of the tokenizers library") from None
        return cls(tokenizer, source=source)

    def to_json(self) -> str:
        """The whole tokeniser as JSON."""
        return str(self._tokenizer.to_str(pretty=True)) + "\n"

    def ids(self, text: str) -> list[int]:
        """The tokens of a text, without start and end."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return list(encoding.ids)

    def framed(self, ids: Sequence[int] | NDArray[np.int32], length: int) -> NDArray[np.int64]:
        """Put tokens between start and end: int64 [length], cut or filled up to it."""
        row = np.full(length, self.pad, np.int64)
        kept = min(len(ids), length - 2)
        row[0] = self.start
        row[1 : 1 + kept] = ids[:kept]
        row[1 + kept] = self.end
        return row

    def _special(self, names: Sequence[str], source: str) -> int:
        token = self._find(names)
        if token is None:
            raise DataError(
                f"{source} has none of the tokens {', '.join(names)}",
                hint="give a tokeniser that has tokens for start, end and padding",
            )
        return token

    def _find(self, names: Sequence[str]) -> int | None:
        numbers = (self._tokenizer.token_to_id(name) for name in names)
        return next((int(number) for number in numbers if number is not None), None)


class TokenTable:
    """The tokens of many texts, each of one or several statements (lines), side by side in memory.

    Attributes:
        tokens: int32, all statements of all texts one after the other.
    """

    def __init__(self, tokeniser: Tokeniser, texts: Sequence[str]) -> None:
        known: dict[str, NDArray[np.int32]] = {}
        parts: list[NDArray[np.int32]] = []
        statements = [0]
        for text in texts:
            lines = text.splitlines()
            for line in lines:
                if line not in known:
                    known[line] = np.asarray(tokeniser.ids(line), np.int32)
                parts.append(known[line])
            statements.append(len(lines))
        self._first = np.cumsum(statements)  # of each text: its first statement
        self._start = np.cumsum([0, *(len(part) for part in parts)])
        self.tokens = np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def whole(self, row: int) -> NDArray[np.int32]:
        """All tokens of a text."""
        first, last = self._start[self._first[row : row + 2]]
        return self.tokens[first:last]

    def statement(self, row: int, draw: float) -> NDArray[np.int32]:
        """The tokens of one statement of a text, chosen by a number in [0, 1)."""
        first, last = self._first[row : row + 2]
        if first == last:
            return self.tokens[:0]
        chosen = min(first + int(draw * (last - first)), last - 1)
        return self.tokens[self._start[chosen] : self._start[chosen + 1]]

    def lengths(self, rows: Iterable[int]) -> NDArray[np.int64]:
        """How many tokens each text has."""
        index = np.fromiter(rows, np.int64)
        starts = self._start[self._first]
        lengths: NDArray[np.int64] = starts[index + 1] - starts[index]
        return lengths


def tokeniser_file(path: Path | str) -> Path:
    """The `tokenizer.json` that a file or folder stands for."""
    path = Path(path)
    return path / TOKENISER_FILE if path.is_dir() else path


def _library() -> Any:
    # One thread: the loader's workers are forked later, and forks and the library's threads
    # do not go together.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    return require("tokenizers", extra=EXTRA)

"""Pseudonyms for patients, studies, sites, UIDs and file names: HMAC-SHA256 under a secret key.

The same identifier gives the same pseudonym on the same machine, so that runs can be joined there;
without the key nobody can tell whose it is, not even by trying all patient numbers. Raw identifiers
are turned where they are read and never written anywhere.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.errors import EnvironmentProblem

KEY_BYTES = 32
PUBLIC_KEY = hashlib.sha256(b"medfm: public data, no secret").digest()
"""The key for data that are public anyway: everyone gets the same pseudonyms."""
_BLANK = re.compile(r"[\s0._*^x-]*", re.IGNORECASE)
_NUMBER = re.compile(r"0*(\d+)(\.0+)?")
_PLACEHOLDER = re.compile(
    r"[\s._*^-]*|anon\w*|.*\banonymi[sz]ed?\b.*|de-?identified|unknown|none|null|nan|n/?a"
    r"|not? (available|known|info).*|no ?name|patient( ?id| ?name)?|id|test|dummy|removed|private",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pseudonyms:
    """Turns identifiers into pseudonyms; `key` is never written to a run."""

    key: bytes

    def of(self, kind: str, identifier: str) -> str:
        """The pseudonym of an identifier, such as `subject-3f2a…` (64 bits of the HMAC)."""
        if kind == "subject":
            identifier = one_spelling(identifier)
        return f"{kind}-{self._digest(kind, identifier)[:8].hex()}"

    def of_person(self, identifier: str | None) -> str | None:
        """The pseudonym of a patient by a file's header, None for what stands for nobody.

        Scanners fill an unknown patient with zeros; in a table 0 may well be a patient's number.
        """
        if identifier is None or is_placeholder(identifier) or _BLANK.fullmatch(identifier):
            return None
        return self.of("subject", identifier.strip())

    def uid(self, uid: str) -> str:
        """The DICOM UID that takes the place of `uid`: always the same, at most 44 characters.

        It is `2.25.` and a UUID as a decimal number (DICOM PS3.5 B.2), here one of version 8, made
        from the HMAC.
        """
        number = int.from_bytes(self._digest("uid", uid.strip(" \0"))[:16], "big")
        number = number & ~(0xF << 76) | 0x8 << 76  # version
        number = number & ~(0x3 << 62) | 0x2 << 62  # variant
        return f"2.25.{number}"

    def shift(self, subject: str, limit: int) -> int:
        """By how many days all dates of a subject (a pseudonym) move: −limit … limit, never 0."""
        drawn = int.from_bytes(self._digest("shift", subject)[:8], "big") % (2 * limit)
        return drawn - limit if drawn < limit else drawn - limit + 1

    def mark(self, token: str) -> str:
        """What a word is known by when it must be found again and must not be written down."""
        return self._digest("mark", token)[:8].hex()

    def _digest(self, kind: str, text: str) -> bytes:
        message = f"{kind}\0{text}".encode("utf-8", "surrogateescape")
        return hmac.digest(self.key, message, "sha256")

    @property
    def fingerprint(self) -> str:
        """Distinguishes keys without giving them away."""
        return hashlib.sha256(b"fingerprint" + self.key).hexdigest()[:16]


def is_placeholder(identifier: str) -> bool:
    """Whether an identifier is one that many patients share: empty, `ANONYMOUS`, …

    `ANON0001` and `anon_003` are none: they tell patients apart.
    """
    return _PLACEHOLDER.fullmatch(identifier.strip()) is not None and not re.search(
        r"\d", identifier
    )


def one_spelling(identifier: str) -> str:
    """An identifier as it is hashed: `007`, `7` and `7.0` are one patient.

    Spreadsheets take zeros from numbers and add `.0`. If two patients do differ by that only, they
    share a split, which does no harm; the opposite would put one patient into two splits.
    """
    text = identifier.strip()
    number = _NUMBER.fullmatch(text)
    return number[1] if number else text


def key_file() -> Path:
    """Where this machine's key lies: MEDFM_KEY_FILE, else in the user's data folder."""
    chosen = os.environ.get("MEDFM_KEY_FILE")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "medfm" / "deid.key"


def private_key(fallback: Path) -> tuple[bytes, Path]:
    """This machine's key, made on first use, and where it lies.

    Args:
        fallback: where to keep it when the user's folder cannot be written to.

    Raises:
        EnvironmentProblem: the file is there and is no key, or MEDFM_KEY_FILE cannot be used.
    """
    if fallback.is_file():  # an earlier try of this run could not use the user's folder
        return _read(fallback), fallback
    path = key_file()
    try:
        return _read_or_make(path), path
    except (OSError, RuntimeError) as error:
        if "MEDFM_KEY_FILE" in os.environ:
            reason = error.strerror if isinstance(error, OSError) else error
            raise EnvironmentProblem(
                f"the key file '{path}' cannot be used: {reason}",
                hint="set MEDFM_KEY_FILE to a file that you may read and write",
            ) from None
        return _read_or_make(fallback), fallback


def _read_or_make(path: Path) -> bytes:
    """Read the key, or make one that only its owner may read; safe when two do it at once."""
    if path.is_file():
        return _read(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # fails when another process was faster: then its key counts
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return _read(path)


def _read(path: Path) -> bytes:
    text = path.read_text("ascii", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise EnvironmentProblem(
            f"'{path}' is no key file: it should hold {2 * KEY_BYTES} hex digits",
            hint="restore it from a backup, or name another with MEDFM_KEY_FILE; a new key gives "
            "new pseudonyms",
        )
    return bytes.fromhex(text)

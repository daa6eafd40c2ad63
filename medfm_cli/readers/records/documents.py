"""Interleaved documents: a text in which images stand, in the layouts that are in use.

- MMC4: `text_list` of sentences, `image_info` with `image_name` and `matched_text_index`
- OBELICS: `images` and `texts`, as long as each other, each place one or the other
- placeholders: `text` with `<image>` marks (or a list of texts), and a list of `images`
- pairs: `image` and `caption` (or `text`), where a mark would say nothing
- parts: `content` of `{"type": "text", "text": …}` and `{"type": "image", "image": …}`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from medfm_cli.readers.records.column_roles import plain

MARK = "<image>"
"""Where an image stands in a text."""
_IMAGE_KEYS = ("images", "image_paths", "image_list", "pictures", "image", "image_path")
_TEXTS = ("text", "texts", "text_list", "caption", "document")


class NoDocumentError(ValueError):
    """A row that is no document; says why."""


def is_documents(names: set[str]) -> bool:
    """Whether these keys, in small letters, are those of interleaved documents."""
    if names & {"bbox", "annotations", "categories", "question", "conversations"}:
        return False
    if {"text_list", "image_info"} <= names or {"content", "type", "image"} <= names:
        return True
    return bool(names & set(_IMAGE_KEYS)) and bool(names & set(_TEXTS))


def document_of(cells: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The text, with a mark where each image stands, and the images' paths in that order.

    Raises:
        NoDocumentError: it has neither text nor images, or marks and images do not fit.
    """
    texts = next((cells[name] for name in _TEXTS if cells.get(name)), None)
    images = next((cells[name] for name in _IMAGE_KEYS if cells.get(name)), None)
    if isinstance(cells.get("content"), list):
        pieces = [_part(part) for part in cells["content"]]
    elif isinstance(cells.get("text_list"), list) and isinstance(cells.get("image_info"), list):
        pieces = _matched(cells["text_list"], cells["image_info"])
    elif isinstance(texts, list) and isinstance(images, list) and _in_turn(texts, images):
        pieces = [piece for pair in zip(texts, images, strict=True) for piece in _pair(*pair)]
    else:
        return _marked(_joined(texts), _paths(images))
    text = "\n".join(MARK if image else words for words, image in pieces if words or image)
    paths = [image for _, image in pieces if image]
    if not text:
        raise NoDocumentError("it has neither text nor images")
    return text, paths


def _matched(texts: list[Any], images: list[Any]) -> list[tuple[str, str]]:
    """MMC4: each image before the sentence that it was matched to."""
    before: dict[int, list[str]] = {}
    for image in images:
        info = image if isinstance(image, dict) else {"image_name": image}
        place = info.get("matched_text_index")
        place = place if isinstance(place, int) and 0 <= place < len(texts) else len(texts)
        before.setdefault(place, []).extend(_paths([info]))
    pieces: list[tuple[str, str]] = []
    for place, text in enumerate([*texts, None]):
        pieces += [("", path) for path in before.get(place, ())]
        pieces.append((_words(text), ""))
    return pieces


def _in_turn(texts: list[Any], images: list[Any]) -> bool:
    """Whether each place has a text or an image, or nothing."""
    return len(texts) == len(images) and any(one is None for one in (*texts, *images))


def _pair(text: Any, image: Any) -> list[tuple[str, str]]:
    return [("", path) for path in _paths([image])] + [(_words(text), "")]


def _part(part: Any) -> tuple[str, str]:
    """A part of `content`: its words, or its image."""
    if not isinstance(part, dict):
        return _words(part), ""
    paths = _paths([part.get(key) for key in ("image", "path", "image_url")])
    return (_words(part.get("text")), "") if not paths else ("", paths[0])


def _marked(text: str, paths: list[str]) -> tuple[str, list[str]]:
    """A text that has its marks; one without any begins with its images, if they are several."""
    marks = text.count(MARK)
    if not text and not paths:
        raise NoDocumentError("it has neither text nor images")
    if not marks and len(paths) == 1:
        return text, paths
    if not marks:
        return "\n".join([MARK] * len(paths) + ([text] if text else [])), paths
    if marks != len(paths):
        raise NoDocumentError(f"{marks} marks in its text for {len(paths)} images")
    return text, paths


def _joined(texts: Any) -> str:
    if isinstance(texts, list):
        return "\n".join(filter(None, map(plain, texts)))
    return plain(texts)


def _words(text: Any) -> str:
    """A text of a layout that has no marks: what looks like one is none."""
    return plain(text).replace(MARK, "< image >")


def _paths(images: Any) -> list[str]:
    """The paths in a list of names, or of objects that have one."""
    if isinstance(images, str):
        return [images]
    found: list[str] = []
    for image in images if isinstance(images, Iterable) else ():
        one: Any = image
        if isinstance(one, dict):
            names = ("image_name", "path", "file_name", "image", "url")
            one = next((one[name] for name in names if isinstance(one.get(name), str)), None)
        if isinstance(one, str) and one.strip():
            found.append(one.strip())
    return found

"""Whether a sample is one that anyone could learn from, and what in it has to be set aside.

Both functions are pure: they see one sample and the recipe's limits, and nothing else. Reasons and
notes are short plain words in which no patient is named. A note that counts begins with its number,
so that the report can add up those of all samples.
"""

from __future__ import annotations

from typing import assert_never

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality import audio, images, series, signals, texts, videos, volumes
from medfm_cli.samples.content import (
    Audio,
    Content,
    Image2D,
    Row,
    Series,
    Signal,
    Text,
    Video,
    Volume,
)


def rejection_reason(content: Content, quality: Quality, *, scanned: bool = False) -> str:
    """Why a sample is not kept, empty when it is. To be called before `mend`.

    Args:
        content: the sample, of any kind.
        quality: the limits of the recipe.
        scanned: its file says that there is a scan on the image, so that it is no page of text.
    """
    if not quality.on:
        return ""
    if scanned:
        quality = quality.model_copy(update={"text_share": None})
    match content:
        case Image2D():
            return images.rejection_reason(content, quality)
        case Volume():
            return volumes.rejection_reason(content, quality)
        case Video():
            return videos.rejection_reason(content, quality)
        case Signal():
            return signals.rejection_reason(content, quality)
        case Audio():
            return audio.rejection_reason(content, quality)
        case Series():
            return series.rejection_reason(content, quality)
        case Row():
            return texts.row_rejection_reason(content, quality)
        case Text():
            return texts.rejection_reason(content, quality)
        case _:
            assert_never(content)


def mend(content: Content, quality: Quality) -> tuple[Content, tuple[str, ...]]:
    """The sample without the values that cannot be true, and notes of what was set aside.

    Values of an ICU series outside their plausible range become NaN. Everything else is returned
    as it is: a wrong pixel cannot be distinguished from a right one, a wrong temperature can.
    """
    if quality.on and isinstance(content, Series):
        return series.mend(content, quality)
    return content, ()

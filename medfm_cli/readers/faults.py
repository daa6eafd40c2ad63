"""Whose fault it is that a file cannot be read: its own, or that of where it lies."""

from __future__ import annotations

import errno

_OF_OFFSETS = (errno.EINVAL, errno.EOVERFLOW, errno.EFBIG)
"""What the system says of a place in a file that cannot be, as damaged headers name them."""


def is_of_the_disk(error: Exception) -> bool:
    """Whether an error came from the system and says nothing of what the file holds."""
    return isinstance(error, OSError) and error.errno is not None and error.errno not in _OF_OFFSETS

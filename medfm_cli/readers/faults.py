"""Whose fault it is that a file cannot be read: its own, or that of where it lies."""

from __future__ import annotations

import errno

_OF_OFFSETS = (errno.EINVAL, errno.EOVERFLOW, errno.EFBIG)
"""What the system says of a place in a file that cannot be, as damaged headers name them."""
MISSING = frozenset({errno.ENOENT, errno.ENOTDIR})
"""What the system says where nothing is; a file that names another that never was has it too."""
UNREACHABLE = frozenset(
    {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.ENOMEDIUM}
    | {errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ETIMEDOUT}
    | {errno.ECONNRESET, errno.ECONNABORTED, errno.ESHUTDOWN, errno.ENOLINK, errno.EREMOTEIO}
    | {errno.EKEYEXPIRED, errno.ENOKEY}
)
"""What the system says when a disk fails, or a share or a mounted folder has gone."""
GONE = MISSING | UNREACHABLE
"""What it says of a listed file when its source has gone."""


def is_of_the_disk(error: Exception) -> bool:
    """Whether an error came from the system and says nothing of what the file holds."""
    return isinstance(error, OSError) and error.errno is not None and error.errno not in _OF_OFFSETS

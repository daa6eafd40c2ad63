"""Numbers as colours, for maps in time. Both scales can be read with colour-blindness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOUDNESS: Final = ((12, 16, 24), (14, 62, 82), (40, 140, 140), (170, 205, 140), (253, 246, 210))
"""From quiet (dark) to loud (bright)."""
DEVIATION: Final = ((20, 74, 136), (116, 160, 204), (208, 208, 200), (222, 142, 88), (158, 54, 12))
"""From far below (blue) over the mean (grey) to far above (rust)."""


def coloured(share: NDArray[Any], stops: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Numbers `[…]` from 0 to 1 as colours `[…, 3]`; what is beyond the stops, as the last one."""
    import numpy as np

    at = np.linspace(0, 1, len(stops))
    channels = [np.interp(share, at, [stop[index] for stop in stops]) for index in range(3)]
    colours: NDArray[np.uint8] = np.stack(channels, axis=-1).round().astype(np.uint8)
    return colours

"""Random views of a batch of any kind, made on the device from the stored values."""

from medfm_cli.training.views.draw import draw_view
from medfm_cli.training.views.labelled import draw_labelled_view

__all__ = ["draw_labelled_view", "draw_view"]

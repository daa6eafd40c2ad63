"""medfm: from raw hospital files to a deployed, documented foundation model."""

from medfm_cli.version import __version__

__all__ = ["__version__"]

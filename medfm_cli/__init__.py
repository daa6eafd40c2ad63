"""medfm: from raw hospital files to a deployed, documented foundation model."""

import os

from medfm_cli.version import __version__

__all__ = ["__version__"]

# No telemetry, of no library: set here, before any of them can be imported through medfm, and
# whatever the environment says. Offline mode (HF_HUB_OFFLINE) stays as the user set it.
os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}

# pydantic would load plugins of whatever packages are installed beside medfm, and reads the
# metadata of all of them at every start.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"

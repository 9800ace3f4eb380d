"""Where the page's history and presets are kept: beside the configuration, in a folder that is ours alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

VARIABLE: Final = "DAW_ASSIST_DATA"


def data_folder() -> Path:
    """The folder named by the environment variable DAW_ASSIST_DATA, else `daw-assist/page` in the user's own data folder."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "daw-assist" / "page"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "daw-assist" / "page"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "daw-assist" / "page"

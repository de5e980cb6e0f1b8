"""The folder in which this machine keeps the state of the library."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def state_directory(environment: Mapping[str, str] | None = None, *, platform: str = sys.platform) -> Path:
    """Return the platform's folder for the state of this library; it may not exist yet.

    It is `ims-async` in `XDG_STATE_HOME` (else `~/.local/state`), on Windows in `LOCALAPPDATA`.
    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    found = os.environ if environment is None else environment
    if platform == "win32":
        base = found.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = found.get("XDG_STATE_HOME") or ""
        if not Path(base).is_absolute():
            base = str(Path.home() / ".local" / "state")
    return Path(base) / "ims-async"

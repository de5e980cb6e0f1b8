"""What workers were promised, noted as it happens in a file that outlives them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_NAME: Final = "notes"


class Notes:
    """Appends one line for each event. A line is whole or not there: it is one write."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / _NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, what: str, about: str = "") -> None:
        """Note an event."""
        os.write(self._file, f"{what}\t{about}\n".encode())

    def trouble(self, error: Exception) -> None:
        """Note an error that a caller was told."""
        self.write("trouble", type(error).__name__)


def noted(folder: Path) -> list[tuple[str, str]]:
    """Return what was noted so far, in order."""
    path = folder / _NAME
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [(what, about) for what, _, about in (line.partition("\t") for line in lines)]

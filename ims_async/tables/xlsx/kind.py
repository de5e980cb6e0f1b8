"""What is known of a workbook without a library: its suffix, its hidden sheet, the command for the extra."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ...errors import InvalidInput

MARKER: Final = "ims_async"
"""The hidden sheet of a pulled workbook: the version of its format, and the hashes of its records."""
VERSION: Final = 1
HOW_TO: Final = "How to"


def is_xlsx(target: object) -> bool:
    """Return True for a path that ends with .xlsx."""
    return isinstance(target, str | os.PathLike) and Path(target).suffix.lower() == ".xlsx"


def extra_missing(path: object) -> InvalidInput:
    """Return the error for a workbook where the extra is not installed."""
    return InvalidInput(f"{path}: XLSX files need the extra xlsx: pip install 'ims-async[xlsx]'")

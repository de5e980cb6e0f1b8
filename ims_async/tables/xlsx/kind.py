"""What is known of a workbook without a library: its hidden sheet, the command for the extra."""

from __future__ import annotations

from typing import Final

from ...errors import InvalidInput
from ..problems import extra_missing

MARKER: Final = "ims_async"
"""The hidden sheet of a pulled workbook: the version of its format, and the hashes of its records."""
VERSION: Final = 1
HOW_TO: Final = "How to"


def not_installed(path: object) -> InvalidInput:
    """Return the error for a workbook where the extra is not installed."""
    return extra_missing(path, "XLSX files need", "xlsx")

"""The JSON files of GSTN's IMS offline tool, for clients without API access.

`read_portal` reads what the portal's IMS dashboard gives ("Offline", "Download"), `write_upload` writes the
decisions on it as a file to upload there, `read_outcome` reads the portal's error file beside what was
uploaded. The format is not published: docs/offline-tool.md says what is known, and how well.
"""

from __future__ import annotations

from .outcome import read_outcome
from .reading import PortalFile, PortalRecord, read_portal
from .settings import OfflineSettings
from .writing import Upload, write_upload

__all__ = [
    "OfflineSettings",
    "PortalFile",
    "PortalRecord",
    "Upload",
    "read_outcome",
    "read_portal",
    "write_upload",
]

"""Large answers of the basic API, which GSTN serves as files: a token, the details, the files.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..http import write
from ..payloads import promised
from ..rules import FILE_QUEUED, UNKNOWN_FILE
from .answers import EasRefused, gstn_error, not_found, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..http import Request
    from .state import Eas

_HOST = "https://files.example/taxpayerapi-doc"  # a host that does not exist: only the path is used


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files that make up one large answer."""

    gstin: str
    ready_at: float
    """Epoch seconds."""
    key: str
    """The key that decrypts the files."""
    files: Mapping[str, tuple[int, dict[str, Any]]]
    """The number of rows and the content, by the last part of the address."""


def start(eas: Eas, gstin: str, section: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Start to make files of rows; return the token and the time to request them."""
    promise = promised(eas.world)
    token = promise["token"]
    size = eas.rules.page_rows
    chunks = [rows[first : first + size] for first in range(0, len(rows), size)]
    eas.bundles[token] = Bundle(
        gstin=gstin,
        ready_at=eas.world.now() + eas.world.rules.file_seconds,
        key=base64.b64encode(hashlib.sha256(token.encode()).digest()).decode(),
        files={f"{token}-{index}": (len(chunk), {section: chunk}) for index, chunk in enumerate(chunks)},
    )
    return promise


def details(eas: Eas, request: Request) -> dict[str, Any]:
    """Return the addresses of the files, or that they are still being made."""
    bundle = eas.bundles.get(text(request.query, "token"))
    if bundle is None or bundle.gstin != request.gstin:
        raise gstn_error(*UNKNOWN_FILE)
    if eas.world.now() < bundle.ready_at:
        raise gstn_error(*FILE_QUEUED)
    urls = [
        {"ul": f"{_HOST}/{name}", "ic": rows, "hash": hashlib.sha256(write(content)).hexdigest()}
        for name, (rows, content) in bundle.files.items()
    ]
    return {"fc": len(urls), "urls": urls, "ek": bundle.key}


def download(eas: Eas, request: Request) -> dict[str, Any]:
    """Return a decrypted file to a caller with the key."""
    name = request.parts["file"]
    bundle = eas.bundles.get(name.partition("-")[0])
    if bundle is None or bundle.gstin != request.gstin or name not in bundle.files:
        raise not_found()
    if request.headers.get("x-flynn-n-filedet-ekey") != bundle.key:
        # Undocumented for this key: the answer is that to a wrong request key.
        raise EasRefused(500, "err-unable-to-decrypt-message-with-key", "Runtime")
    return bundle.files[name][1]

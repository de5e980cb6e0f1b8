"""The basic API of the Invoice Management System, which passes GSTN's own calls through.

Of a large answer GSTN makes files: the call returns a token, another one the details, a third each file.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import payloads
from ..fields import is_period
from ..http import write
from ..rules import FILE_QUEUED, UNKNOWN_FILE, GstnError
from ..supplier_view import SALES_SECTIONS
from .answers import EasRefused, bad_parameter, not_found, text
from .invoices import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..http import Request
    from .gsp import Vayana

_HOST = "https://files.example/taxpayerapi-doc"  # a host that does not exist: only the path is used
_FORMS = {"r1": "gstr1", "gstr1": "gstr1", "r1a": "gstr1a", "gstr1a": "gstr1a"}


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


def count(eas: Vayana, request: Request) -> dict[str, Any]:
    """Count the records by section and action; the documented sample shows the supplies of ISDs as well."""
    if text(request.query, "goods_typ") != "ALL_OTH":
        raise bad_parameter("goods_typ")
    return {
        group: counts
        for goods in ("others", "inward_supplies")
        for group, counts in payloads.count(eas.world, request.gstin, goods).items()
    }


def reference(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return the status of a job, by GSTN's own reference."""
    job = eas.world.job(request.gstin, text(request.query, "int_tran_id"))
    return payloads.polled(job, eas.rules)


def invoices(eas: Vayana, request: Request) -> dict[str, Any]:
    """List the records of a section, or answer a token for files if they are too many."""
    section, rows = listed(eas, request)
    if eas.rules.as_file(len(rows)):
        return _start_files(eas, request.gstin, section, rows)
    return {section: rows}


def sales(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return the taxpayer's documents as a supplier."""
    period = text(request.query, "ret_period")
    if not is_period(period):
        raise bad_parameter("ret_period")
    section = text(request.query, "section").lower()
    if section not in SALES_SECTIONS:
        raise bad_parameter("section")
    form = _FORMS.get(text(request.query, "rtn_typ").lower())
    if form is None:
        raise bad_parameter("rtn_typ")
    return eas.world.outward[request.gstin].sales(form, period, section)


def _start_files(eas: Vayana, gstin: str, section: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Start to make files of rows; return the token and the time to request them."""
    promise = payloads.promised(eas.world)
    token = promise["token"]
    size = eas.rules.page_rows
    chunks = [rows[first : first + size] for first in range(0, len(rows), size)]
    eas.bundles[token] = Bundle(
        gstin=gstin,
        ready_at=eas.world.now() + eas.rules.file_seconds,
        key=base64.b64encode(hashlib.sha256(token.encode()).digest()).decode(),
        files={f"{token}-{index}": (len(chunk), {section: chunk}) for index, chunk in enumerate(chunks)},
    )
    return promise


def file_details(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return the addresses of the files, or that they are still being made."""
    bundle = eas.bundles.get(text(request.query, "token"))
    if bundle is None or bundle.gstin != request.gstin:
        raise GstnError(*UNKNOWN_FILE)
    if eas.world.now() < bundle.ready_at:
        raise GstnError(*FILE_QUEUED)
    urls = [
        {"ul": f"{_HOST}/{name}", "ic": rows, "hash": hashlib.sha256(write(content)).hexdigest()}
        for name, (rows, content) in bundle.files.items()
    ]
    return {"fc": len(urls), "urls": urls, "ek": bundle.key}


def download(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return a decrypted file to a caller with the key."""
    name = request.parts["file"]
    bundle = eas.bundles.get(name.partition("-")[0])
    if bundle is None or bundle.gstin != request.gstin or name not in bundle.files:
        raise not_found()
    if request.headers.get("x-flynn-n-filedet-ekey") != bundle.key:
        # Undocumented for this key: the answer is that to a wrong request key.
        raise EasRefused(500, "err-unable-to-decrypt-message-with-key", "Runtime")
    return bundle.files[name][1]

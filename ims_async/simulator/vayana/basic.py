"""The basic API of the Invoice Management System, which passes GSTN's own calls through.

https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .. import payloads
from ..fields import GSTIN
from ..rules import NO_SALES, OTHER_TAXPAYER, UNKNOWN_REFERENCE
from ..supplier_view import SALES_SECTIONS
from . import files as vayana_files
from .answers import bad_gstin, bad_parameter, gstn_error, text
from .invoices import listed

if TYPE_CHECKING:
    from ..http import Request
    from .state import Eas

_FORMS = {"r1": "gstr1", "gstr1": "gstr1", "r1a": "gstr1a", "gstr1a": "gstr1a"}


def _check_gstin(request: Request) -> None:
    gstin = request.query.get("gstin", "")
    if not re.fullmatch(GSTIN, gstin):
        raise bad_gstin()
    if gstin != request.gstin:
        raise gstn_error(*OTHER_TAXPAYER)


def count(eas: Eas, request: Request) -> dict[str, Any]:
    """Count the records by section and action; the documented sample shows the supplies of ISDs as well."""
    _check_gstin(request)
    if text(request.query, "goods_typ") != "ALL_OTH":
        raise bad_parameter("goods_typ")
    return {
        group: counts
        for goods in ("others", "inward_supplies")
        for group, counts in payloads.count(eas.world, request.gstin, goods).items()
    }


def reference(eas: Eas, request: Request) -> dict[str, Any]:
    """Return the status of a job, by GSTN's own reference."""
    _check_gstin(request)
    job = eas.world.jobs.get(text(request.query, "int_tran_id"))
    if job is None or job.gstin != request.gstin:
        raise gstn_error(*UNKNOWN_REFERENCE)
    return payloads.polled(job, eas.world.rules)


def invoices(eas: Eas, request: Request) -> dict[str, Any]:
    """List the records of a section, or answer a token for files if they are too many."""
    _check_gstin(request)
    section, rows = listed(eas, request)
    if eas.world.rules.as_file(len(rows)):
        return vayana_files.start(eas, request.gstin, section, rows)
    return {section: rows}


def file_details(eas: Eas, request: Request) -> dict[str, Any]:
    """Return the addresses of the files of a large answer."""
    _check_gstin(request)
    return vayana_files.details(eas, request)


def sales(eas: Eas, request: Request) -> dict[str, Any]:
    """Return the taxpayer's documents as a supplier; nothing found is an error of GSTN."""
    _check_gstin(request)
    period = text(request.query, "ret_period")
    if not re.fullmatch(r"(0[1-9]|1[0-2])(19|20)[0-9]{2}", period):
        raise bad_parameter("ret_period")
    section = text(request.query, "section").lower()
    if section not in SALES_SECTIONS:
        raise bad_parameter("section")
    form = _FORMS.get(text(request.query, "rtn_typ").lower())
    if form is None:
        raise bad_parameter("rtn_typ")
    found = eas.world.outward[request.gstin].sales(form, period, section)
    if not found:
        raise gstn_error(*NO_SALES)
    return found

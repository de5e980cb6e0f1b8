"""GSTR-2B by the basic API, and GSTN's public calls: which returns were filed, and how often they are due.

No page documents a way to compute GSTR-2B anew; with a path from the settings it takes GSTN's own bodies.
https://docs.enriched-api.vayana.com
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from ..fields import is_gstin, is_period
from ..http import write
from ..rules import OTHER_TAXPAYER, GstnError
from .answers import bad_gstin, bad_parameter, read, text

if TYPE_CHECKING:
    from ..http import Request
    from .gsp import Vayana

_ALL_FORMS = "ALL-RTRN"


def fetch(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return a GSTR-2B, its summary if it is split into files, or one of them.

    The page names `gstn_ret_type` only, "plus all that GSTN wants": the other names are GSTN's.
    """
    if text(request.query, "gstn_ret_type").lower() != "gstr2b":
        raise bad_parameter("gstn_ret_type")
    if request.query.get("action", "GET2B") != "GET2B":
        raise bad_parameter("action")
    if request.query.get("gstin", request.gstin) != request.gstin:
        raise GstnError(*OTHER_TAXPAYER)
    period = _period(request.query.get("rtnprd"), "rtnprd")
    return eas.world.returns.fetch(request.gstin, period, request.query.get("file_num"))


def regenerate(eas: Vayana, request: Request) -> dict[str, Any]:
    """Accept a request to compute GSTR-2B anew."""
    body = read(request)
    data = body.get("data", body)
    if not isinstance(data, dict):
        raise bad_parameter("data")
    period = _period(data.get("itcprd"), "itcprd")
    asked = eas.world.returns.regenerate(request.gstin, period, text(data, "rtin"))
    return {"int_tran_id": asked.reference}


def status(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return the status of a regeneration."""
    return eas.world.returns.status(request.gstin, text(request.query, "int_tran_id"))


def track(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return the returns that any taxpayer filed in a year; `valid` is a boolean here."""
    if request.query.get("action") != "RETTRACK":
        raise bad_parameter("action")
    found = _tracked(eas, request, request.query.get("gstin"))
    return {"EFiledlist": [{**row, "valid": row["valid"] == "Y"} for row in found["EFiledlist"]]}


def track_v1(eas: Vayana, request: Request) -> str:
    """Return them as version v1.0 does: JSON as text."""
    return write(_tracked(eas, request, request.parts["named"])).decode()


def preference(eas: Vayana, request: Request) -> dict[str, Any]:
    """Return whether any taxpayer files monthly or quarterly, by quarter of a year."""
    if request.query.get("action") != "GETPREF":
        raise bad_parameter("action")
    gstin = _public(request, request.query.get("gstin"))
    _year(request)
    return eas.world.returns.filings.preference(gstin)


def _tracked(eas: Vayana, request: Request, named: str | None) -> dict[str, Any]:
    gstin = _public(request, named)
    # Other values than this one are undocumented: they are taken for the names of forms in the answer.
    form = request.query.get("type", _ALL_FORMS).upper()
    begins, ends = (date(year, 4, 1) for year in (_year(request), _year(request) + 1))
    # By the page the year is that of the filing date.
    filed = eas.world.returns.filings
    return filed.track(gstin, lambda _, day: begins <= day < ends, None if form == _ALL_FORMS else form)


def _public(request: Request, named: str | None) -> str:
    if named is None or not is_gstin(named):
        raise bad_gstin()
    request.gstin = named
    return named


def _year(request: Request) -> int:
    """Read a financial year such as 2026-27; return its first calendar year."""
    found = re.fullmatch(r"(20[0-9]{2})-([0-9]{2})", text(request.query, "fy"))
    if not found or (int(found[1]) + 1) % 100 != int(found[2]):
        raise bad_parameter("fy")
    return int(found[1])


def _period(value: object, name: str) -> str:
    if not isinstance(value, str) or not is_period(value):
        raise bad_parameter(name)
    return value

"""Sandbox's endpoints of GSTR-2B, of returns that were filed, and of the filing preference.

https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/document
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..gstr2b.statement import is_summary
from ..http import Refused
from ..rules import FILED_OR_WRONG_PERIOD, GstnError
from .invoices import asked_period, success

if TYPE_CHECKING:
    from ..http import Request
    from ..world import World


def regenerate(world: World, request: Request) -> dict[str, Any]:
    """Accept a request to compute GSTR-2B anew; the documents disagree on whether it has a body."""
    period = asked_period(request)
    body = request.json() if request.body or world.rules.regenerate_body == "keys" else {}
    if world.rules.regenerate_body == "keys":
        for name in ("rtin", "itcprd"):
            if name not in body:
                # No document has this answer: it is that to a body that is not as per the schema.
                raise Refused(422, f"Invalid request body: {name} is required")
    if body.get("itcprd", period) != period:
        raise GstnError(*FILED_OR_WRONG_PERIOD)
    return success(
        {"reference_id": world.returns.regenerate(request.gstin, period, body.get("rtin")).reference}
    )


def status(world: World, request: Request) -> dict[str, Any]:
    """Return the status of a regeneration."""
    return success(world.returns.status(request.gstin, request.asked("reference_id")))


def fetch(world: World, request: Request) -> dict[str, Any]:
    """Return a GSTR-2B, its summary if it is split into files, or one of them."""
    found = world.returns.fetch(request.gstin, asked_period(request), request.query.get("file_number"))
    answer = success(found)
    return {**answer, "status_cd": world.rules.gstr2b_summary_status} if is_summary(found) else answer


def track(world: World, request: Request) -> dict[str, Any]:
    """Return the returns that were filed for a period; the names of forms have a hyphen here only."""
    form = request.query.get("return_type")
    wanted = form.upper().replace("-", "") if form else None
    asked = asked_period(request)
    return success(world.returns.filings.track(request.gstin, lambda period, _: period == asked, wanted))


def preference(world: World, request: Request) -> dict[str, Any]:
    """Return whether the taxpayer files monthly or quarterly, by quarter."""
    if not re.fullmatch(r"FY 20[0-9]{2}-[0-9]{2}", request.asked("financial_year")):
        raise Refused(422, "Invalid financial_year")
    return success(world.returns.filings.preference(request.gstin))

"""Sandbox's seven endpoints of the Invoice Management System.

https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoices
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .. import payloads
from ..http import Refused
from ..supplier_view import ADDED_BACK_SECTIONS, FORMS, SALES_SECTIONS

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..fields import Kind
    from ..http import Request
    from ..world import World


def success(payload: dict[str, Any]) -> dict[str, Any]:
    """Build the data of an answer of GSTN's."""
    return {"data": payload, "status_cd": "1"}


def _choice(request: Request, name: str, allowed: Collection[str]) -> str:
    value = request.asked(name).lower()
    if value not in allowed:
        # Undocumented for this case; 422 is the documented status for flags that are not as per the schema.
        raise Refused(422, f"Invalid {name}")
    return value


def count(world: World, request: Request) -> dict[str, Any]:
    """Count the records by section and action."""
    goods = _choice(request, "type_of_goods", payloads.GOODS)
    return success(payloads.count(world, request.gstin, goods))


def listing(world: World, request: Request) -> dict[str, Any]:
    """List the records of a section. Undocumented: an empty one answers an empty list with status 1."""
    section = payloads.SECTIONS[_choice(request, "section", payloads.SECTIONS)]
    action = None
    if "status" in request.query:
        action = payloads.STATUS_WORDS[_choice(request, "status", payloads.STATUS_WORDS)]
    rows = payloads.rows(world, request.gstin, section, action)
    # Sandbox documents no route to the file.
    return success(payloads.promised(world) if world.rules.as_file(len(rows)) else {section: rows})


def submit(world: World, request: Request, *, kind: Kind) -> dict[str, Any]:
    """Accept a save or a reset."""
    job = world.submit(request.gstin, kind, request.json())
    return success({"reference_id": job.reference})


def status(world: World, request: Request) -> dict[str, Any]:
    """Return the status of a job. Undocumented: an unknown reference is an error with a code of our own."""
    job = world.job(request.gstin, request.asked("reference_id"))
    return success(payloads.polled(job, world.rules))


def asked_period(request: Request) -> str:
    """Return the period of the year and month in a path."""
    year, month = request.parts["year"], request.parts["month"]
    if not re.fullmatch(r"(19|20)[0-9]{2}", year) or not re.fullmatch(r"0[1-9]|1[0-2]", month):
        raise Refused(422, "Invalid year or month")
    return month + year


def sales(world: World, request: Request) -> dict[str, Any]:
    """Return the taxpayer's documents as a supplier; nothing found is an error with HTTP status 200."""
    period = asked_period(request)
    section = _choice(request, "section", SALES_SECTIONS)
    form = FORMS[_choice(request, "return_type", FORMS)]
    return success(world.outward[request.gstin].sales(form, period, section))


def added_back(world: World, request: Request) -> dict[str, Any]:
    """Return the added-back liability; nothing found is an error with HTTP status 200."""
    period = asked_period(request)
    section = _choice(request, "section", ADDED_BACK_SECTIONS)
    return success(world.outward[request.gstin].added_back(period, section))

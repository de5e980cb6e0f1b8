"""GSTR-2B at Vayana: fetch it; which returns are filed. How it is computed anew is not public.

https://docs.enriched-api.vayana.com (GSTR Download Lite: GSTR-2B)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ... import model
from ...errors import GatewayError, NotSupported
from ...model.status import JobStatus
from ...model.vocabulary import financial_year, year_and_month
from .. import codec
from ..base import Accepted, Conversation, Request
from ..gstn import not_known_yet, nothing_changed, or_no_details
from ..returns import filing
from ..verdicts import envelope_of, payload, reference
from .answers import failed

if TYPE_CHECKING:
    from .gsp import Vayana

_STATEMENT: Final = ("data", "data")
_NOT_PUBLIC: Final = (
    "Vayana's public documents have no route by which GSTR-2B is computed anew: if you know it, set "
    "Vayana(regenerate_path='…', regenerate_status_path='…'), or have it computed on the GST portal"
)


def regenerate(gsp: Vayana, gstin: str, period: str) -> Conversation[Accepted | JobStatus]:
    """Have a statement computed anew by the route of the settings. Raises `NotSupported` without one.

    The body is that of GSTN's action GEN2B.
    """
    year_and_month(period)  # raises `InvalidInput`
    if gsp.regenerate_path is None:
        raise NotSupported(_NOT_PUBLIC)
    body, path = {"rtin": gstin, "itcprd": period}, gsp.enriched(gsp.regenerate_path)
    response = yield gsp.request(
        "regenerate",
        gsp.regenerate_method,
        path,
        gstin=gstin,
        body=body,
        changes=True,
        repeatable=True,
    )
    if failed(envelope_of(response)):
        return nothing_changed(response.received_at)
    answer = payload(response, "data")
    gstns_own = isinstance(answer, dict) and "reference_id" not in answer
    return Accepted(reference(answer, "int_tran_id" if gstns_own else "reference_id", "data"))


def status(gsp: Vayana, gstin: str, reference_id: str) -> Conversation[JobStatus]:
    """Read the status of a computation by the route of the settings. Raises `NotSupported` without one."""
    if gsp.regenerate_status_path is None:
        raise NotSupported(_NOT_PUBLIC)
    path, query = gsp.enriched(gsp.regenerate_status_path), {"gstin": gstin, "int_tran_id": reference_id}
    try:
        response = yield gsp.request("regeneration", "GET", path, gstin=gstin, query=query)
    except GatewayError as error:
        return not_known_yet(error)
    return codec.read_regeneration(payload(response, "data"), "data", polled_at=response.received_at)


def gstr2b(
    gsp: Vayana, gstin: str, period: str, file: int | None = None, *, strict: bool = True
) -> Conversation[model.gstr2b.Gstr2b]:
    """Fetch a statement, or one of its files. It lies in two nested members `data`.

    The page says "all parameters that GSTN wants" and names none: these are those of GSTN's action GET2B.
    https://docs.enriched-api.vayana.com (GSTR Download Lite: GSTR-2B)
    """
    year_and_month(period)  # raises `InvalidInput`
    path = f"/basic/gstn/{gsp.flynn_version}/taxpayerapi/{gsp.gstr2b_api_version}/returns"
    query = {"gstn_ret_type": "gstr2b", "action": "GET2B", "gstin": gstin, "rtnprd": period}
    if file is not None:
        query["file_num"] = str(file)
    try:
        response = yield gsp.request("gstr2b", "GET", path, gstin=gstin, query=query)
    except GatewayError as error:
        return or_no_details(error, gstin, period, file)
    reading = codec.read_gstr2b(response.body, _STATEMENT, gstin=gstin, period=period, strict=strict)
    return (yield from reading)


def filings(gsp: Vayana, gstin: str, period: str) -> Conversation[model.gstr2b.Filing]:
    """Read whether the returns of a period are filed, and whether the taxpayer files each quarter.

    By the page `fy` is the year in which a return was filed: that of March is filed in the next one.
    https://docs.enriched-api.vayana.com (Public APIs: View and Track Returns; Get Preference)
    """
    year, _ = financial_year(period)
    next_year = f"{int(year[:4]) + 1}-{(int(year[:4]) + 2) % 100:02d}"
    return filing(
        gstin,
        period,
        "data",
        track=_public(gsp, "track", "v3.0", "RETTRACK", gstin, year),
        later=_public(gsp, "track", "v3.0", "RETTRACK", gstin, next_year),
        preference=_public(gsp, "preference", "v1.0", "GETPREF", gstin, year),
    )


def _public(gsp: Vayana, operation: str, flynn_version: str, action: str, gstin: str, year: str) -> Request:
    path = f"/basic/gstn/{flynn_version}/commonapi/{gsp.common_api_version}/returns"
    query = {"gstin": gstin, "fy": year, "action": action}
    return gsp.request(operation, "GET", path, gstin=gstin, query=query)

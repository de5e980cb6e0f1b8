"""GSTR-2B at Sandbox: compute it anew, the status of that, fetch it; which returns are filed.

https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/regenerate_gstr_2b
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ... import model
from ...errors import GatewayError
from ...model.status import JobStatus
from ...model.vocabulary import financial_year, year_and_month
from .. import codec
from ..base import Accepted, Conversation
from ..gstn import not_known_yet, nothing_changed, or_no_details
from ..returns import filing
from ..verdicts import envelope_of, gstn_refusal, payload, reference
from . import login

if TYPE_CHECKING:
    from .gsp import Sandbox

_DATA: Final = "data.data"
_STATEMENT: Final = ("data", "data", "data")
_RETURNS: Final = f"{login.TAXPAYER}/gstrs"
_PATH: Final = f"{_RETURNS}/gstr-2b"


def regenerate(gsp: Sandbox, gstin: str, period: str) -> Conversation[Accepted | JobStatus]:
    """Have a statement computed anew; returns the reference of the job, or a final status at once.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/regenerate_gstr_2b
    """
    year, month = year_and_month(period)
    body = {"rtin": gstin, "itcprd": period} if gsp.regenerate_body == "keys" else None
    path = f"{_PATH}/{year}/{month:02d}/regenerate"
    response = yield gsp.request("regenerate", "POST", path, body=body, changes=True, repeatable=True)
    if gstn_refusal(envelope_of(response)) is not None:
        return nothing_changed(response.received_at)
    return Accepted(reference(payload(response, _DATA), "reference_id", _DATA))


def status(gsp: Sandbox, reference_id: str) -> Conversation[JobStatus]:
    """Read the status of a computation.

    Its page is not public: OpenAPI `compliance`, operation fetchGstr2bRegenerationStatus.
    """
    query = {"reference_id": reference_id}
    try:
        response = yield gsp.request("regeneration", "GET", f"{_PATH}/regenerate", query=query)
    except GatewayError as error:
        return not_known_yet(error)
    return codec.read_regeneration(payload(response, _DATA), _DATA, polled_at=response.received_at)


def gstr2b(
    gsp: Sandbox, gstin: str, period: str, file: int | None = None, *, strict: bool = True
) -> Conversation[model.gstr2b.Gstr2b]:
    """Fetch a statement, or one of its files. It lies in three nested members `data`.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/document
    """
    year, month = year_and_month(period)
    query = {} if file is None else {"file_number": str(file)}
    # The test host answers an example, of another taxpayer and period.
    wanted = {} if gsp.test else {"gstin": gstin, "period": period}
    try:
        response = yield gsp.request("gstr2b", "GET", f"{_PATH}/{year}/{month:02d}", query=query)
    except GatewayError as error:
        return or_no_details(error, gstin, period, file)
    return (yield from codec.read_gstr2b(response.body, _STATEMENT, strict=strict, **wanted))


def filings(gsp: Sandbox, gstin: str, period: str) -> Conversation[model.gstr2b.Filing]:
    """Read whether the returns of a period are filed, and whether the taxpayer files each quarter.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/common/track_returns
    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/common/get_filing_preference
    """
    (year, month), (financial, _) = year_and_month(period), financial_year(period)
    query = {"financial_year": f"FY {financial}"}
    return filing(
        gstin,
        period,
        _DATA,
        track=gsp.request("track", "GET", f"{_RETURNS}/{year}/{month:02d}/track"),
        preference=gsp.request("preference", "GET", f"{_RETURNS}/preference", query=query),
    )

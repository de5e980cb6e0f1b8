"""GSTR-2B at Sandbox: compute it anew, the status of that, fetch it; which returns are filed.

https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/regenerate_gstr_2b
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import GatewayError, NotSupported
from ...model.gstr2b import Filing, Gstr2b
from ...model.status import JobStatus
from ...model.vocabulary import year_and_month
from .. import codec
from ..base import Accepted, Conversation
from ..gstn import not_known_yet, nothing_changed
from ..verdicts import envelope_of, gstn_refusal, payload, reference
from . import login

if TYPE_CHECKING:
    from .gsp import Sandbox

_DATA: Final = "data.data"
_PATH: Final = f"{login.TAXPAYER}/gstrs/gstr-2b"


def regenerate(gsp: Sandbox, gstin: str, period: str) -> Conversation[Accepted | JobStatus]:
    """Have a statement computed anew; returns the reference of the job, or a final status at once.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/regenerate_gstr_2b
    """
    year, month = year_and_month(period)
    body = {"rtin": gstin, "itcprd": period} if gsp.regenerate_body == "keys" else None
    path = f"{_PATH}/{year}/{month:02d}/regenerate"
    response = yield gsp.request("regenerate", "POST", path, body=body, changes=True)
    if gstn_refusal(envelope_of(response)) is not None:
        return nothing_changed(response.received_at)
    return Accepted(reference(payload(response, _DATA), "reference_id", _DATA))


def status(gsp: Sandbox, reference_id: str) -> Conversation[JobStatus]:
    """Read the status of a computation.

    https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/gstr-2b/gstr_2b_regeneration_status
    """
    query = {"reference_id": reference_id}
    try:
        response = yield gsp.request("regeneration", "GET", f"{_PATH}/regenerate", query=query)
    except GatewayError as error:
        return not_known_yet(error)
    return codec.read_regeneration(payload(response, _DATA), _DATA, polled_at=response.received_at)


def gstr2b(gsp: Sandbox, gstin: str, period: str, file: int | None = None) -> Conversation[Gstr2b]:
    """Fetch a statement."""
    raise NotSupported("not read yet")


def filings(gsp: Sandbox, gstin: str, period: str) -> Conversation[Filing]:
    """Read whether the returns of a period are filed."""
    raise NotSupported("not read yet")

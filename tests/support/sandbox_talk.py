"""Sandbox by hand, as its tests talk to it, and what every recorded sample is expected to be read into."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from ims_async import (
    GatewayError,
    GatewayUnavailable,
    GoodsType,
    Gstr2bUnavailable,
    ImsError,
    JobKind,
    JobState,
    NotAuthorized,
    RegenerationRefused,
    Sandbox,
    Section,
    SessionExpired,
    SourceForm,
    SupplierSection,
)
from ims_async.gsp.base import Accepted, Request, Response, Token
from ims_async.gsp.codec import read_invoice
from ims_async.model.secret import Secret
from tests.conftest import load
from tests.support import recorded as tape
from tests.support import strategies
from tests.support.recorded import NOW, first_request

GSTIN = "29AAACQ3770E1ZF"
GSP = Sandbox("key_test_demo", "secret_test_demo", test=True)
TAXPAYER = "/gst/compliance/tax-payer"
TOKEN = Token(value=Secret("the session's"))
INVOICE = read_invoice(Section.B2B, strategies.documented_row(Section.B2B))
BY_NAME: dict[str, Callable[[], Any]] = {
    "authenticate": lambda: GSP.authenticate(),
    "otp": lambda: GSP.request_otp("29AAACQ3770E000", "acme.com"),
    "verify": lambda: GSP.verify_otp("29AAACQ3770E000", "acme.com", "575757"),
    "refresh": lambda: GSP.refresh(GSTIN, TOKEN),
    "logout": lambda: GSP.logout(GSTIN, TOKEN),
    "count": lambda: GSP.counts(GSTIN, GoodsType.OTHERS),
    "invoices": lambda: GSP.invoices(GSTIN, Section.B2B, None, strict=True),
    "save": lambda: GSP.save(GSTIN, [INVOICE.accept()]),
    "reset": lambda: GSP.reset(GSTIN, [INVOICE]),
    "status": lambda: GSP.status(GSTIN, "0032e479bcb644c", JobKind.SAVE),
    "regenerate": lambda: GSP.regenerate(GSTIN, "102026"),
    "regeneration": lambda: GSP.status(GSTIN, "0123456789abcde", JobKind.REGENERATE),
    "gstr2b": lambda: GSP.gstr2b(GSTIN, "102026"),
    "filings": lambda: GSP.filings(GSTIN, "102026"),
    "sales": lambda: GSP.sales(GSTIN, 2024, 11, SupplierSection.B2B, SourceForm.GSTR1),
    "added-back-liabilities": lambda: GSP.added_back_liabilities(GSTIN, 2024, 4, SupplierSection.CDNR),
    "unauthorized": lambda: GSP.counts(GSTIN, GoodsType.OTHERS),
}


def recorded(name: str) -> Response:
    """A recorded answer of the vendor's, with its headers as the transport gives them."""
    return tape.recorded(f"sandbox/{name}")


def converse(conversation: Any, *answers: Response) -> tuple[Any, list[Request]]:
    """Drive a conversation of Sandbox's that asks for each of the answers."""
    return tape.converse(conversation, *answers, gsp=GSP)


def answered(conversation: Any, response: Response) -> Any:
    """Drive a conversation that gets the same answer to all that it asks."""
    return tape.drive(conversation, response, response, gsp=GSP)[0]


# -- every recorded sample -------------------------------------------------------------------------------


def _raises(kind: type[ImsError], **facts: Any) -> Callable[[str], None]:
    def look(name: str) -> None:
        with pytest.raises(ImsError) as caught:
            converse(conversation_of(name), recorded(name))
        assert type(caught.value) is kind
        for fact, value in facts.items():
            assert getattr(caught.value, fact) == value

    return look


def _gives(check: Callable[[Any], bool]) -> Callable[[str], None]:
    def look(name: str) -> None:
        value, sent = converse(conversation_of(name), recorded(name))
        assert check(value)
        assert len(sent) == 1

    return look


def _filed(check: Callable[[Any], bool]) -> Callable[[str], None]:
    """Two answers: the returns that are filed, and the preference."""

    def look(name: str) -> None:
        told, preference = [name, "filings-200"], "filings-preference-200"
        value, _ = converse(BY_NAME["filings"](), recorded(told[name == preference]), recorded(preference))
        assert check(value)

    return look


def conversation_of(name: str) -> Any:
    """The conversation that is given a sample."""
    longest = max((start for start in BY_NAME if name.startswith(start)), key=len)
    return BY_NAME[longest]()


def is_what_we_send(name: str) -> None:
    """Compare a recorded login request with ours; bodies of save and reset are in test_codec_writing."""
    sample = load(f"sandbox/{name}")
    request = first_request(BY_NAME[name.partition("-")[0]]())
    assert request.method == sample["method"]
    assert request.target == f"https://test-api.sandbox.co.in{sample['path']}"
    if name in ("otp-request", "verify-request"):
        assert json.loads(request.body or b"") == sample["body"]


EXPECTED: dict[str, Callable[[str], None]] = {
    "added-back-liabilities-200-ims0027": _gives(lambda found: found == []),
    "authenticate-200": _gives(
        lambda token: token.value == Secret("eyJ0e....") and token.expires_at == NOW + 86_400
    ),
    "authenticate-403-bad-credentials": _raises(
        NotAuthorized, code="403", http_status=403, message="Bad Credentials", transaction_id=None
    ),
    "count-200": _gives(lambda counts: counts.total == 12 and counts[Section.B2B].no_action == 11),
    "filings-200": _filed(lambda filing: str(filing.gstr3b_filed_on) == "2026-11-19"),
    "filings-200-ret13510": _filed(lambda filing: filing.gstr3b_filed_on is None),
    "filings-preference-200": _filed(lambda filing: filing.quarterly is False),
    "gstr2b-200": _gives(lambda found: len(found.documents) == 13 and not found.summary_only),
    "gstr2b-200-before-october-2024": _gives(
        lambda found: [str(one.tax.total) for one in found.documents] == ["77.10", "77.10", "1450"]
    ),
    "gstr2b-200-file": _gives(lambda found: len(found.documents) == 1 and found.generated_on is None),
    "gstr2b-200-ret2b1016": _gives(lambda found: found.documents == () and not found.summary_only),
    "gstr2b-200-ret2b1023": _raises(
        Gstr2bUnavailable, code="RET2B1023", http_status=200, ready_on=dt.date(2026, 11, 14)
    ),
    "gstr2b-200-summary": _gives(lambda found: (found.files, found.summary_only) == (2, True)),
    "invoices-200-b2b": _gives(
        lambda rows: (
            len(rows) == 12
            and [row.action.value for row in rows].count("A") == 1
            and str(rows[1].value) == "2605.44"
            and rows.problems == ()
        )
    ),
    "invoices-200-b2b-accepted": _gives(
        lambda rows: (
            [(row.number, str(row.cgst), row.supplier_filed) for row in rows]
            == [("AO2SA2425002517", "10883.91", False)]
        )
    ),
    "logout-200": _gives(lambda nothing: nothing is None),
    "otp-200": _gives(lambda nothing: nothing is None),
    "otp-200-auth403": _raises(
        NotAuthorized, code="AUTH403", http_status=200, transaction_id="7047f26a-0993-4cab-8e7c-553034d3a3b4"
    ),
    "otp-200-tec4001": _raises(GatewayUnavailable, code="TEC4001", http_status=200),
    "otp-422-invalid-gstin": _raises(
        GatewayError, code="422", http_status=422, message="Invalid GSTIN pattern"
    ),
    "otp-request": is_what_we_send,
    "refresh-200": _gives(
        # The session ends one second before its token does: the earlier counts.
        lambda token: token.value == Secret("<jwt>") and token.expires_at == 1_712_947_710.0
    ),
    "regenerate-200": _gives(lambda accepted: accepted == Accepted("0123456789abcde")),
    "regenerate-200-ims2b007": _raises(RegenerationRefused, code="IMS2B007", not_before=None),
    "regenerate-200-ims2b009": _raises(RegenerationRefused, code="IMS2B009", not_before=dt.date(2025, 5, 14)),
    "regeneration-200": _gives(
        lambda status: (status.state, status.raw_code, status.error_code) == (JobState.SUCCEEDED, "P", "")
    ),
    "regeneration-200-ims0008": _gives(
        lambda status: (status.state, status.error_code) == (JobState.PROCESSING, "IMS0008")
    ),
    "reset-200": _gives(lambda accepted: accepted == Accepted("b34b5a43e4b1")),
    "reset-request": is_what_we_send,
    "sales-200-ret11416": _gives(lambda found: found == []),
    "save-200": _gives(lambda accepted: accepted == Accepted("0032e479bcb644c")),
    "save-request": is_what_we_send,
    "save-request-older": is_what_we_send,
    "status-200-processed": _gives(
        lambda status: (
            (status.state, status.raw_code, status.processed, status.errors, status.error_code)
            == (JobState.PROCESSING, "P", 8, None, "")
        )
    ),
    "status-200-processed-with-error": _gives(
        lambda status: (
            (status.state, status.processed, status.errors) == (JobState.PARTIAL, 10, 2)
            and [(e.section, e.number, e.return_period, e.supplier, e.code) for e in status.error_report]
            == [
                (Section.B2B, "invoice-b2b", "042023", "32TAAOA2947A1Z7", "IMSSAV0010"),
                (Section.B2BDN, "invoice-dn", "042023", "32TAAOA2947A1Z7", "IMSSAV0010"),
            ]
        )
    ),
    "status-200-schema-validation-failure": _gives(
        lambda status: (
            (status.state, status.error_code, status.error_message, status.errors)
            == (JobState.FAILED, "IMSSAV005", "Schema validation failure", 0)
        )
    ),
    "unauthorized-401": _raises(NotAuthorized, code="401", http_status=401),
    "verify-200": _gives(
        lambda token: (
            token.value == Secret("{{$headers 'authorization'}}") and token.expires_at == 1_712_947_711.0
        )
    ),
    "verify-200-auth4033": _raises(SessionExpired, code="AUTH4033", http_status=200),
    "verify-500-invalid-gstin": _raises(
        GatewayError, code="422", http_status=500, message="Invalid GSTIN pattern"
    ),
    "verify-request": is_what_we_send,
}

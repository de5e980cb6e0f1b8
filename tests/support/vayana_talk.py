"""Vayana by hand, as its tests talk to it: one conversation for each operation, driven without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ims_async import Action, Download, GoodsType, JobKind, Section, SourceForm, SupplierSection, Vayana
from ims_async.gsp.base import Part, Request, Response, Token, Verdict
from ims_async.gsp.codec import read_invoice
from ims_async.model.secret import Secret
from tests.conftest import eas, envelope
from tests.support import recorded as tape
from tests.support import strategies
from tests.support.recorded import FINE, answer, first_request

GSTIN = "33GSPTN0792G1Z4"
RECIPIENT = "20MAYAS0100J1ZX"
TASK = "2a51e392-529c-4b5a-bfd8-ca14d510a68d"
REFERENCE = "0032e479bcb644c"
OTP_REQUEST = "c7d5da63-c532-43ff-9c32-e6e43dd58072"
GOODS = {GoodsType.OTHERS: "ALL_OTH", GoodsType.INWARD_SUPPLIES: "INV_SUPP"}
GSP = Vayana("org-1", "user-token", test=True, goods_types=GOODS)
V1 = Vayana("org-1", "user-token", test=True, auth_version="v1.0")
REGENERATING = attrs.evolve(GSP, regenerate_path="gen2b", regenerate_status_path="sts2b")
BASIC = Vayana("org-1", "user-token", test=True, downloads="basic")
USER = Vayana("org-1", handle="user@example.com", password="password", test=True, token_minutes=360)
HOST = "https://solo.enriched-api.vayana.com"
SSO = "https://sandbox.services.vayananet.com/theodore/apis/v1"
AUTHENTICATE = "/basic/gstn/v3.0/taxpayerapi/v0.2/authenticate"
IMS = "/basic/gstn/v1.0/taxpayerapi/v0.3/returns/ims"
ENRICHED = "/enriched/gstn/v1.0"
TASKS = "/enriched/tasks/v1.0"
SESSION = Token(value=Secret("5ec6bafa-6ad2-4641-82ec-80511b45e30b"))
INVOICE = read_invoice(Section.B2B, strategies.documented_row(Section.B2B))
DOWNLOAD = Download(
    gsp="vayana",
    host="solo.enriched-api.vayana.com",
    gstin=GSTIN,
    section=Section.B2B,
    reference=f"task/{TASK}",
    route="pages from 0",
)
QUEUED = attrs.evolve(DOWNLOAD, reference="file/d3a5", route="")
PAGE = Part(f"{TASK}/page/0")
FILE = Part("/taxpayerapi-doc/{unique-key}", Secret("Fni+ZDUy33UH55tDJsBsimNFDlZ"))

BY_NAME: dict[str, Callable[[], Any]] = {
    "authenticate": lambda: USER.authenticate(),
    "account_refresh": lambda: GSP.authenticate(Token(value=Secret("old"))),
    "account_logout": lambda: GSP.sign_out(Token(value=Secret("old"))),
    "otp": lambda: GSP.request_otp(GSTIN, "vayana.tn.2"),
    "verify": lambda: GSP.verify_otp(GSTIN, "vayana.tn.2", "123456", OTP_REQUEST),
    "refresh": lambda: GSP.refresh(GSTIN, SESSION),
    "logout": lambda: GSP.logout(GSTIN, SESSION),
    "save": lambda: GSP.save(GSTIN, [INVOICE.accept()]),
    "reset": lambda: GSP.reset(GSTIN, [INVOICE]),
    "status": lambda: GSP.status(GSTIN, TASK, JobKind.SAVE, "task"),
    "reference": lambda: GSP.status(GSTIN, REFERENCE, JobKind.RESET, "gstn"),
    "regenerate": lambda: REGENERATING.regenerate(GSTIN, "102026"),
    "regeneration": lambda: REGENERATING.status(GSTIN, REFERENCE, JobKind.REGENERATE),
    "gstr2b": lambda: GSP.gstr2b("27AAAAA0000A1Z5", "102026"),
    "filings": lambda: GSP.filings(GSTIN, "102026"),
    "count": lambda: GSP.counts(GSTIN, GoodsType.OTHERS),
    "invoices": lambda: GSP.invoices(GSTIN, Section.B2BDN, Action.ACCEPT, strict=True),
    "getinv": lambda: BASIC.invoices(GSTIN, Section.B2BCNA, None, strict=True),
    "prepared": lambda: GSP.prepared(DOWNLOAD),
    "filedet": lambda: GSP.prepared(QUEUED),
    "page": lambda: GSP.part(DOWNLOAD, PAGE, strict=True),
    "file": lambda: GSP.part(QUEUED, FILE, strict=True),
    "sales": lambda: GSP.sales(GSTIN, 2024, 11, SupplierSection.B2B, SourceForm.GSTR1),
}
"""One conversation for each operation; `status` and `prepared` go on to the result of their task."""


def recorded(name: str) -> Response:
    """A recorded answer of the vendor's."""
    return tape.recorded(f"vayana/{name}")


def drive(conversation: Any, *answers: Response) -> tuple[Any, list[Request], int]:
    """Drive a conversation of Vayana's."""
    return tape.drive(conversation, *answers, gsp=GSP)


def converse(conversation: Any, *answers: Response) -> tuple[Any, list[Request]]:
    """Drive a conversation that asks for each of the answers."""
    return tape.converse(conversation, *answers, gsp=GSP)


def inward() -> Any:
    """Count another kind of goods."""
    return GSP.counts(GSTIN, GoodsType.INWARD_SUPPLIES)


def _token(value: str) -> Callable[[Any], bool]:
    return lambda token: token == Token(value=Secret(value))


READ = first_request(BY_NAME["count"]())


def judge(response: Response, request: Request = READ) -> Verdict:
    """Judge an answer; a verdict that is not fine has an error."""
    verdict = GSP.judge(request, response)
    assert (verdict.error is None) is (verdict.kind is FINE)
    return verdict


KEY = eas("err-some-key", "ClientRequest")
BARE = {"error": {"message": "err-some-key", "type": "ClientError"}}


def task(word: object, **rest: Any) -> Response:
    """The status of a task, in the flat form."""
    return answer(200, envelope({"id": TASK, "status": word, **rest}))

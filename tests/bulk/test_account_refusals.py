"""Whose credential a refusal is about, the account's or one taxpayer's, as each GSP's answers say it."""

from __future__ import annotations

from typing import Any

import pytest

from ims_async import ImsClient, NotAuthorized, OtpRequired, Sandbox, SessionExpired, Vayana
from ims_async.bulk.outage import is_everybodys
from ims_async.gsp.base import Gsp, Needs, Request, Response
from ims_async.simulator.http import write

from ..conftest import eas, from_gstn

SANDBOX = Sandbox("key_test_demo", "secret_test_demo")
TOO_MANY = "err-active-tokens-limit-exceeded"
VAYANA = Vayana("org-demo", user_token="token_test_demo")


def sandbox(code: int, message: str) -> dict[str, Any]:
    """Return Sandbox's own envelope of an error."""
    return {"code": code, "message": message}


@pytest.mark.parametrize(
    ("gsp", "needs", "status", "content", "kind", "of_all"),
    [
        (SANDBOX, Needs.TAXPAYER, 401, sandbox(401, "Unauthorized"), NotAuthorized, True),
        (SANDBOX, Needs.NONE, 403, sandbox(403, "Bad Credentials"), NotAuthorized, True),
        (SANDBOX, Needs.ACCOUNT, 403, sandbox(403, "Access token expired"), NotAuthorized, True),
        (SANDBOX, Needs.TAXPAYER, 403, sandbox(403, "Access token expired"), SessionExpired, False),
        (SANDBOX, Needs.TAXPAYER, 403, sandbox(403, "Insufficient privilege"), NotAuthorized, False),
        (VAYANA, Needs.ACCOUNT, 403, eas("err-invalid-org", "Authorization"), NotAuthorized, True),
        (VAYANA, Needs.ACCOUNT, 403, eas("err-expired-token", "Authorization"), NotAuthorized, True),
        (VAYANA, Needs.ACCOUNT, 401, eas(TOO_MANY, "Authorization"), NotAuthorized, True),
        (VAYANA, Needs.ACCOUNT, 403, eas("err-of-no-page", "Authorization"), NotAuthorized, False),
        (VAYANA, Needs.ACCOUNT, 401, from_gstn("AUTH4033"), SessionExpired, False),
        (VAYANA, Needs.ACCOUNT, 401, from_gstn("RETOTPREQUEST"), OtpRequired, False),
        (VAYANA, Needs.ACCOUNT, 401, from_gstn("AUTH403"), NotAuthorized, False),
    ],
)  # fmt: skip
def test_a_refusal_says_whose_credential_it_is_about(
    gsp: Gsp, needs: Needs, status: int, content: dict[str, Any], kind: type[NotAuthorized], of_all: bool
) -> None:
    """What the GSP says of its own users is the account's; what GSTN says is the taxpayer's."""
    request = Request(operation="count", method="GET", url="https://gsp.example/count", needs=needs)
    verdict = gsp.judge(request, Response(status=status, headers={}, body=write(content)))
    assert type(verdict.error) is kind
    assert is_everybodys(verdict.error) is of_all


@pytest.mark.parametrize("gsp", [Sandbox("key_test_demo"), Vayana("org-demo", handle="x", password="y")])
async def test_what_the_account_lacks_is_everybodys(gsp: Gsp) -> None:
    """No secret to log in with; a login that is refused."""

    class Refuses:
        def handle(self, *_: Any, **__: Any) -> tuple[int, dict[str, str], bytes]:
            return 403, {}, write(eas("err-invalid-credentials", "Authorization"))

    async with ImsClient(gsp, transport=Refuses()) as client:
        with pytest.raises(NotAuthorized) as caught:
            await client.taxpayer("29AAACQ3770E1ZF").request_otp("name")
    assert caught.value.of_account
    assert is_everybodys(caught.value)

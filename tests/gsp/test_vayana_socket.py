"""Vayana over real sockets: a change is sent once, whatever comes back, and a refusal is no outage."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from ims_async import (
    Decision,
    GatewayError,
    GatewayUnavailable,
    ImsClient,
    ImsJob,
    Invoice,
    JobKind,
    JobState,
    OutcomeUnknown,
    RetryPolicy,
    Section,
    Taxpayer,
    Timeouts,
    Vayana,
)
from ims_async.gsp.codec import read_invoice

from ..conftest import eas, envelope, from_gstn
from ..support import strategies
from ..support.sockets import Answer, Server, drop, reply, serving, silence

GSTIN = "29AAACQ3770E1ZF"
INVOICE = read_invoice(Section.B2B, strategies.documented_row(Section.B2B))
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
TASK = "2a51e392-529c-4b5a-bfd8-ca14d510a68d"
COUNTED = {"all_oth": {"ttl_cnt": 3}}
Change = Callable[[Taxpayer], Coroutine[Any, Any, ImsJob]]


def told(content: object, status: str = "200 OK") -> Answer:
    """Answer in Vayana's envelope."""
    return reply(json.dumps(content).encode(), status=status)


@pytest.fixture
async def clients() -> AsyncIterator[Callable[[Server], ImsClient]]:
    """Make clients over the real transport that try twice without delay, and close them afterwards."""
    made: list[ImsClient] = []

    def make(server: Server) -> ImsClient:
        gsp = Vayana("org-1", "user-token", base_url=server.url)
        retry = RetryPolicy(max_tries=2, initial=0.0)
        made.append(ImsClient(gsp, retry=retry, timeouts=Timeouts(connect=0.1, read=0.1)))
        return made[-1]

    yield make
    for client in made:
        await client.aclose()


def acme(client: ImsClient) -> Taxpayer:
    """The taxpayer, with the name of a session."""
    return client.taxpayer(GSTIN, token="session-1", check=False)


DECISION: Decision = INVOICE.accept()
CHANGES: list[tuple[JobKind, Change, Decision | Invoice]] = [
    (JobKind.SAVE, lambda taxpayer: taxpayer.save([DECISION]), DECISION),
    (JobKind.RESET, lambda taxpayer: taxpayer.reset([INVOICE]), INVOICE),
]
BOTH = pytest.mark.parametrize(("kind", "change", "record"), CHANGES, ids=["save", "reset"])


def puts(server: Server) -> list[str]:
    """The paths of the changes that arrived."""
    return [line.split()[1] for line in server.lines if line.startswith("PUT /enriched")]


@BOTH
@pytest.mark.parametrize(
    "lost",
    [
        drop(),
        drop(b"HTTP/1.1 200 OK\r\nContent-Le"),
        drop(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"status":"1","data":{"task-'),
        silence(),
        reply(b'{"status":"1","data":{"task-'),
        told(envelope({})),
        told({"reference_id": "0032e479bcb644c"}),
        reply(HTML),
        reply(HTML, status="502 Bad Gateway"),
        reply(b"", status="503 Service Unavailable"),
        told(eas("err-some-key", "Runtime"), "500 Internal Server Error"),
        told(from_gstn("TEC4001"), "502 Bad Gateway"),
    ],
    ids=["dropped", "half a head", "half a body", "silence", "half an envelope", "no task", "no envelope",
         "a page", "502", "503", "500", "GSTN down"],
)  # fmt: skip
async def test_a_change_that_was_applied_and_not_answered_is_sent_once(
    kind: JobKind,
    change: Change,
    record: Decision | Invoice,
    lost: Answer,
    clients: Callable[[Server], ImsClient],
) -> None:
    """The gateway accepted it; the caller gets `OutcomeUnknown`, with the records."""
    async with serving(told(envelope(COUNTED)), lost) as server:
        taxpayer = acme(clients(server))
        await taxpayer.counts()  # so that the change goes over a kept connection
        with pytest.raises(OutcomeUnknown, match="reconcile") as caught:
            await change(taxpayer)
    assert puts(server) == [
        f"/enriched/gstn/v1.0/ims-invoice-status-{'update' if kind is JobKind.SAVE else 'reset'}"
    ]
    sent = json.loads(server.heard[1].body)
    assert (sent["reqtyp"], sent["rtin"], len(sent["invdata"]["b2b"])) == (kind.value, GSTIN, 1)
    job = caught.value.job
    assert job is not None
    assert (job.kind, job.reference_id, job.submitted) == (kind, None, 1)
    assert job.records is not None
    assert job.records[0] is record
    assert job.status.state is JobState.UNKNOWN
    assert taxpayer.unfinished() == [job]


@BOTH
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (from_gstn("IMSSAV0010", "edited"), "IMSSAV0010"),
        (eas("err-gstn-returned-error", "Gstn", details=[{"code": "X"}]), "err-gstn-returned-error"),
    ],
)
async def test_a_change_that_gstn_refused_is_no_outage(
    kind: JobKind,
    change: Change,
    record: Decision | Invoice,
    body: object,
    code: str,
    clients: Callable[[Server], ImsClient],
) -> None:
    """It was not applied: 502 with GSTN's error raises that error, is not sent again, and delays none."""
    async with serving(told(body, "502 Bad Gateway"), told(envelope({"task-id": TASK}))) as server:
        taxpayer = acme(clients(server))
        with pytest.raises(GatewayError) as caught:
            await change(taxpayer)
        assert type(caught.value) is GatewayError
        assert (caught.value.code, caught.value.http_status) == (code, 502)
        assert len(puts(server)) == 1
        assert taxpayer.unfinished() == []
        assert (await change(taxpayer)).reference_id == TASK
    assert len(server.lines) == 2


@BOTH
async def test_a_change_that_met_an_ended_session_is_sent_again_after_its_refresh(
    kind: JobKind, change: Change, record: Decision | Invoice, clients: Callable[[Server], ImsClient]
) -> None:
    """GSTN did nothing with it; the session's new name is asked for once."""
    answers = (
        told(from_gstn("RET11402"), "502 Bad Gateway"),
        told(envelope({"gst-session-id": "session-2"})),
        told(envelope({"task-id": TASK})),
    )
    async with serving(*answers) as server:
        job = await change(acme(clients(server)))
    assert (job.reference_id, job.kind) == (TASK, kind)
    assert [line.split()[0] for line in server.lines] == ["PUT", "POST", "PUT"]
    assert server.heard[0].body == server.heard[2].body
    assert json.loads(server.heard[1].body) == {"gst-session-id": "session-1"}
    assert server.heard[1].header("action") == "REFRESHTOKEN"
    assert {request.header("x-flynn-n-user-token") for request in server.heard} == {"user-token"}


async def test_a_read_that_met_an_outage_is_asked_again(clients: Callable[[Server], ImsClient]) -> None:
    """A page under 502 and a dropped connection heal; both tries are the same."""
    for outage in (reply(HTML, status="502 Bad Gateway"), drop()):
        async with serving(outage, told(envelope(COUNTED))) as server:
            assert (await acme(clients(server)).counts()).total == 3
        assert len(server.lines) == 2
        assert len(set(server.lines)) == 1


async def test_a_read_that_meets_an_outage_each_time_says_so(clients: Callable[[Server], ImsClient]) -> None:
    """As often as the policy allows."""
    async with serving(reply(HTML, status="502 Bad Gateway")) as server:
        with pytest.raises(GatewayUnavailable) as caught:
            await acme(clients(server)).counts()
    assert (caught.value.http_status, len(server.lines)) == (502, 2)


@pytest.mark.parametrize(
    "body",
    [
        from_gstn("RET99999"),
        eas("err-gstn-returned-error", "Gstn"),
        eas("err-aes-decryption-failed", "Runtime"),
    ],
)
async def test_a_read_that_was_refused_under_502_is_not_asked_again(
    body: object, clients: Callable[[Server], ImsClient]
) -> None:
    """Asking once more would be billed, and answered alike."""
    async with serving(told(body, "502 Bad Gateway")) as server:
        with pytest.raises(GatewayError) as caught:
            await acme(clients(server)).counts()
    assert type(caught.value) is GatewayError
    assert len(server.lines) == 1


async def test_what_leaves_names_organisation_and_taxpayer(clients: Callable[[Server], ImsClient]) -> None:
    """The headers as they are on the wire; an address of a file reaches it as it was given."""
    async with serving(told(envelope(COUNTED))) as server:
        await acme(clients(server)).counts()
    heard = server.heard[0]
    assert heard.line == (
        f"GET /basic/gstn/v1.0/taxpayerapi/v0.3/returns/ims/GETCNT?gstin={GSTIN}&goods_typ=ALL_OTH HTTP/1.1"
    )
    names = ("x-flynn-n-org-id", "x-flynn-n-gstin", "x-flynn-n-gstn-gsp-code", "x-flynn-n-user-token",
             "accept", "content-type", "authorization")  # fmt: skip
    assert [heard.header(name) for name in names] == [
        "org-1", GSTIN, "vay", "user-token", "application/json", None, None,
    ]  # fmt: skip

"""Driving a conversation: what is sent again, when, how often, and what is never sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping
from typing import Any

import attrs
import pytest

from ims_async import (
    ClientClosed,
    GatewayError,
    GatewayUnavailable,
    ImsClient,
    ImsError,
    NotAuthorized,
    NotSent,
    OtpRequired,
    OutcomeUnknown,
    QuotaExhausted,
    RateLimit,
    RateLimited,
    RetryPolicy,
    Sandbox,
    SessionExpired,
    UnexpectedAnswer,
    Vayana,
)
from ims_async.gsp.base import Needs, Request, Response, Token, Verdict, VerdictKind
from ims_async.gsp.codec.json import PAUSE, Pause
from ims_async.model.secret import Secret
from ims_async.net.credentials import Credentials
from ims_async.net.exchange import Exchange
from ims_async.net.outgoing import Outgoing
from ims_async.net.rate_limit import Pacer
from ims_async.net.transport import AnswerLost, KeptConnectionLost
from ims_async.simulator import Simulator

from ..conftest import from_gstn, make_client

pytestmark = pytest.mark.looptime

EPOCH = 1_746_530_932.0
READ = Request(operation="count", method="GET", url="https://g.example/count", needs=Needs.NONE)
SAVE = Request(operation="save", method="POST", url="https://g.example/save", needs=Needs.NONE, changes=True)
LOST, LEFT_NOT = AnswerLost("no whole answer came back"), NotSent("never left this machine")
DROPPED = KeptConnectionLost("no whole answer came back")


def now() -> float:
    """Seconds on the loop's clock, which starts at 0 in each test."""
    return asyncio.get_running_loop().time()


def wall() -> float:
    """The same as wall time."""
    return EPOCH + now()


def answer(status: int = 200, content: Any = None, **headers: str) -> Response:
    """Return an answer with JSON, or with the very bytes."""
    if content is None:
        content = {"code": status, "data": "fine"} if status == 200 else {"code": status, "message": "no"}
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=named, body=body, received_at=wall())


class Script:
    """A transport with scripted answers and a log of its requests and their times."""

    def __init__(self, *outcomes: Response | Exception) -> None:
        self._left = list(outcomes)
        self.sent: list[Request] = []
        self.times: list[float] = []
        self.closed = False

    async def send(self, request: Request) -> Response:
        """Play the next outcome; the last one repeats."""
        await asyncio.sleep(0)
        self.sent.append(request)
        self.times.append(now())
        outcome = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return attrs.evolve(outcome, received_at=wall())

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


class NumberedCredential:
    """A credential whose tokens are numbered."""

    def __init__(self) -> None:
        self.number, self.renewals = 1, 0
        self.failing: ImsError | None = None
        self.stale = False

    async def current(self) -> Token:
        """Hand out the token at hand, renewed where it is stale."""
        if self.stale:
            await self.renew(self.token)
        return self.token

    async def renew(self, refused: Token) -> Token:
        """Go on to the next number."""
        self.renewals += 1
        if self.failing:
            raise self.failing
        if refused.value == self.token.value:
            self.number, self.stale = self.number + 1, False
        return self.token

    @property
    def token(self) -> Token:
        """The token at hand."""
        return Token(value=Secret(f"token {self.number}"))

    @property
    def ready(self) -> Token | None:
        """The token at hand, if it is not stale."""
        return None if self.stale else self.token

    @property
    def held(self) -> Token:
        """The token at hand, stale or not."""
        return self.token


def asking(*requests: Request) -> Generator[Request | Pause, Response, Any]:
    """Ask each in turn; the value is the `data` of the last answer."""
    data = None
    for request in requests:
        data = (yield request).json()["data"]
    return data


def exchange(script: Any, *, rate: RateLimit | None = None, gsp: Any = None, **policy: Any) -> Exchange:
    """Return an exchange in virtual time."""
    return Exchange(
        gsp or Sandbox("key", "secret"),
        script,
        retry=RetryPolicy(**policy),
        pacer=Pacer(rate, clock=wall),
        clock=wall,
    )


async def run(script: Script, request: Request, *, retry: bool = True, **policy: Any) -> Any:
    """Drive a conversation of one request that needs no credential; a change goes out as one."""
    way = exchange(script, **policy)
    if request.changes:
        return await sent(way, request)
    return await way.run(asking(request), Credentials(), retry=retry)


async def sent(way: Exchange, *requests: Request) -> Any:
    """Send a change until there is an answer that can be believed."""
    with Outgoing(way, asking(*requests), Credentials()) as outgoing:
        while True:
            async with outgoing.ready():
                value = await outgoing.send()
            if value is not None:
                return value
            await outgoing.try_again()
            await outgoing.rest()


# -- reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [LOST, LEFT_NOT, 500, 502, 503, 504], ids=str)
async def test_a_read_is_tried_again_with_the_delays_of_the_policy(trouble: Any) -> None:
    """Half a second, then one, each a tenth longer at most."""
    outcome = answer(trouble) if isinstance(trouble, int) else trouble
    script = Script(outcome, outcome, answer())
    assert await run(script, READ) == "fine"
    first, second, third = script.times
    assert first == 0.0
    assert 0.5 <= second - first <= 0.56
    assert 1.0 <= third - second <= 1.11


async def test_the_tries_of_a_read_are_bounded() -> None:
    """After the last one its own error comes out, as it was."""
    script = Script(LEFT_NOT, LOST, answer(503, {"code": 503, "message": "the third"}))
    with pytest.raises(GatewayUnavailable, match="the third"):
        await run(script, READ, max_tries=3)
    assert len(script.sent) == 3


async def test_the_time_of_a_read_is_bounded() -> None:
    """No try begins after it, however many are left: 0, 4, 12 s, and 28 s would be too late."""
    script = Script(LOST)
    with pytest.raises(AnswerLost):
        await run(script, READ, max_tries=100, max_time=20.0, initial=4.0, max_interval=60.0)
    assert len(script.sent) == 3
    assert now() < 14.0


async def test_a_poll_is_sent_once() -> None:
    """The next poll is its retry."""
    script = Script(LOST)
    with pytest.raises(AnswerLost):
        await run(script, READ, retry=False)
    assert len(script.sent) == 1


@pytest.mark.parametrize("retry", [True, False], ids=["a read", "a poll"])
async def test_a_read_whose_kept_connection_ended_unanswered_is_asked_once_more(retry: bool) -> None:
    """At once, over a fresh connection, and it costs no try; the second time it is a lost answer."""
    script = Script(DROPPED, answer())
    assert await run(script, READ, retry=retry) == "fine"
    assert [request.fresh for request in script.sent] == [False, True]
    assert script.times == [0.0, 0.0]
    script = Script(DROPPED)
    with pytest.raises(AnswerLost):
        await run(script, READ, retry=retry, max_tries=2)
    assert [request.fresh for request in script.sent] == [False, True] * (2 if retry else 1)


@pytest.mark.parametrize("asked", [SAVE, attrs.evolve(SAVE, operation="verify", changes=False)])
async def test_what_must_not_be_repeated_is_not(asked: Request) -> None:
    """A change, and an OTP."""
    script = Script(DROPPED, answer())
    with pytest.raises(OutcomeUnknown if asked.changes else AnswerLost):
        await run(script, asked)
    assert len(script.sent) == 1


async def test_asking_once_more_counts_as_a_request() -> None:
    """The gateway counts it, and so does the budget: with one a minute it goes out a minute later."""
    script = Script(DROPPED, answer())
    paced = exchange(script, rate=RateLimit(1))
    assert await paced.run(asking(READ), Credentials()) == "fine"
    assert script.times[1] >= 60.0


async def test_setting_the_wall_clock_back_does_not_lengthen_the_tries() -> None:
    """The time of all tries goes by the loop's clock."""
    script = Script(LOST)
    shifts = iter(range(0, 10**9, 3600))
    way = Exchange(
        Sandbox("key", "secret"),
        script,
        retry=RetryPolicy(max_tries=100, max_time=20.0),
        pacer=Pacer(None, clock=wall),
        clock=lambda: EPOCH - next(shifts),
    )
    with pytest.raises(AnswerLost):
        await way.run(asking(READ), Credentials())
    assert now() < 21.0


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"code":200,"da', b"[]", b'{"code":200}'], ids=repr)
async def test_a_read_whose_answer_is_no_answer_is_unexpected(body: bytes) -> None:
    """Status 200 or not; it is not asked for again, since it would come again."""
    script = Script(answer(200, body))
    with pytest.raises((UnexpectedAnswer, KeyError, TypeError)) as caught:
        await run(script, READ)
    if body not in (b"[]", b'{"code":200}'):  # those are for the conversation to refuse
        assert type(caught.value) is UnexpectedAnswer
    assert len(script.sent) == 1


async def test_an_answer_that_was_refused_unread_is_not_asked_for_again() -> None:
    """One over the size limit would be over it again."""
    script = Script(UnexpectedAnswer("the answer is longer than 1,000 bytes"))
    with pytest.raises(UnexpectedAnswer):
        await run(script, READ)
    assert len(script.sent) == 1


async def test_a_conversation_may_catch_an_error_and_go_on() -> None:
    """The error is thrown into it where it asked."""

    def patient() -> Generator[Request | Pause, Response, str]:
        try:
            yield READ
        except GatewayError as error:
            assert error.http_status == 404
            return "none"
        return "some"

    script = Script(answer(404))
    assert await exchange(script).run(patient(), Credentials()) == "none"


async def test_a_conversation_may_ask_something_else_after_an_error() -> None:
    """What it yields then is sent like anything else."""

    def inventive() -> Generator[Request | Pause, Response, str]:
        try:
            yield READ
        except GatewayError:
            response = yield attrs.evolve(READ, operation="other")
        return str(response.json()["data"])

    script = Script(answer(404), answer())
    assert await exchange(script).run(inventive(), Credentials()) == "fine"
    assert [request.operation for request in script.sent] == ["count", "other"]


# -- changes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [LOST, 500, 502, 503, 504, UnexpectedAnswer("too long")], ids=str)
async def test_a_change_that_may_have_taken_effect_is_never_sent_again(trouble: Any) -> None:
    """Its outcome is unknown, and what happened is the cause."""
    outcome = answer(trouble) if isinstance(trouble, int) else trouble
    script = Script(outcome)
    with pytest.raises(OutcomeUnknown, match="may or may not have taken effect") as caught:
        await run(script, SAVE)
    assert len(script.sent) == 1
    assert isinstance(caught.value.__cause__, ImsError)


async def test_a_change_that_never_left_is_sent_again() -> None:
    """And when it never leaves, that is what is said: sending it later is safe."""
    script = Script(LEFT_NOT, LEFT_NOT, answer())
    assert await run(script, SAVE) == "fine"
    assert len(script.sent) == 3
    with pytest.raises(NotSent):
        await run(Script(LEFT_NOT), SAVE)


async def test_a_change_that_left_at_the_second_try_is_not_sent_a_third_time() -> None:
    """It is the last try that counts."""
    script = Script(LEFT_NOT, LOST, answer())
    with pytest.raises(OutcomeUnknown):
        await run(script, SAVE)
    assert len(script.sent) == 2


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"code":200,"da', b"\xff\xfe"], ids=repr)
async def test_a_change_whose_answer_cannot_be_read_has_an_unknown_outcome(body: bytes) -> None:
    """Status 200 or not: a page of a proxy is no reference id."""
    script = Script(answer(200, body))
    with pytest.raises(OutcomeUnknown, match="cannot be read"):
        await run(script, SAVE)
    assert len(script.sent) == 1


async def test_a_change_that_was_throttled_is_sent_again() -> None:
    """429 is proof that nothing was done."""
    script = Script(answer(429, retry_after="30"), answer())
    assert await run(script, SAVE) == "fine"
    assert 30.0 <= script.times[1] <= 33.1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
async def test_a_change_that_was_refused_fails_as_what_it_is(status: int) -> None:
    """Nothing was done, and nothing is unknown: the answer is in the gateway's own envelope."""
    script = Script(answer(status))
    with pytest.raises(ImsError) as caught:
        await run(script, SAVE)
    assert not isinstance(caught.value, OutcomeUnknown | GatewayUnavailable)
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 400, 404, 405, 408, 409, 422, 423, 425, 499])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"message":"no"}', b'{"code":409,"message":"no"}'], ids=repr
)
async def test_a_change_that_a_proxy_answered_has_an_unknown_outcome(status: int, body: bytes) -> None:
    """A proxy's page, or nothing, proves nothing: the gateway may have acted before."""
    script = Script(answer(status, body))
    with pytest.raises(OutcomeUnknown, match="may or may not have taken effect"):
        await run(script, SAVE)
    assert len(script.sent) == 1


@pytest.mark.parametrize("status", [401, 403, 413, 429])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message":"no"}'], ids=repr)
async def test_a_change_that_was_rejected_was_not_done(status: int, body: bytes) -> None:
    """The API gateway in front has a body of its own, and lets nothing through that it refuses."""
    script = Script(answer(status, body))
    with pytest.raises(ImsError) as caught:
        await run(script, SAVE, max_tries=1)
    assert not isinstance(caught.value, OutcomeUnknown | GatewayUnavailable)


async def test_a_change_takes_one_request() -> None:
    """So no answer to another one can be taken for its outcome: a GSP that asks for more has a defect."""
    script = Script(answer(), answer(200, b"<html>"))
    with pytest.raises(RuntimeError, match="takes one request"):
        await sent(exchange(script), SAVE, READ)
    assert len(script.sent) == 1


# -- the gateway's "not before" ------------------------------------------------------------------------


async def test_a_hint_is_waited_for_on_top_of_our_own_time() -> None:
    """A minute and a half, though all tries together may take ten seconds."""
    script = Script(answer(429, retry_after="90"), LOST, answer())
    assert await run(script, READ, max_time=10.0) == "fine"
    assert 90.0 <= script.times[1] <= 99.1
    assert len(script.sent) == 3


async def test_a_hint_is_lengthened_by_jitter_only() -> None:
    """A hundred who were refused at once do not all come back in the same moment."""
    script = Script(*[answer(429, retry_after="60")] * 100, answer())
    await asyncio.gather(*(run(script, READ) for _ in range(100)))
    times = script.times[100:]
    assert all(60.0 <= at <= 66.1 for at in times)
    assert len(set(times)) > 90


async def test_a_hint_that_has_passed_leaves_the_delay_of_the_policy() -> None:
    """A gateway whose clock is late does not make us hurry."""
    script = Script(answer(429, x_ratelimit_reset=str(EPOCH - 3600)), answer())
    assert await run(script, READ) == "fine"
    assert 0.5 <= script.times[1] <= 0.56


@pytest.mark.parametrize("request_", [READ, SAVE], ids=["read", "save"])
async def test_an_absurd_hint_raises_instead_of_sleeping(request_: Request) -> None:
    """The error says how long it would have been; others are not held up either."""
    script = Script(answer(429, retry_after="3600"), answer())
    way = exchange(script, max_hint=120.0)
    with pytest.raises(RateLimited) as caught:
        await (sent(way, request_) if request_.changes else way.run(asking(request_), Credentials()))
    assert caught.value.retry_after == pytest.approx(3600.0)
    assert await way.run(asking(READ), Credentials()) == "fine"
    assert now() == 0.0


async def test_an_absurd_hint_is_told_even_if_the_gsp_did_not() -> None:
    """The verdict names a moment; how far off that is stands in the error."""

    class Terse(Sandbox):
        def judge(self, request: Request, response: Response) -> Verdict:
            error = RateLimited("too many")
            return Verdict(kind=VerdictKind.THROTTLED, error=error, not_before=EPOCH + 9000.0)

    with pytest.raises(RateLimited) as caught:
        await exchange(Script(answer(429)), gsp=Terse("key", "secret")).run(asking(READ), Credentials())
    assert caught.value.retry_after == pytest.approx(9000.0)


async def test_throttling_without_a_hint_is_bounded_like_any_trouble() -> None:
    """By tries and by time."""
    script = Script(answer(429))
    with pytest.raises(RateLimited) as caught:
        await run(script, READ, max_tries=50, max_time=5.0)
    assert caught.value.retry_after is None
    assert now() <= 5.0


async def test_throttling_with_hints_is_bounded_by_tries() -> None:
    """A gateway that always says "one second more" is not obeyed for ever."""
    script = Script(answer(429, retry_after="1"))
    with pytest.raises(RateLimited) as caught:
        await run(script, READ, max_tries=4)
    assert len(script.sent) == 4
    assert caught.value.retry_after == pytest.approx(1.0)


async def test_an_outage_that_says_how_long_is_believed() -> None:
    """Where a GSP's verdict on a read names a moment; absurd ones end it with the error of the outage."""
    hints = iter([EPOCH + 45.0, EPOCH + 9000.0])

    class Hinting(Sandbox):
        def judge(self, request: Request, response: Response) -> Verdict:
            verdict = super().judge(request, response)
            if verdict.kind is VerdictKind.UNAVAILABLE:
                return attrs.evolve(verdict, not_before=next(hints))
            return verdict

    script = Script(answer(503), answer(), answer(503))
    way = exchange(script, gsp=Hinting("key", "secret"))
    assert await way.run(asking(READ), Credentials()) == "fine"
    assert 45.0 <= script.times[1] <= 49.6
    with pytest.raises(GatewayUnavailable):
        await way.run(asking(READ), Credentials())
    assert len(script.sent) == 3


async def test_a_spent_budget_holds_the_next_request_back() -> None:
    """The gateway reported with a good answer that the budget is used up until then."""
    spent = answer(200, x_ratelimit_remaining="0", x_ratelimit_reset=str(EPOCH + 40.0))
    script = Script(spent, answer())
    way = exchange(script)
    await way.run(asking(READ), Credentials())
    await way.run(asking(READ), Credentials())
    assert script.times == [0.0, pytest.approx(40.0, abs=0.01)]


# -- credentials ---------------------------------------------------------------------------------------

SIGNED = attrs.evolve(READ, needs=Needs.TAXPAYER)
STALE = {"code": 403, "message": "Invalid access token"}


def tokens(script: Script) -> list[str]:
    """Return the tokens that were sent."""
    return [request.headers.get("authorization", "") for request in script.sent]


@pytest.mark.parametrize("changes", [True, False])
async def test_a_refused_token_is_renewed_once_and_the_request_sent_again(changes: bool) -> None:
    """Without a wait, and a change as well: its refusal is proof that nothing was done."""
    credential, script = NumberedCredential(), Script(answer(403, STALE), answer())
    request = attrs.evolve(SIGNED, changes=changes)
    assert await exchange(script).run(asking(request), Credentials(taxpayer=credential)) == "fine"
    assert tokens(script) == ["token 1", "token 2"]
    assert now() == 0.0


async def test_a_renewed_token_that_is_refused_again_ends_it() -> None:
    """Renewing for ever would be a loop that bills."""
    credential, script = NumberedCredential(), Script(answer(403, STALE))
    with pytest.raises(SessionExpired):
        await exchange(script).run(asking(SIGNED), Credentials(taxpayer=credential))
    assert tokens(script) == ["token 1", "token 2"]
    assert credential.renewals == 1


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (403, "Insufficient privilege", NotAuthorized),
        (403, "", NotAuthorized),
        (403, "Insufficient wallet credits", QuotaExhausted),
        (403, "Usage quota exhausted", QuotaExhausted),
        (401, "Unauthorized", NotAuthorized),
    ],
)
async def test_other_refusals_never_renew_a_token(status: int, message: str, error: type[Exception]) -> None:
    """An empty wallet is not cured by a new token, nor is a wrong key."""
    credential, script = NumberedCredential(), Script(answer(status, {"code": status, "message": message}))
    with pytest.raises(error) as caught:
        await exchange(script).run(asking(SIGNED), Credentials(taxpayer=credential))
    assert type(caught.value) is error
    assert (len(script.sent), credential.renewals) == (1, 0)


async def test_a_renewal_that_fails_ends_the_request_with_its_error() -> None:
    """A change that was refused is not of unknown outcome because the renewal was lost."""
    credential, script = NumberedCredential(), Script(answer(403, STALE))
    credential.failing = GatewayUnavailable("down")
    request = attrs.evolve(SIGNED, changes=True)
    with pytest.raises(GatewayUnavailable, match="down"):
        await exchange(script).run(asking(request), Credentials(taxpayer=credential))
    assert len(script.sent) == 1


async def test_each_request_has_the_credential_that_it_needs() -> None:
    """The account's, the taxpayer's, or none."""
    credential, other, script = NumberedCredential(), NumberedCredential(), Script(answer())
    other.number = 7
    requests = [attrs.evolve(READ, needs=needs) for needs in (Needs.NONE, Needs.ACCOUNT, Needs.TAXPAYER)]
    await exchange(script).run(asking(*requests), Credentials(account=other, taxpayer=credential))
    assert tokens(script) == ["", "token 7", "token 1"]


ELSEWHERE = attrs.evolve(READ, needs=Needs.ACCOUNT)
ENDED = (502, from_gstn("RET11402", "Unauthorized User"))


def keeping_sessions(script: Any) -> Exchange:
    """Return an exchange with a GSP that keeps the taxpayer's session on its own side."""
    return exchange(script, gsp=Vayana("org", "token"))


@pytest.mark.parametrize("changes", [True, False])
async def test_a_session_that_the_gsp_keeps_is_renewed_although_another_token_was_sent(
    changes: bool,
) -> None:
    """The account's token is fine: it is the taxpayer's session that the answer is about."""
    account, taxpayer, script = NumberedCredential(), NumberedCredential(), Script(answer(*ENDED), answer())
    asked = asking(attrs.evolve(ELSEWHERE, changes=changes))
    assert (
        await keeping_sessions(script).run(asked, Credentials(account=account, taxpayer=taxpayer)) == "fine"
    )
    assert (account.renewals, taxpayer.renewals, len(script.sent)) == (0, 1, 2)


async def test_a_session_that_the_gsp_keeps_is_renewed_once_a_request() -> None:
    """And beside it the account's token, which is another matter."""
    account, taxpayer = NumberedCredential(), NumberedCredential()
    stale = answer(403, {"status": "0", "error": {"message": "err-expired-token"}})
    script = Script(answer(*ENDED), stale, answer(*ENDED), answer())
    with pytest.raises(SessionExpired):
        await keeping_sessions(script).run(asking(ELSEWHERE), Credentials(account=account, taxpayer=taxpayer))
    assert (account.renewals, taxpayer.renewals, len(script.sent)) == (1, 1, 3)


async def test_a_session_that_cannot_be_renewed_is_reported_as_ended() -> None:
    """A request that was sent for no taxpayer has only its answer."""
    account, script = NumberedCredential(), Script(answer(*ENDED))
    with pytest.raises(SessionExpired):
        await keeping_sessions(script).run(asking(ELSEWHERE), Credentials(account=account))
    assert (account.renewals, len(script.sent)) == (0, 1)


async def test_a_late_word_about_a_session_does_not_discard_the_next_one() -> None:
    """The session that was at hand when the request left is the one that is renewed."""
    account, taxpayer = NumberedCredential(), NumberedCredential()

    class Slow(Script):
        async def send(self, request: Request) -> Response:
            taxpayer.number = 2  # refreshed by another request in the meantime
            return await super().send(request)

    script = Slow(answer(*ENDED), answer())
    credentials = Credentials(account=account, taxpayer=taxpayer)
    assert await keeping_sessions(script).run(asking(ELSEWHERE), credentials) == "fine"
    assert (taxpayer.renewals, taxpayer.number) == (1, 2)


async def test_a_session_that_is_not_at_hand_is_asked_for() -> None:
    """Its keeper says what there is to be done."""

    class Empty(NumberedCredential):
        held = None  # type: ignore[assignment] # nothing at hand

        async def current(self) -> Token:
            raise OtpRequired("log in")

    script = Script(answer(*ENDED))
    with pytest.raises(OtpRequired, match="log in"):
        await keeping_sessions(script).run(
            asking(ELSEWHERE), Credentials(account=NumberedCredential(), taxpayer=Empty())
        )
    assert len(script.sent) == 1


async def test_a_credential_that_was_forgotten_is_a_defect() -> None:
    """Of the caller's code, so it is no error of ours to catch."""
    with pytest.raises(RuntimeError, match="no account credential was given for count"):
        await run(Script(answer()), attrs.evolve(READ, needs=Needs.ACCOUNT))


async def test_a_token_that_changed_while_a_request_queued_is_the_one_that_is_sent() -> None:
    """A long queue does not send a hundred stale tokens, each to be refused."""
    credential, script = NumberedCredential(), Script(answer())
    way = exchange(script, rate=RateLimit(1))
    queued = [way.run(asking(SIGNED), Credentials(taxpayer=credential)) for _ in range(2)]
    both = asyncio.gather(*queued)
    await asyncio.sleep(30.0)
    credential.number = 5
    await both
    assert tokens(script) == ["token 1", "token 5"]


async def test_a_token_that_fell_due_while_a_request_queued_is_renewed_first() -> None:
    """The request gives its turn back, and is the next to go once the token is there."""
    credential, script = NumberedCredential(), Script(answer())
    way = exchange(script, rate=RateLimit(1))
    queued = [
        way.run(asking(SIGNED), Credentials(taxpayer=credential, gstin=name)) for name in ("a", "b", "c")
    ]
    everything = asyncio.gather(*queued)
    await asyncio.sleep(30.0)
    credential.stale = True
    await everything
    assert tokens(script) == ["token 1", "token 2", "token 2"]
    assert script.times == pytest.approx([0.0, 60.0, 120.0], abs=0.2)
    assert credential.renewals == 1


# -- the conversation itself ---------------------------------------------------------------------------


async def test_a_request_that_has_queued_goes_ahead_once_its_token_is_there() -> None:
    """Behind the one that took its turn meanwhile, before those who came later."""

    class SlowPurse(NumberedCredential):
        async def renew(self, refused: Token) -> Token:
            await asyncio.sleep(5.0)
            return await super().renew(refused)

    slow, other, script = SlowPurse(), NumberedCredential(), Script(answer())
    slow.number, way = 100, exchange(script, rate=RateLimit(1))
    purses = [("a", other), ("b", slow), ("c", other), ("d", other)]
    queued = [
        way.run(asking(SIGNED), Credentials(taxpayer=credential, gstin=name)) for name, credential in purses
    ]
    everything = asyncio.gather(*queued)
    await asyncio.sleep(30.0)
    slow.stale = True
    await everything
    assert tokens(script) == ["token 1", "token 1", "token 101", "token 1"]


async def test_a_token_that_is_due_and_cannot_be_renewed_is_used_as_it_is() -> None:
    """One that still lives, during an outage: the request does not ask for ever."""

    class Due(NumberedCredential):
        @property
        def ready(self) -> None:
            return None

    script = Script(answer())
    assert await exchange(script).run(asking(SIGNED), Credentials(taxpayer=Due())) == "fine"
    assert tokens(script) == ["token 1"]


class Watched:
    """Says how a conversation ended."""

    def __init__(self) -> None:
        self.closed = False

    def asking(self, *steps: Request | Pause) -> Generator[Request | Pause, Response, str]:
        """Yield the steps."""
        try:
            for step in steps:  # noqa: UP028 # a tuple takes no answers
                yield step
            return "done"
        finally:
            self.closed = True


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
async def test_a_conversation_is_closed_however_it_ends(end: str) -> None:
    """What it holds open it lets go of at once, not when it is collected."""
    watched = Watched()
    way = exchange(Script(answer() if end == "done" else answer(404) if end == "failed" else LOST))
    task = asyncio.create_task(way.run(watched.asking(READ), Credentials()))
    await asyncio.sleep(0)
    if end == "cancelled":
        task.cancel()
    await asyncio.wait([task])
    assert watched.closed
    assert task.cancelled() == (end == "cancelled")


async def test_a_pause_gives_others_a_turn() -> None:
    """Each of them, and it costs no request and no time."""
    script, others = Script(answer()), 0

    async def other() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    busy = asyncio.create_task(other())
    assert await exchange(script).run(Watched().asking(*[PAUSE] * 50), Credentials()) == "done"
    busy.cancel()
    assert others >= 50
    assert not script.sent


@pytest.mark.parametrize("place", ["sending", "waiting to try again", "waiting for a turn"])
async def test_a_cancelled_caller_leaves_nothing_behind(place: str) -> None:
    """No task, no timer, no place in a queue; the next request goes through."""
    script = Script(answer(), answer()) if place == "waiting for a turn" else Script(LOST, answer())
    way = exchange(script, rate=RateLimit(1) if place == "waiting for a turn" else None, initial=5.0)
    if place == "waiting for a turn":
        await way.run(asking(READ), Credentials())
    task = asyncio.create_task(way.run(asking(READ), Credentials()))
    await asyncio.sleep(0 if place == "sending" else 1.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    timers: list[asyncio.TimerHandle] = vars(asyncio.get_running_loop())["_scheduled"]
    assert not [timer for timer in timers if not timer.cancelled()]
    assert await way.run(asking(READ), Credentials()) == "fine"


async def test_an_error_that_is_waited_out_is_not_kept() -> None:
    """Thousands of waiting callers would each keep the frames of their last failure alive."""
    errors = 0

    class Counted(AnswerLost):
        def __del__(self) -> None:
            nonlocal errors
            errors -= 1

    class Failing(Script):
        async def send(self, request: Request) -> Response:
            nonlocal errors
            errors += 1
            raise Counted("lost")

    task = asyncio.create_task(run(Failing(answer()), READ, initial=10.0))
    await asyncio.sleep(1.0)
    assert errors == 0
    task.cancel()
    await asyncio.wait([task])


# -- the end -------------------------------------------------------------------------------------------


async def test_after_closing_nothing_is_sent() -> None:
    """The transport is closed as well, and closing again is fine."""
    script = Script(answer())
    way = exchange(script, rate=RateLimit(1))
    await way.run(asking(READ), Credentials())
    await way.aclose()
    await way.aclose()
    with pytest.raises(ClientClosed):
        await way.run(asking(READ), Credentials())
    assert script.closed
    assert len(script.sent) == 1
    assert now() == 0.0  # nor is a turn waited for


async def test_closing_ends_every_wait_at_once() -> None:
    """For the next try, for a turn, and for the gateway's "not before"."""
    busy = exchange(Script(LOST), initial=10.0)
    paced = exchange(Script(answer()), rate=RateLimit(1))
    await paced.run(asking(READ), Credentials())
    waiting = [
        asyncio.create_task(busy.run(asking(READ), Credentials())),
        asyncio.create_task(paced.run(asking(READ), Credentials())),
    ]
    await asyncio.sleep(1.0)
    await busy.aclose()
    await paced.aclose()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [ClientClosed, ClientClosed]
    assert now() == 1.0


async def test_a_turn_that_comes_as_the_client_closes_sends_nothing() -> None:
    """Released and closed in one iteration of the event loop."""
    script = Script(answer())
    credential = NumberedCredential()
    way = exchange(script)

    async def closing_current() -> Token:
        await way.aclose()
        return credential.token

    setattr(credential, "current", closing_current)  # noqa: B010 # a method is not assigned to
    with pytest.raises(ClientClosed):
        await way.run(asking(SIGNED), Credentials(taxpayer=credential))
    assert not script.sent


# -- over the simulator --------------------------------------------------------------------------------


def login_of(client: ImsClient, sim: Simulator) -> Any:
    """Return what asks for an OTP for the first taxpayer."""
    person = sim.taxpayers[0]
    return client.taxpayer(person.gstin, check=False).request_otp(person.username)


async def test_an_otp_is_not_asked_for_twice_in_an_outage(sim: Simulator, client: ImsClient) -> None:
    """The taxpayer's phone would ring twice, and the first OTP be void."""
    sim.script_answer("otp", 503, {"code": 503, "message": "down"})
    with pytest.raises(GatewayUnavailable):
        await login_of(client, sim)
    assert sim.count("otp") == 1


async def test_an_otp_whose_answer_was_lost_is_not_asked_for_twice(sim: Simulator) -> None:
    """It may have arrived on the phone."""

    class Losing:
        def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
            found = sim.handle(method, path, headers, body)
            if path.endswith("/otp"):
                raise AnswerLost("no whole answer came back")
            return found

    with pytest.raises(AnswerLost):
        await login_of(make_client(sim, transport=Losing()), sim)
    assert sim.count("otp") == 1


async def test_authenticating_is_tried_again(sim: Simulator, client: ImsClient) -> None:
    """It does no harm, and changes nothing."""
    sim.script_answer("authenticate", 503, {"code": 503, "message": "down"})
    await login_of(client, sim)
    assert (sim.count("authenticate"), sim.count("otp")) == (2, 1)

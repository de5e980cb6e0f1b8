"""Credentials: had once, renewed ahead of their end, not lost to a race, a full disk or a late answer."""

# ruff: noqa: ASYNC240  # the credential file is what these tests look at, and it is a few bytes long

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import (
    FileCredentialStore,
    GatewayUnavailable,
    ImsClient,
    InvalidInput,
    MemoryCredentialStore,
    NotAuthorized,
    OtpRequired,
    RateLimit,
    Sandbox,
    SessionExpired,
    UnexpectedAnswer,
)
from ims_async.gsp.base import Token
from ims_async.model.secret import Secret
from ims_async.simulator import Simulator
from ims_async.taxpayer import Taxpayer

from ..conftest import make_client, make_gsp

pytestmark = [pytest.mark.looptime, pytest.mark.sim(invoices=0)]

DOWN = {"code": 503, "message": "Our source is not working, try again later"}
HOUR = 3600.0


class RecordingStore(MemoryCredentialStore):
    """A store that logs what was saved."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[tuple[str, str, Token | None]] = []

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Note it and keep it."""
        self.saved.append((account, gstin, token))
        await super().save(account, gstin, token)

    def tokens(self, gstin: str) -> list[str | None]:
        """Return the values that were saved for one name."""
        told = [token for _, name, token in self.saved if name == gstin]
        return [None if token is None else token.value.reveal() for token in told]


class Slow:
    """A way into a simulator that takes a second to answer an operation, and may lose its answer."""

    def __init__(self, sim: Simulator, *paths: str, seconds: float = 1.0) -> None:
        self._sim, self._paths, self._seconds = sim, paths, seconds

    async def send(self, request: Any) -> Any:
        """Answer late, as the gateway saw things when the request arrived."""
        from ims_async.net.transport import MemoryTransport

        answer = await MemoryTransport(self._sim.transport, clock=self._sim.now).send(request)
        if any(path in request.url for path in self._paths):
            await asyncio.sleep(self._seconds)
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""


async def log_in(client: ImsClient, sim: Simulator) -> Taxpayer:
    """Log the first taxpayer in with an OTP."""
    person = sim.taxpayers[0]
    taxpayer = client.taxpayer(person.gstin, check=False)
    await taxpayer.request_otp(person.username)
    await taxpayer.verify_otp("575757")
    return taxpayer


def with_token(client: ImsClient, sim: Simulator) -> Taxpayer:
    """Return the first taxpayer with a token that was had elsewhere."""
    gstin = sim.gstins[0]
    return client.taxpayer(gstin, token=sim.token(gstin), check=False)


def current(taxpayer: Taxpayer) -> str:
    """Return the value of the token at hand."""
    held = vars(taxpayer)["_session"].held
    assert held is not None
    value: str = held.value.reveal()
    return value


# -- logging in ----------------------------------------------------------------------------------------


async def test_an_otp_begins_a_session(sim: Simulator, client: ImsClient) -> None:
    """The account's own token is had on the way, from key and secret."""
    taxpayer = await log_in(client, sim)
    await taxpayer.counts()
    assert [request.operation for request in sim.requests] == ["authenticate", "otp", "verify", "count"]


async def test_the_accounts_token_is_had_once_for_all(sim: Simulator) -> None:
    """Fifty taxpayers that log in at once share it, and those that follow as well."""
    client = make_client(sim, transport=Slow(sim, "/authenticate"))
    people = sim.taxpayers * 25
    await asyncio.gather(
        *(client.taxpayer(p.gstin, check=False).request_otp(p.username) for p in people),
    )
    await log_in(client, sim)
    assert sim.count("authenticate") == 1
    assert sim.count("otp") == 51


async def test_a_wrong_otp_begins_nothing(sim: Simulator, client: ImsClient) -> None:
    """It is reported as such, sent once, and shown nowhere."""
    person = sim.taxpayers[0]
    taxpayer = client.taxpayer(person.gstin, check=False)
    await taxpayer.request_otp(person.username)
    with pytest.raises(NotAuthorized) as caught:
        await taxpayer.verify_otp("000001")
    assert "000001" not in f"{caught.value!r}"
    assert sim.count("verify") == 1
    with pytest.raises(OtpRequired):
        await taxpayer.counts()


async def test_the_leading_zeros_of_an_otp_count(sim: Simulator, client: ImsClient) -> None:
    """It is text, whatever a document declares it to be; blanks around it are not part of it."""
    await asyncio.gather(log_in(client, sim), return_exceptions=True)
    taxpayer = client.taxpayer(sim.gstins[0], check=False)
    with pytest.raises(NotAuthorized):
        await taxpayer.verify_otp(" 007 ")
    assert sim.requests[-1].query == {"otp": "007"}


@pytest.mark.parametrize("otp", ["", "  ", "12 34", "12a", "५७५७५७", 575757, None])
async def test_an_otp_that_is_no_text_of_digits_is_refused(
    otp: Any, sim: Simulator, client: ImsClient
) -> None:
    """Before it is sent; a number would have lost its leading zeros already."""
    taxpayer = client.taxpayer(sim.gstins[0], check=False)
    with pytest.raises(InvalidInput, match="digits 0 to 9"):
        await taxpayer.verify_otp(otp, username="someone")
    assert not sim.requests


async def test_an_otp_may_be_verified_by_another_process(sim: Simulator, client: ImsClient) -> None:
    """Which has to say the user name again."""
    person = sim.taxpayers[0]
    await client.taxpayer(person.gstin, check=False).request_otp(f" {person.username} ")
    other = make_client(sim).taxpayer(person.gstin, check=False)
    with pytest.raises(InvalidInput, match="request_otp"):
        await other.verify_otp("575757")
    await other.verify_otp("575757", username=person.username)
    await other.counts()


@pytest.mark.parametrize("username", ["", "  ", None])
async def test_a_user_name_is_needed(username: Any, sim: Simulator, client: ImsClient) -> None:
    """The gateway would bill the refusal."""
    with pytest.raises(InvalidInput, match="username is empty"):
        await client.taxpayer(sim.gstins[0], check=False).request_otp(username)
    assert not sim.requests


async def test_without_a_session_it_is_said_how_to_get_one(sim: Simulator, client: ImsClient) -> None:
    """And nothing is sent."""
    with pytest.raises(OtpRequired, match="request_otp and verify_otp"):
        await client.taxpayer(sim.gstins[0], check=False).counts()
    assert not sim.requests


async def test_a_wrong_secret_is_said_to_be_wrong(sim: Simulator) -> None:
    """401 is never answered by renewing."""
    client = ImsClient(Sandbox("key_test_demo", "wrong"), transport=sim.transport, clock=sim.now)
    with pytest.raises(NotAuthorized, match="check the API key"):
        await log_in(client, sim)
    assert sim.count("authenticate") == 1


@pytest.mark.parametrize(
    "content",
    [
        b'{"code":200,"data":{"access_token":"tok_secret',
        b'{"code":200,"data":{"access_token":["tok_secret"]}}',
        b"tok_secret",
    ],
)
async def test_an_answer_to_a_login_that_cannot_be_read_is_not_shown(
    content: bytes, sim: Simulator, client: ImsClient
) -> None:
    """Half of it may be a token."""
    sim.script_answer("authenticate", 200, content)
    with pytest.raises(UnexpectedAnswer) as caught:
        await log_in(client, sim)
    error = caught.value
    assert "tok_secret" not in f"{error!r} {vars(error)} {error.__cause__!r} {error.__context__!r}"
    assert error.problems


# -- handing a token in --------------------------------------------------------------------------------


async def test_a_token_that_is_handed_in_is_used_until_it_is_about_to_end(sim: Simulator) -> None:
    """Its life is read off it, where it is a JWT."""
    client = make_client(sim)
    taxpayer = with_token(client, sim)
    await asyncio.sleep(4.9 * HOUR)
    await taxpayer.counts()
    assert sim.count("refresh") == 0
    await asyncio.sleep(0.2 * HOUR)
    await taxpayer.counts()
    assert sim.count("refresh") == 1
    assert {request.status for request in sim.requests} == {200}


async def test_a_token_of_unknown_life_is_renewed_when_it_is_refused(sim: Simulator) -> None:
    """One that names no end is used until then."""
    asked: list[str] = []

    class Opaque:
        def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
            asked.append(headers["authorization"])
            if headers["authorization"] == "opaque" and path.endswith("refresh"):
                token = sim.token(sim.gstins[0])
                content = {"code": 200, "data": {"status_cd": "1", "access_token": token}}
                return 200, {}, json.dumps(content).encode()
            return sim.handle(method, path, headers, body)

    client = make_client(sim, transport=Opaque())
    taxpayer = client.taxpayer(sim.gstins[0], token=" opaque ", check=False)
    await asyncio.sleep(1000 * HOUR)
    await taxpayer.counts()
    assert asked[:2] == ["opaque", "opaque"]
    assert asked[2] == current(taxpayer)


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused(token: str, sim: Simulator, client: ImsClient) -> None:
    """It comes from an environment variable that is not set."""
    with pytest.raises(InvalidInput, match="token is empty"):
        client.taxpayer(sim.gstins[0], token=token, check=False)


async def test_handing_the_same_token_in_again_does_not_bring_it_back(sim: Simulator) -> None:
    """Code that does so before each request would undo each renewal."""
    client = make_client(sim)
    gstin = sim.gstins[0]
    token = sim.token(gstin)
    for _ in range(20):
        await client.taxpayer(gstin, token=token, check=False).counts()
        await asyncio.sleep(HOUR)
    assert sim.count("refresh") == 3
    assert {request.status for request in sim.requests} == {200}


async def test_a_new_token_takes_the_place_of_a_dead_one(sim: Simulator, client: ImsClient) -> None:
    """After a session ended for good, another begins."""
    taxpayer = with_token(client, sim)
    sim.expire_all(taxpayer.gstin)
    with pytest.raises(SessionExpired):
        await taxpayer.counts()
    taxpayer.use_token(sim.token(taxpayer.gstin))
    await taxpayer.counts()


# -- renewing ------------------------------------------------------------------------------------------


async def test_tokens_are_renewed_before_they_end(sim: Simulator, client: ImsClient) -> None:
    """For two days at a request every half hour: six hours and a day are the lives, and none is refused."""
    taxpayer = await log_in(client, sim)
    other = sim.taxpayers[1]
    for _ in range(96):
        await taxpayer.counts()
        await client.taxpayer(other.gstin, check=False).request_otp(other.username)
        await asyncio.sleep(HOUR / 2)
    assert {request.status for request in sim.requests} == {200}
    assert sim.count("refresh") == 9
    assert sim.count("authenticate") == 3


@pytest.mark.sim(invoices=0, token_seconds=120.0)
async def test_a_token_of_short_life_is_not_renewed_all_the_time(sim: Simulator, client: ImsClient) -> None:
    """The last quarter is soon enough."""
    taxpayer = await log_in(client, sim)
    for _ in range(9):
        await taxpayer.counts()
        await asyncio.sleep(10.0)
    assert sim.count("refresh") == 0
    await asyncio.sleep(1.0)
    await taxpayer.counts()
    assert sim.count("refresh") == 1


async def test_a_hundred_refusals_make_one_renewal(sim: Simulator) -> None:
    """All are sent again with the one new token."""
    client = make_client(sim, transport=Slow(sim, "/refresh"))
    taxpayer = with_token(client, sim)
    await taxpayer.counts()
    old = current(taxpayer)
    refused = {"code": 403, "message": "Invalid access token"}
    for _ in range(100):
        sim.script_answer("count", 403, refused)
    await asyncio.gather(*(taxpayer.counts() for _ in range(100)))
    assert sim.count("refresh") == 1
    assert current(taxpayer) != old
    assert sim.count("count") == 201


async def test_a_late_refusal_of_the_old_token_does_not_discard_the_new_one(sim: Simulator) -> None:
    """The answer to a request that left before the renewal comes after it, and no store helps."""

    class Forgetful(MemoryCredentialStore):
        async def load(self, account: str, gstin: str) -> Token | None:
            return None

    client = make_client(sim, transport=Slow(sim, "/count", seconds=60.0), credentials=Forgetful())
    taxpayer = with_token(client, sim)
    sim.script_answer("count", 403, {"code": 403, "message": "Invalid access token"})
    late = asyncio.create_task(taxpayer.counts())
    await asyncio.sleep(1.0)
    await taxpayer.refresh()
    renewed = current(taxpayer)
    await late
    assert sim.count("refresh") == 1
    assert current(taxpayer) == renewed


async def test_a_renewal_that_is_refused_is_told_to_all_and_asked_for_once(sim: Simulator) -> None:
    """Those who wait get the one error, and all who come later with that token one that says the same."""
    client = make_client(sim, transport=Slow(sim, "/refresh"))
    taxpayer = with_token(client, sim)
    sim.expire_all(taxpayer.gstin)
    results = await asyncio.gather(*(taxpayer.counts() for _ in range(10)), return_exceptions=True)
    with pytest.raises(SessionExpired, match="log in again") as caught:
        await taxpayer.counts()
    assert {type(result) for result in results} == {SessionExpired}
    assert len({id(result) for result in results}) == 1
    assert (type(caught.value), str(caught.value)) == (SessionExpired, str(results[0]))
    assert sim.count("refresh") == 1


async def test_an_error_that_is_told_again_and_again_does_not_grow(sim: Simulator, client: ImsClient) -> None:
    """Each raise would add its frames to those of the last one, for as long as the process lives."""
    taxpayer = with_token(client, sim)
    sim.expire_all(taxpayer.gstin)

    async def frames() -> int:
        with pytest.raises(SessionExpired) as caught:
            await taxpayer.counts()
        trace, count = caught.value.__traceback__, 0
        while trace:
            trace, count = trace.tb_next, count + 1
        return count

    await frames()
    second = await frames()
    for _ in range(5):
        await frames()
    assert await frames() == second


async def test_a_renewal_that_failed_in_an_outage_is_tried_again(sim: Simulator, client: ImsClient) -> None:
    """All who waited get its error; the next to ask asks the gateway."""
    taxpayer = with_token(client, sim)
    for _ in range(5):
        sim.script_answer("count", 403, {"code": 403, "message": "Invalid access token"})
    sim.script_answer("refresh", 503, DOWN)
    results = await asyncio.gather(*(taxpayer.counts() for _ in range(4)), return_exceptions=True)
    assert {type(result) for result in results} == {GatewayUnavailable}
    await taxpayer.counts()
    assert sim.count("refresh") == 2


async def test_while_a_renewal_ahead_of_the_end_fails_the_old_token_goes_on(
    sim: Simulator, client: ImsClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It still lives; the renewal is tried again every half minute, not before each request."""
    taxpayer = with_token(client, sim)
    await asyncio.sleep(5.9 * HOUR)
    for _ in range(3):
        sim.script_answer("refresh", 503, DOWN)
    with caplog.at_level(logging.WARNING, "ims_async"):
        for _ in range(60):
            await taxpayer.counts()
            await asyncio.sleep(1.0)
    assert sim.count("refresh") == 2
    assert "ahead of its end" in caplog.text
    await asyncio.sleep(HOUR)
    with pytest.raises(GatewayUnavailable):  # now it is dead, and the gateway is still down
        await taxpayer.counts()


async def test_a_renewal_ahead_of_the_end_that_is_refused_ends_the_session(
    sim: Simulator, client: ImsClient
) -> None:
    """The token died early, at the gateway: nothing is sent with it any more."""
    taxpayer = with_token(client, sim)
    await asyncio.sleep(5.9 * HOUR)
    sim.expire_all(taxpayer.gstin)
    for _ in range(2):
        with pytest.raises(SessionExpired):
            await taxpayer.counts()
    assert [request.operation for request in sim.requests] == ["refresh"]


@pytest.mark.sim(invoices=0, taxpayers=90)
async def test_a_renewal_does_not_queue_behind_other_taxpayers(sim: Simulator) -> None:
    """With a budget of one a minute it would come when the token is dead."""
    client = make_client(sim, rate=RateLimit(1))
    taxpayer = with_token(client, sim)
    await asyncio.sleep(5.01 * HOUR)
    others = [client.taxpayer(name, token=sim.token(name), check=False) for name in sim.gstins[1:]]
    await asyncio.gather(*(other.counts() for other in others), taxpayer.counts())
    assert {request.status for request in sim.requests} == {200}
    assert [request.operation for request in sim.requests[:2]] == ["count", "refresh"]


async def test_tokens_that_fall_due_in_the_queue_are_renewed_in_time(sim: Simulator) -> None:
    """With a budget of one a minute, a hundred requests wait longer than the token lives on."""
    client = make_client(sim, rate=RateLimit(1))
    taxpayer = with_token(client, sim)
    await asyncio.sleep(4.9 * HOUR)
    await asyncio.gather(*(taxpayer.counts() for _ in range(100)))
    assert {request.status for request in sim.requests} == {200}
    assert (sim.count("count"), sim.count("refresh")) == (100, 1)


async def test_a_caller_who_goes_away_does_not_stop_a_renewal(sim: Simulator) -> None:
    """Also the caller that began it; the others get their token, and it is made once."""
    client = make_client(sim, transport=Slow(sim, "/refresh"))
    taxpayer = with_token(client, sim)
    await asyncio.sleep(5.9 * HOUR)
    callers = [asyncio.create_task(taxpayer.counts()) for _ in range(5)]
    await asyncio.sleep(0.5)
    callers[0].cancel()
    callers[3].cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(result, BaseException) for result in results] == [True, False, False, True, False]
    assert sim.count("refresh") == 1


async def test_a_renewal_without_waiting_callers_ends_quietly(sim: Simulator) -> None:
    """With its error seen, so that the loop does not complain; the next caller is not harmed."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts))
    client = make_client(sim, transport=Slow(sim, "/refresh"))
    taxpayer = with_token(client, sim)
    await asyncio.sleep(5.9 * HOUR)
    sim.script_answer("refresh", 503, DOWN)
    caller = asyncio.create_task(taxpayer.counts())
    await asyncio.sleep(0.5)
    caller.cancel()
    await asyncio.wait([caller])
    await asyncio.sleep(1.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    del caller
    gc.collect()
    assert not complaints
    await taxpayer.counts()
    assert sim.count("refresh") == 2


async def test_a_renewal_that_is_cancelled_itself_cancels_those_who_wait(sim: Simulator) -> None:
    """As when the loop cancels all its tasks; asyncio logs nothing."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, facts: complaints.append(facts))
    client = make_client(sim, transport=Slow(sim, "/refresh"))
    taxpayer = with_token(client, sim)
    caller = asyncio.create_task(taxpayer.refresh())
    await asyncio.sleep(0.5)
    (renewal,) = asyncio.all_tasks() - {caller, asyncio.current_task()}
    renewal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not complaints


async def test_a_login_during_a_renewal_is_not_undone_by_it(sim: Simulator) -> None:
    """The renewed token of the old session comes too late."""
    client = make_client(sim, transport=Slow(sim, "/refresh", seconds=10.0))
    taxpayer = with_token(client, sim)
    renewing = asyncio.create_task(taxpayer.refresh())
    await asyncio.sleep(1.0)
    await log_in(client, sim)
    fresh = current(taxpayer)
    await renewing
    assert current(taxpayer) == fresh


# -- the store -----------------------------------------------------------------------------------------


async def test_the_store_is_told_of_each_new_token(sim: Simulator) -> None:
    """The account's, the login's, each renewed one, and that there is none after logging out."""
    store = RecordingStore()
    taxpayer = await log_in(make_client(sim, credentials=store), sim)
    first = current(taxpayer)
    await taxpayer.refresh()
    second = current(taxpayer)
    await taxpayer.logout()
    assert store.tokens(taxpayer.gstin) == [first, second, None]
    assert len(store.tokens("")) == 1
    (account,) = {account for account, _, _ in store.saved}
    assert "key_test_demo" not in account


async def test_a_token_outlives_the_process_in_a_store(sim: Simulator) -> None:
    """Another client with the same key goes on where the first one left off."""
    store = RecordingStore()
    await log_in(make_client(sim, credentials=store), sim)
    other = make_client(sim, credentials=store)
    await asyncio.gather(*(other.taxpayer(sim.gstins[0], check=False).counts() for _ in range(10)))
    await other.taxpayer(sim.gstins[0], check=False).request_otp(sim.taxpayers[0].username)
    assert (sim.count("authenticate"), sim.count("count")) == (1, 10)


async def test_a_token_that_another_process_renewed_is_taken_from_the_store(sim: Simulator) -> None:
    """Ours died with that renewal; asking the gateway with it would end in a login."""
    store = RecordingStore()
    one, other = (make_client(sim, credentials=store) for _ in range(2))
    taxpayer = await log_in(one, sim)
    await other.taxpayer(taxpayer.gstin, check=False).counts()
    await asyncio.sleep(HOUR)
    await taxpayer.refresh()
    await other.taxpayer(taxpayer.gstin, check=False).counts()
    assert sim.count("refresh") == 1


@pytest.mark.parametrize("elsewhere", [{"test": True}, {"base_url": "https://gateway.example"}], ids=str)
async def test_a_token_in_a_store_is_not_used_at_another_host(
    elsewhere: dict[str, Any], sim: Simulator
) -> None:
    """Neither the account's nor the taxpayer's: it must not be sent there."""
    store = RecordingStore()
    taxpayer = await log_in(make_client(sim, credentials=store), sim)
    gsp = Sandbox("key_test_demo", "secret_test_demo", **elsewhere)
    other = make_client(sim, credentials=store, gsp=gsp).taxpayer(taxpayer.gstin, check=False)
    asked = len(sim.requests)
    for call in (other.counts, other.refresh, other.logout):
        with pytest.raises(OtpRequired):
            await call()
    assert len(sim.requests) == asked
    await other.request_otp(sim.taxpayers[0].username)
    assert [request.operation for request in sim.requests[asked:]] == ["authenticate", "otp"]
    assert len({account for account, _, _ in store.saved}) == 2
    await taxpayer.counts()


async def test_a_session_that_was_called_dead_lives_again_where_the_store_has_another(sim: Simulator) -> None:
    """Another process logged in again: no login is needed here."""
    store = RecordingStore()
    one, other = (make_client(sim, credentials=store) for _ in range(2))
    taxpayer = await log_in(one, sim)
    sim.expire_all(taxpayer.gstin)
    for _ in range(2):
        with pytest.raises(SessionExpired):
            await taxpayer.counts()
    assert sim.count("refresh") == 1
    again = current(await log_in(other, sim))
    await taxpayer.counts()
    assert current(taxpayer) == again
    assert sim.count("refresh") == 1


async def test_logging_out_ends_the_session_that_another_process_renewed(sim: Simulator) -> None:
    """Ours died with that renewal; the one that lives is the one that is meant."""
    store = RecordingStore()
    one, other = (make_client(sim, credentials=store) for _ in range(2))
    taxpayer = await log_in(one, sim)
    renewing = other.taxpayer(taxpayer.gstin, check=False)
    await renewing.refresh()
    renewed = current(renewing)
    await taxpayer.logout()
    assert [request.status for request in sim.requests[-2:]] == [403, 200]
    assert {request.operation for request in sim.requests[-2:]} == {"logout"}
    assert store.tokens(taxpayer.gstin)[-1] is None
    with pytest.raises(SessionExpired):
        await make_client(sim).taxpayer(taxpayer.gstin, token=renewed, check=False).counts()


async def test_a_session_that_has_ended_says_how_to_begin_another(sim: Simulator, client: ImsClient) -> None:
    """Once, and after what the gateway said."""
    taxpayer = with_token(client, sim)
    sim.expire_all(taxpayer.gstin)
    with pytest.raises(SessionExpired, match="log in again with an OTP") as caught:
        await taxpayer.counts()
    assert str(caught.value).count("log in again") == 1


async def test_an_older_token_in_the_store_does_not_stand_in_for_a_renewal(sim: Simulator) -> None:
    """It may have been replaced long ago by the one that was handed in."""
    store = RecordingStore()
    await log_in(make_client(sim, credentials=store), sim)
    await asyncio.sleep(HOUR)
    taxpayer = with_token(make_client(sim, credentials=store), sim)
    await taxpayer.refresh()
    assert sim.count("refresh") == 1


async def test_a_slow_store_does_not_bring_an_old_token_back(sim: Simulator) -> None:
    """What was handed in while it was looking is newer."""

    class Lazy(RecordingStore):
        async def load(self, account: str, gstin: str) -> Token | None:
            found = await super().load(account, gstin)
            await asyncio.sleep(5.0)
            return found

    store = Lazy()
    await log_in(make_client(sim, credentials=store), sim)
    taxpayer = make_client(sim, credentials=store).taxpayer(sim.gstins[0], check=False)
    asking = asyncio.create_task(taxpayer.counts())
    await asyncio.sleep(1.0)
    newer = sim.token(taxpayer.gstin)
    taxpayer.use_token(newer)
    await asking
    assert current(taxpayer) == newer


@pytest.mark.parametrize("error", [InvalidInput("disk full"), OSError("tok_secret")])
async def test_a_store_that_fails_does_not_cost_a_live_session(
    error: Exception, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewed token is used all the same, with a warning that does not repeat the store's words."""

    class Full(MemoryCredentialStore):
        async def save(self, account: str, gstin: str, token: Token | None) -> None:
            raise error

    taxpayer = with_token(make_client(sim, credentials=Full()), sim)
    with caplog.at_level(logging.WARNING, "ims_async"):
        await taxpayer.refresh()
        await taxpayer.counts()
    assert f"could not be stored: {type(error).__name__}" in caplog.text
    assert "tok_secret" not in caplog.text


# -- logging out ---------------------------------------------------------------------------------------


async def test_logging_out_ends_the_session_at_the_gateway(sim: Simulator, client: ImsClient) -> None:
    """The token is forgotten here and dead there."""
    taxpayer = await log_in(client, sim)
    token = current(taxpayer)
    await taxpayer.logout()
    with pytest.raises(OtpRequired):
        await taxpayer.counts()
    again = client.taxpayer(taxpayer.gstin, token=token, check=False)
    with pytest.raises(SessionExpired):
        await again.counts()


async def test_logging_out_of_a_session_that_has_ended_is_no_error(sim: Simulator) -> None:
    """What was wanted is so; the dead token is forgotten and not renewed for this."""
    store = RecordingStore()
    taxpayer = await log_in(make_client(sim, credentials=store), sim)
    await asyncio.sleep(7 * HOUR)
    await taxpayer.logout()
    assert store.tokens(taxpayer.gstin)[-1] is None
    assert sim.count("refresh") == 0


async def test_logging_out_in_an_outage_keeps_the_session(sim: Simulator, client: ImsClient) -> None:
    """It has not ended; trying again can still end it."""
    taxpayer = await log_in(client, sim)
    sim.script_answer("logout", 503, DOWN)
    with pytest.raises(GatewayUnavailable):
        await taxpayer.logout()
    await taxpayer.counts()
    await taxpayer.logout()


async def test_logging_out_without_a_session_says_so(sim: Simulator, client: ImsClient) -> None:
    """And sends nothing."""
    with pytest.raises(OtpRequired):
        await client.taxpayer(sim.gstins[0], check=False).logout()
    assert not sim.requests


async def test_logging_out_during_a_renewal_ends_the_renewed_session(sim: Simulator) -> None:
    """Else the renewal would bring it back to life."""
    taxpayer = with_token(make_client(sim, transport=Slow(sim, "/refresh")), sim)
    renewing = asyncio.create_task(taxpayer.refresh())
    await asyncio.sleep(0.5)
    await taxpayer.logout()
    await renewing
    with pytest.raises(OtpRequired):
        await taxpayer.counts()
    assert [request.status for request in sim.requests] == [200, 200]


# -- the file ------------------------------------------------------------------------------------------

TOKEN = Token(value=Secret("tok_secret"), expires_at=1_746_530_932.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a folder that is not there yet."""
    return tmp_path / "ims" / "credentials.json"


async def test_a_file_keeps_tokens_by_account_and_taxpayer(path: Path) -> None:
    """For another process to read; None forgets one of them."""
    store = FileCredentialStore(path)
    endless = Token(value=Secret("other"))
    await store.save("account", "gstin", TOKEN)
    await store.save("account", "", endless)
    again = FileCredentialStore(str(path))
    assert await again.load("account", "gstin") == TOKEN
    assert await again.load("account", "") == endless
    assert await again.load("other", "gstin") is None
    await again.save("account", "gstin", None)
    await again.save("account", "never there", None)
    assert await store.load("account", "gstin") is None
    assert await store.load("account", "") == endless


async def test_a_file_that_is_not_there_holds_nothing(path: Path) -> None:
    """And looking does not make it."""
    assert await FileCredentialStore(path).load("account", "gstin") is None
    assert not path.parent.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
async def test_the_file_is_its_owners_alone_from_the_first_byte(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while it is being written, and whatever the umask; so is its folder."""
    modes: list[int] = []
    sync = os.fsync

    def watching(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            modes.extend(stat.S_IMODE(other.stat().st_mode) for other in path.parent.iterdir())
        sync(handle)

    monkeypatch.setattr(os, "fsync", watching)
    before = os.umask(0)
    try:
        await FileCredentialStore(path).save("account", "gstin", TOKEN)
        await FileCredentialStore(path).save("account", "gstin", TOKEN)
    finally:
        os.umask(before)
    assert modes == [0o600] * 4  # both times the file and the lock
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
async def test_a_file_that_others_can_read_is_refused(mode: int, path: Path) -> None:
    """For reading and for adding to it: its owner has to know."""
    store = FileCredentialStore(path)
    await store.save("account", "gstin", TOKEN)
    path.chmod(mode)
    with pytest.raises(InvalidInput, match="can be read by others"):
        await store.load("account", "gstin")
    with pytest.raises(InvalidInput, match="chmod 600"):
        await store.save("account", "gstin", TOKEN)


@pytest.mark.parametrize(("step", "whole"), [("write", False), ("fsync", False), ("fsync", True)])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
async def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    step: str, whole: bool, error: BaseException, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is added to, or replaced in one step; or not at all."""
    store = FileCredentialStore(path)
    await store.save("account", "gstin", TOKEN)
    before = path.read_bytes()
    if whole:
        path.write_bytes(before := before.rstrip())  # as earlier releases wrote it

    def failing(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(os, step, failing)
        expected = InvalidInput if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected):
            await store.save("account", "gstin", None)
    assert path.read_bytes() == before
    assert await store.load("account", "gstin") == TOKEN
    assert sorted(file.name for file in path.parent.iterdir()) == [
        ".credentials.json.lock",
        "credentials.json",
    ]


DAMAGED = [
    b"",
    b'{"account/gstin": {"token": "tok_secret", "expi',
    b"[]",
    b'"tok_secret"',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"account/gstin": "tok_secret"}',
    b'{"account/gstin": {"token": "tok_secret"}}',
    b'{"account/gstin": {"token": 5, "expires_at": null}}',
    b'{"account/gstin": {"token": "tok_secret", "expires_at": "soon"}}',
    b'{"account/gstin": {"token": "tok_secret", "expires_at": NaN}}',
]


@pytest.mark.parametrize("content", DAMAGED, ids=[f"damage {number}" for number in range(len(DAMAGED))])
async def test_a_damaged_file_is_named_and_not_shown(content: bytes, path: Path) -> None:
    """The message says what to do and holds nothing of what was in it."""
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="is damaged: delete it and log in again") as caught:
        await FileCredentialStore(path).load("account", "gstin")
    assert str(path) in str(caught.value)
    assert "tok_secret" not in f"{caught.value!r} {caught.value.__context__ is None}"


async def test_a_place_where_no_file_can_be_is_named(path: Path) -> None:
    """A folder of that name, or a file where the folder should be."""
    path.mkdir(parents=True)
    with pytest.raises(InvalidInput, match="cannot be read"):
        await FileCredentialStore(path).load("account", "gstin")
    (path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot be"):
        await FileCredentialStore(path / "file" / "credentials.json").save("account", "gstin", TOKEN)


async def test_a_login_whose_token_cannot_be_kept_says_so(sim: Simulator, path: Path) -> None:
    """The person at the keyboard can do something about it; the session has begun all the same."""
    store = FileCredentialStore(path)
    client = make_client(sim, credentials=store)
    person = sim.taxpayers[0]
    taxpayer = client.taxpayer(person.gstin, check=False)
    await taxpayer.request_otp(person.username)
    path.write_text("damaged", encoding="ascii")
    with pytest.raises(InvalidInput, match="damaged"):
        await taxpayer.verify_otp("575757")
    await taxpayer.counts()


async def test_an_account_that_was_refused_once_is_tried_again(sim: Simulator) -> None:
    """Key and secret can always be tried again, and no other process could store a new token."""
    client = make_client(sim)
    person = sim.taxpayers[0]
    taxpayer = client.taxpayer(person.gstin)
    await taxpayer.request_otp(person.username)
    await asyncio.sleep(23.9 * HOUR)  # the account's token is due
    sim.script_answer("authenticate", 403, {"code": 403, "message": "Forbidden"})
    await taxpayer.request_otp(person.username)  # the old token still has life
    await asyncio.sleep(HOUR)
    sim.script_answer("authenticate", 403, {"code": 403, "message": "Forbidden"})
    with pytest.raises(NotAuthorized):
        await taxpayer.request_otp(person.username)
    await taxpayer.request_otp(person.username)
    assert sim.count("otp") == 3


async def test_a_refusal_that_does_not_end_the_session_does_not_give_it_up_for_a_kept_one(
    sim: Simulator,
) -> None:
    """An older token in the store replaces none, and a token that was passed can be passed again."""
    store = MemoryCredentialStore()
    client = make_client(sim, credentials=store)
    old = Token(value=Secret("an old one"), expires_at=sim.now() - HOUR)
    taxpayer = with_token(client, sim)
    await store.save(make_gsp(sim).account_id, taxpayer.gstin, old)
    live = current(taxpayer)
    await asyncio.sleep(5.2 * HOUR)
    sim.script_answer("refresh", 403, {"code": 403, "message": "Insufficient privilege"})
    await taxpayer.counts()
    assert current(taxpayer) == live


async def test_a_token_handed_in_during_a_refresh_that_fails_is_kept(sim: Simulator) -> None:
    """What a person has just handed in is newer than anything in a store."""
    store = MemoryCredentialStore()
    client = make_client(sim, transport=Slow(sim, "/refresh"), credentials=store)
    taxpayer = with_token(client, sim)
    await store.save(make_gsp(sim).account_id, taxpayer.gstin, Token(value=Secret("an old one")))
    sim.expire_all(taxpayer.gstin)
    refused = {"code": 403, "message": "Access token expired"}
    sim.script_answer("count", 403, refused)
    sim.script_answer("refresh", 403, refused)
    asking = asyncio.create_task(taxpayer.counts())
    await asyncio.sleep(0.01)
    newer = sim.token(taxpayer.gstin)
    taxpayer.use_token(newer)
    await asking
    assert current(taxpayer) == newer


async def test_a_token_handed_in_while_a_store_is_asked_is_kept(sim: Simulator) -> None:
    """A slow store, a database say, answers with what it kept; a person was faster."""

    class SlowStore(MemoryCredentialStore):
        async def load(self, account: str, gstin: str) -> Token | None:
            await asyncio.sleep(1.0)
            return await super().load(account, gstin)

    store = SlowStore()
    taxpayer = with_token(make_client(sim, credentials=store), sim)
    kept = Token(value=Secret("a kept one"), expires_at=sim.now() + 100 * HOUR)
    await store.save(make_gsp(sim).account_id, taxpayer.gstin, kept)
    refreshing = asyncio.create_task(taxpayer.refresh())
    await asyncio.sleep(0.5)
    newer = sim.token(taxpayer.gstin)
    taxpayer.use_token(newer)
    await refreshing
    assert current(taxpayer) == newer


async def test_a_new_login_digs_no_old_grave(sim: Simulator) -> None:
    """A session that was refused may come again under its name."""
    taxpayer = with_token(make_client(sim), sim)
    session = taxpayer._session
    refused = session.held
    assert refused is not None
    sim.expire_all(taxpayer.gstin)
    with pytest.raises(SessionExpired):
        await taxpayer.refresh()
    await session.adopt(attrs.evolve(refused))
    asked = sim.count("refresh")
    with pytest.raises(SessionExpired):
        await taxpayer.refresh()
    assert sim.count("refresh") == asked + 1


async def test_a_refusal_that_does_not_end_the_session_leaves_it_alive(sim: Simulator) -> None:
    """An unknown 403 on an early renewal: the token is used as long as it lives."""
    taxpayer = with_token(make_client(sim), sim)
    await taxpayer.counts()
    await asyncio.sleep(5.2 * HOUR)
    sim.script_answer("refresh", 403, {"code": 403, "message": "Insufficient privilege"})
    await taxpayer.counts()
    await taxpayer.counts()
    assert sim.count("refresh") == 1


async def test_a_store_in_memory_keeps_nothing_of_a_session_that_was_ended() -> None:
    """A program may log thousands of taxpayers in and out."""
    store = MemoryCredentialStore()
    await store.save("account", "gstin", Token(value=Secret("a token")))
    await store.save("account", "gstin", None)
    await store.save("account", "another", None)
    assert await store.load("account", "gstin") is None
    assert vars(store)["_tokens"] == {}

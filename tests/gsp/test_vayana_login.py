"""Vayana's two logins over the simulator: a user's token of which there are ten, a session kept elsewhere."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import traceback
from pathlib import Path
from typing import Any

import pytest

from ims_async import (
    FileCredentialStore,
    GatewayError,
    GatewayUnavailable,
    ImsClient,
    InvalidInput,
    JobInFlight,
    MemoryCredentialStore,
    NotAuthorized,
    NotSupported,
    OtpRequired,
    Sandbox,
    Section,
    SessionExpired,
    Taxpayer,
    Vayana,
)
from ims_async.gsp.base import Token
from ims_async.model.secret import Secret
from ims_async.net import credential_file as credentials
from ims_async.net.transport import MemoryTransport
from ims_async.simulator import Simulator

from ..conftest import eas, from_gstn
from ..net.test_session import RecordingStore, Slow

pytestmark = [pytest.mark.looptime, pytest.mark.sim(invoices=0)]

HANDLE, PASSWORD = "demo@example.com", "password_test_demo"
MINUTE, HOUR = 60.0, 3600.0
EXPIRED = (403, eas("err-expired-token", "Authorization"))
ENDED = (502, from_gstn("RET11402", "Unauthorized User"))
VERSIONS = pytest.mark.parametrize("version", ["v3.0", "v1.0"])


def client_of(sim: Simulator, gsp: Vayana, **settings: Any) -> ImsClient:
    """A client that talks to the simulator in memory and reads its clock."""
    return ImsClient(gsp, **{"transport": sim.transport, "clock": sim.now, **settings})


def with_password(**settings: Any) -> Vayana:
    """A GSP that logs in by itself."""
    return Vayana("org-demo", handle=HANDLE, password=PASSWORD, **settings)


def with_token(sim: Simulator, **settings: Any) -> Vayana:
    """A GSP with a user's token that was had elsewhere, of six hours."""
    return Vayana("org-demo", sim.user_token, **settings)


def acme(client: ImsClient, sim: Simulator) -> Taxpayer:
    """The first taxpayer, in a session that was begun elsewhere."""
    gstin = sim.gstins[0]
    return client.taxpayer(gstin, token=sim.token(gstin))


async def logged_in(client: ImsClient, sim: Simulator) -> Taxpayer:
    """The first taxpayer, in a session that an OTP began."""
    person = sim.taxpayers[0]
    taxpayer = client.taxpayer(person.gstin)
    await taxpayer.request_otp(person.username)
    await taxpayer.verify_otp("575757")
    return taxpayer


def session_of(taxpayer: Taxpayer) -> str:
    """The name of the session at hand."""
    held = vars(taxpayer)["_session"].held
    assert held is not None
    name: str = held.value.reveal()
    return name


def live(sim: Simulator) -> int:
    """How many tokens of the user there are at the gateway."""
    count: int = vars(sim)["_vayana"].users.live("")
    return count


def asked(sim: Simulator) -> list[tuple[str, int]]:
    """What was asked, and the HTTP status of its answer."""
    return [(request.operation, request.status) for request in sim.requests]


# -- the user's token ----------------------------------------------------------------------------------


async def test_fifty_callers_share_one_login(sim: Simulator) -> None:
    """However many taxpayers they ask about: each login would make one more of ten tokens."""
    client = client_of(sim, with_password(), transport=Slow(sim, "/authtokens"))
    taxpayers = [client.taxpayer(gstin, token=sim.token(gstin)) for gstin in sim.gstins]
    await asyncio.gather(*(taxpayers[number % 2].counts() for number in range(50)))
    assert (sim.count("authenticate"), sim.count("count")) == (1, 50)


async def test_a_token_is_refreshed_ahead_of_its_end_until_no_refresh_helps(sim: Simulator) -> None:
    """For five hours of a call a minute: two hours are six lives of the token, then comes another login."""
    taxpayer = acme(client_of(sim, with_password()), sim)
    for _ in range(300):
        await taxpayer.counts()
        await asyncio.sleep(MINUTE)
    assert {status for operation, status in asked(sim) if operation == "count"} == {200}
    assert sim.count("authenticate") == 3
    refused = [status for operation, status in asked(sim) if operation == "account_refresh"]
    assert refused.count(403) == 2
    assert 10 <= len(refused) <= 25


@pytest.mark.parametrize(("minutes", "refreshes"), [(20, 4), (360, 0)])
async def test_a_token_lives_as_long_as_was_asked_for(minutes: int, refreshes: int, sim: Simulator) -> None:
    """Twenty minutes by default."""
    taxpayer = acme(client_of(sim, with_password(token_minutes=minutes)), sim)
    for _ in range(65):
        await taxpayer.counts()
        await asyncio.sleep(MINUTE)
    assert (sim.count("authenticate"), sim.count("account_refresh")) == (1, refreshes)


async def test_fifty_refusals_make_one_refresh(sim: Simulator) -> None:
    """All are sent again with the one new token, without a login."""
    client = client_of(sim, with_token(sim), transport=Slow(sim, "/authtokens"))
    taxpayer = acme(client, sim)
    for _ in range(50):
        sim.script_answer("count", *EXPIRED)
    await asyncio.gather(*(taxpayer.counts() for _ in range(50)))
    assert (sim.count("account_refresh"), sim.count("authenticate")) == (1, 0)
    assert sim.count("count") == 100
    assert sim.count("refresh") == 0  # the taxpayer's session is another matter


@pytest.mark.parametrize("operation", ["otp", "verify", "refresh", "logout", "save", "invoices", "status"])
async def test_a_refused_token_is_refreshed_whatever_it_was_sent_with(operation: str, sim: Simulator) -> None:
    """The request is sent once more, a change too: it was rejected before it took effect."""
    sim = Simulator(seed=7, invoices=10, sections=["b2b"])
    client = client_of(sim, with_token(sim))
    sim.script_answer(operation, *EXPIRED)
    taxpayer = await logged_in(client, sim)
    await taxpayer.refresh()
    rows = await taxpayer.invoices(Section.B2B)
    await (await taxpayer.save([rows[0].accept()]))
    await taxpayer.logout()
    assert sim.count("account_refresh") == 1
    assert asked(sim).count((operation, 403)) == 1
    assert len(sim.effects) == 1


async def test_a_refresh_that_is_refused_makes_way_for_a_login(sim: Simulator) -> None:
    """Where the token has ended at the gateway."""
    client = client_of(sim, with_password())
    taxpayer = acme(client, sim)
    await taxpayer.counts()
    token = vars(client)["_services"].account.held.value.reveal()
    sim.expire(token)
    await taxpayer.counts()
    assert asked(sim) == [
        ("authenticate", 200),
        ("count", 200),
        ("count", 403),
        ("account_refresh", 403),
        ("authenticate", 200),
        ("count", 200),
    ]


async def test_a_given_token_is_refreshed_until_its_hard_end_and_then_asked_for(sim: Simulator) -> None:
    """For thirty-six hours, six lives of six hours; each later call tries, and says what to pass."""
    client = client_of(sim, with_token(sim))
    for _ in range(71):
        await acme(client, sim).counts()
        await asyncio.sleep(HOUR / 2)
    assert {status for _, status in asked(sim)} == {200}
    await asyncio.sleep(HOUR)
    for _ in range(2):
        with pytest.raises(NotAuthorized, match="pass a new user_token, or handle and password") as caught:
            await acme(client, sim).counts()
        assert caught.value.http_status == 403
    assert sim.count("authenticate") == 0


async def test_a_given_token_that_has_ended_is_replaced_by_a_login(sim: Simulator) -> None:
    """If handle and password were passed too."""
    sim.expire(sim.user_token)
    client = client_of(sim, Vayana("org-demo", sim.user_token, handle=HANDLE, password=PASSWORD))
    await acme(client, sim).counts()
    assert [operation for operation, _ in asked(sim)] == ["count", "account_refresh", "authenticate", "count"]


async def test_a_call_past_the_hard_end_is_not_lost_to_the_given_token(sim: Simulator) -> None:
    """The refreshed token has ended, and so has the one it came from: one call, and a login mends it."""
    client = client_of(sim, Vayana("org-demo", sim.user_token, handle=HANDLE, password=PASSWORD))
    for hours in (5.1, 40.0):
        await acme(client, sim).counts()
        await asyncio.sleep(hours * HOUR)
    assert asked(sim)[1] == ("account_refresh", 200)
    await acme(client, sim).counts()
    assert asked(sim)[-3:] == [("account_refresh", 403), ("authenticate", 200), ("count", 200)]


async def test_a_refreshed_token_that_is_not_known_any_more_costs_no_call(sim: Simulator) -> None:
    """Ended elsewhere, say: the given one it came from has ended too, and is not tried."""
    client = client_of(sim, Vayana("org-demo", sim.user_token, handle=HANDLE, password=PASSWORD))
    sim.script_answer("count", *EXPIRED)
    await acme(client, sim).counts()
    sim.expire(vars(client)["_services"].account.held.value.reveal())
    await acme(client, sim).counts()
    assert asked(sim)[-4:] == [
        ("count", 403),
        ("account_refresh", 403),
        ("authenticate", 200),
        ("count", 200),
    ]


async def test_a_given_token_stands_in_for_an_older_one_in_the_store(sim: Simulator) -> None:
    """A new one was passed because the kept one had ended."""
    store, gsp = MemoryCredentialStore(), with_token(sim)
    await store.save(gsp.account_id, "", Token(value=Secret("an-older-one")))
    await acme(client_of(sim, gsp, credentials=store), sim).counts()
    assert asked(sim) == [("count", 403), ("account_refresh", 403), ("count", 200)]
    kept = await store.load(gsp.account_id, "")
    assert kept is not None
    assert kept.value.reveal() == sim.user_token


async def test_an_outage_of_the_login_leaves_a_living_token_in_use(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not answered by a login, and the calls go on until the token ends."""
    taxpayer = acme(client_of(sim, with_password()), sim)
    await taxpayer.counts()
    await asyncio.sleep(16 * MINUTE)
    for _ in range(20):
        sim.script_answer("account_refresh", 503, b"down")
    with caplog.at_level(logging.WARNING, "ims_async"):
        await taxpayer.counts()
    assert "ahead of its end" in caplog.text
    await asyncio.sleep(5 * MINUTE)
    with pytest.raises(GatewayUnavailable):
        await taxpayer.counts()
    assert sim.count("authenticate") == 1


@pytest.mark.sim(invoices=0, max_account_tokens=1)
async def test_one_token_too_many_is_said_to_be_so(sim: Simulator) -> None:
    """With what to do about it; ending the other one helps."""
    first = client_of(sim, with_password())
    second = client_of(sim, with_password())
    await acme(first, sim).counts()
    with pytest.raises(NotAuthorized, match="ten tokens of this user are alive: share one") as caught:
        await acme(second, sim).counts()
    assert (caught.value.code, caught.value.http_status) == ("err-active-tokens-limit-exceeded", 401)
    await first.sign_out()
    await acme(second, sim).counts()


@pytest.mark.sim(invoices=0, max_account_tokens=1)
async def test_programs_that_share_a_store_share_a_token(sim: Simulator) -> None:
    """The second has the first one's, also after it was refreshed."""
    store = MemoryCredentialStore()
    first, second = (client_of(sim, with_password(), credentials=store) for _ in range(2))
    await acme(first, sim).counts()
    await acme(second, sim).counts()
    await asyncio.sleep(16 * MINUTE)
    await acme(first, sim).counts()
    await acme(second, sim).counts()
    assert (sim.count("authenticate"), sim.count("account_refresh")) == (1, 1)
    assert {status for _, status in asked(sim)} == {200}


@pytest.mark.parametrize("settings", [{"handle": "other@example.com"}, {"password": "wrong"}])
async def test_a_wrong_password_is_told_and_tried_once_a_call(
    settings: dict[str, str], sim: Simulator
) -> None:
    """Nothing else is sent, and the password is not shown."""
    facts: dict[str, Any] = {"handle": HANDLE, "password": PASSWORD, **settings}
    gsp = Vayana("org-demo", **facts)
    with pytest.raises(NotAuthorized, match="check handle and password") as caught:
        await acme(client_of(sim, gsp), sim).counts()
    assert asked(sim) == [("authenticate", 403)]
    assert "wrong" not in f"{caught.value!r}{vars(caught.value)}"


async def test_an_unknown_user_token_is_reported(sim: Simulator) -> None:
    """With what to pass instead; it is shown nowhere."""
    client = client_of(sim, Vayana("org-demo", "bogus"))
    with pytest.raises(NotAuthorized, match="pass a new user_token, or handle and password") as caught:
        await acme(client, sim).counts()
    assert (caught.value.code, caught.value.http_status) == ("err-invalid-token", 403)
    assert "bogus" not in f"{caught.value!r}{vars(caught.value)}"
    assert asked(sim) == [("count", 403), ("account_refresh", 403)]


async def test_a_wrong_organisation_is_told_and_not_renewed(sim: Simulator) -> None:
    """The token is fine; the message says what to check."""
    client = client_of(sim, Vayana("org-other", sim.user_token))
    with pytest.raises(NotAuthorized, match="check org_id"):
        await acme(client, sim).counts()
    assert asked(sim) == [("count", 403)]


# -- signing out ---------------------------------------------------------------------------------------


async def test_signing_out_ends_the_token_at_the_gateway(sim: Simulator) -> None:
    """It is dead there and forgotten here; the next call logs in again."""
    store = RecordingStore()
    client = client_of(sim, with_password(), credentials=store)
    await acme(client, sim).counts()
    (token,) = store.tokens("")
    assert token is not None
    await client.sign_out()
    assert store.tokens("") == [token, None]
    with pytest.raises(NotAuthorized):
        await acme(client_of(sim, Vayana("org-demo", token)), sim).counts()
    await acme(client, sim).counts()
    assert sim.count("authenticate") == 2


async def test_signing_out_without_a_token_sends_nothing(sim: Simulator) -> None:
    """And twice is once."""
    client = client_of(sim, with_password())
    await client.sign_out()
    assert not sim.requests
    await acme(client, sim).counts()
    await client.sign_out()
    await client.sign_out()
    assert sim.count("account_logout") == 1


async def test_signing_out_of_a_token_that_has_ended_is_no_error(sim: Simulator) -> None:
    """What was wanted is so, and the token is not renewed for it."""
    client = client_of(sim, with_password())
    await acme(client, sim).counts()
    await asyncio.sleep(HOUR)
    await client.sign_out()
    assert asked(sim)[-1] == ("account_logout", 403)
    assert sim.count("account_refresh") == 0


async def test_signing_out_ends_a_token_that_only_the_store_has(sim: Simulator) -> None:
    """That of an earlier run of the program, say."""
    store = MemoryCredentialStore()
    await acme(client_of(sim, with_password(), credentials=store), sim).counts()
    await client_of(sim, with_password(), credentials=store).sign_out()
    assert asked(sim)[-1] == ("account_logout", 200)


async def test_signing_out_during_a_refresh_ends_the_refreshed_token(sim: Simulator) -> None:
    """Else the refresh would bring it back to life."""
    client = client_of(sim, with_password(), transport=Slow(sim, "/authtokens", seconds=5.0))
    taxpayer = acme(client, sim)
    await taxpayer.counts()
    await asyncio.sleep(16 * MINUTE)
    asking = asyncio.create_task(taxpayer.counts())
    await asyncio.sleep(1.0)
    await client.sign_out()
    assert (await asking).total == 0
    assert [operation for operation, _ in asked(sim)] == [
        "authenticate", "count", "account_refresh", "count", "account_logout",
    ]  # fmt: skip
    assert {status for _, status in asked(sim)} == {200}
    assert live(sim) == 0
    await taxpayer.counts()
    assert sim.count("authenticate") == 2


@pytest.mark.sim(invoices=0, max_account_tokens=1)
async def test_a_login_during_a_signing_out_keeps_its_token(sim: Simulator) -> None:
    """Else it would stay valid at the gateway, unknown here, and the next login would be one too many."""
    client = client_of(sim, with_password(), transport=Slow(sim, "/logout", seconds=5.0))
    taxpayer = acme(client, sim)
    await taxpayer.counts()
    leaving = asyncio.create_task(client.sign_out())
    await asyncio.sleep(1.0)
    await taxpayer.counts()
    assert not leaving.done()
    await leaving
    assert live(sim) == 1
    await taxpayer.counts()
    assert sim.count("authenticate") == 2
    await client.sign_out()
    assert live(sim) == 0
    await taxpayer.counts()
    assert live(sim) == 1


@pytest.mark.sim(invoices=10, sections=["b2b"])
async def test_signing_out_is_refused_while_a_job_runs(sim: Simulator) -> None:
    """Its outcome could not be asked for any more; afterwards it can be done."""
    client = client_of(sim, with_password())
    taxpayer = acme(client, sim)
    rows = await taxpayer.invoices(Section.B2B)
    job = await taxpayer.save([rows[0].accept()])
    with pytest.raises(JobInFlight, match="wait for it first") as caught:
        await client.sign_out()
    assert caught.value.job is job
    assert sim.count("account_logout") == 0
    await job
    await client.sign_out()
    assert sim.count("account_logout") == 1


async def test_the_other_gsp_has_no_such_call(sim: Simulator) -> None:
    """It says so, and keeps its token."""
    client = ImsClient(Sandbox("key_test_demo", "secret_test_demo"), transport=sim.transport, clock=sim.now)
    await logged_in(client, sim)
    with pytest.raises(NotSupported):
        await client.sign_out()
    await client.taxpayer(sim.gstins[0]).request_otp(sim.taxpayers[0].username)
    assert sim.count("authenticate") == 1


# -- the taxpayer's session ----------------------------------------------------------------------------


@VERSIONS
async def test_a_session_goes_from_otp_to_logout(version: Any, sim: Simulator) -> None:
    """In either version; nothing is held back between the steps but the name of the request."""
    client = client_of(sim, with_token(sim, auth_version=version))
    taxpayer = await logged_in(client, sim)
    await taxpayer.counts()
    await taxpayer.refresh()
    await taxpayer.counts()
    await taxpayer.logout()
    operations = ["otp", "verify", "count", "refresh", "count", "logout"]
    assert asked(sim) == [(operation, 200) for operation in operations]
    with pytest.raises(OtpRequired, match="request_otp and verify_otp"):
        await taxpayer.counts()


@VERSIONS
async def test_the_name_that_a_refresh_answers_is_the_sessions_from_then_on(
    version: Any, sim: Simulator
) -> None:
    """Another one in v3.0, the same in v1.0; the next refresh names the last one."""
    taxpayer = await logged_in(client_of(sim, with_token(sim, auth_version=version)), sim)
    names = [session_of(taxpayer)]
    for _ in range(2):
        await taxpayer.refresh()
        names.append(session_of(taxpayer))
    assert len(set(names)) == (3 if version == "v3.0" else 1)
    refreshes = [request for request in sim.requests if request.operation == "refresh"]
    assert [request.status for request in refreshes] == [200, 200]


async def test_an_otp_is_verified_in_another_process_by_the_name_of_its_request(sim: Simulator) -> None:
    """Which the first process hands on, with the user name; without it nothing is sent."""
    person = sim.taxpayers[0]
    name = await client_of(sim, with_token(sim)).taxpayer(person.gstin).request_otp(person.username)
    assert name
    other = client_of(sim, with_token(sim)).taxpayer(person.gstin)
    with pytest.raises(InvalidInput, match=r"call request_otp first, or pass what it returned"):
        await other.verify_otp("575757", username=person.username)
    assert sim.count("verify") == 0
    await other.verify_otp("575757", username=person.username, request=name)
    await other.counts()


async def test_the_name_of_a_request_that_is_passed_counts(sim: Simulator) -> None:
    """Before the one that this process had, which may be of an OTP that never came."""
    person, client = sim.taxpayers[0], client_of(sim, with_token(sim))
    taxpayer = client.taxpayer(person.gstin)
    first = await taxpayer.request_otp(person.username)
    await taxpayer.request_otp(person.username)
    await taxpayer.verify_otp("575757", request=first)
    with pytest.raises(OtpRequired):
        await taxpayer.verify_otp("575757", request=first)  # used up
    await taxpayer.verify_otp("575757")


async def test_a_wrong_otp_is_told_as_one(sim: Simulator) -> None:
    """GSTN calls it an invalid session; it is asked for once, shown nowhere, and ends no session."""
    person, client = sim.taxpayers[0], client_of(sim, with_token(sim))
    taxpayer = client.taxpayer(person.gstin)
    await taxpayer.request_otp(person.username)
    with pytest.raises(OtpRequired, match="wrong or has expired: ask for a new one") as caught:
        await taxpayer.verify_otp("000001")
    assert (caught.value.code, caught.value.http_status) == ("AUTH4033", 502)
    assert "000001" not in f"{caught.value!r}{vars(caught.value)}"
    assert (sim.count("verify"), sim.count("refresh")) == (1, 0)


async def test_a_user_name_that_gstn_does_not_know_is_told(sim: Simulator) -> None:
    """As GSTN's word; nothing is renewed for it."""
    client = client_of(sim, with_token(sim))
    with pytest.raises(GatewayError) as caught:
        await client.taxpayer(sim.gstins[0]).request_otp("somebody")
    assert caught.value.http_status == 502
    assert [operation for operation, _ in asked(sim)] == ["otp"]


async def test_a_refused_session_is_refreshed_once_for_all_and_the_calls_repeated(sim: Simulator) -> None:
    """502 with that word is no outage: it says that the session has ended."""
    client = client_of(sim, with_token(sim), transport=Slow(sim, "/authenticate"))
    taxpayer = await logged_in(client, sim)
    for _ in range(50):
        sim.script_answer("count", *ENDED)
    await asyncio.gather(*(taxpayer.counts() for _ in range(50)))
    assert (sim.count("refresh"), sim.count("count")) == (1, 100)
    assert sim.count("account_refresh") == 0


class LateCounts(MemoryTransport):
    """Each of the first ten answers to `counts` comes a second later than the one before."""

    late = 0

    async def send(self, request: Any) -> Any:
        answer = await super().send(request)
        if request.operation == "count" and self.late < 10:
            self.late += 1
            await asyncio.sleep(self.late)
        return answer


@VERSIONS
async def test_refusals_that_come_one_after_another_make_one_refresh(version: Any, sim: Simulator) -> None:
    """All are of the session as it was before, also where the refreshed one has the same name."""
    way = LateCounts(sim.transport, clock=sim.now)
    taxpayer = await logged_in(client_of(sim, with_token(sim, auth_version=version), transport=way), sim)
    for _ in range(10):
        sim.script_answer("count", *ENDED)
    await asyncio.gather(*(taxpayer.counts() for _ in range(10)))
    assert (sim.count("refresh"), sim.count("count")) == (1, 20)


async def test_a_session_that_is_refused_again_is_not_refreshed_again(sim: Simulator) -> None:
    """A fresh one that is refused too will not get better."""
    taxpayer = await logged_in(client_of(sim, with_token(sim)), sim)
    for _ in range(2):
        sim.script_answer("count", *ENDED)
    with pytest.raises(SessionExpired) as caught:
        await taxpayer.counts()
    assert (caught.value.code, sim.count("refresh"), sim.count("count")) == ("RET11402", 1, 2)


async def test_a_dead_session_is_not_asked_about_again(sim: Simulator) -> None:
    """Its refresh is refused once; each later call says so without another."""
    taxpayer = await logged_in(client_of(sim, with_token(sim)), sim)
    sim.end_session(taxpayer.gstin)
    for _ in range(3):
        with pytest.raises(SessionExpired, match="the session has ended: log in again with an OTP") as caught:
            await taxpayer.counts()
        assert (caught.value.code, caught.value.http_status) == ("RET11402", 502)
    assert sim.count("refresh") == 1
    await logged_in(client_of(sim, with_token(sim)), sim)
    await taxpayer.counts()  # the gateway holds the session, also one of another process


async def test_a_session_that_is_unknown_here_is_used_all_the_same(sim: Simulator) -> None:
    """The gateway keeps it, for any process; once it has ended, a login is asked for."""
    sim.token(sim.gstins[0])
    taxpayer = client_of(sim, with_token(sim)).taxpayer(sim.gstins[0])
    await taxpayer.counts()
    sim.end_session(taxpayer.gstin)
    with pytest.raises(OtpRequired, match="there is no session for"):
        await taxpayer.counts()
    assert [operation for operation, _ in asked(sim)] == ["count", "count"]


# -- one session, two processes --------------------------------------------------------------------------


async def shared(sim: Simulator) -> tuple[Taxpayer, Taxpayer, RecordingStore]:
    """One taxpayer in two processes that share a store, logged in by the first."""
    store = RecordingStore()
    one, other = (client_of(sim, with_token(sim), credentials=store) for _ in range(2))
    taxpayer = await logged_in(one, sim)
    return taxpayer, other.taxpayer(taxpayer.gstin), store


async def test_a_refresh_that_comes_second_takes_the_name_that_the_first_one_had(sim: Simulator) -> None:
    """The old name died with the first: that is no end of the session."""
    one, other, _ = await shared(sim)
    await other.refresh()
    renewed = session_of(other)
    await one.refresh()
    assert session_of(one) == renewed
    assert [status for operation, status in asked(sim) if operation == "refresh"] == [200, 502]
    sim.script_answer("count", *ENDED)
    await one.counts()
    assert session_of(one) != renewed
    sim.script_answer("count", *ENDED)
    await other.counts()
    assert session_of(other) == session_of(one)


async def test_logging_out_ends_the_session_under_the_name_that_another_process_gave_it(
    sim: Simulator,
) -> None:
    """Else it would stay valid at the gateway, unknown here."""
    one, other, store = await shared(sim)
    await other.refresh()
    renewed = session_of(other)
    await one.logout()
    assert asked(sim)[-2:] == [("logout", 502), ("logout", 200)]
    assert store.tokens(one.gstin)[-1] is None
    with pytest.raises(SessionExpired):
        await client_of(sim, with_token(sim)).taxpayer(one.gstin, token=renewed).refresh()


async def test_a_session_that_was_called_dead_lives_again_where_the_store_has_another(sim: Simulator) -> None:
    """Another process logged in again: its name is taken, and the dead one is not asked about."""
    one, other, store = await shared(sim)
    sim.end_session(one.gstin)
    for _ in range(2):
        with pytest.raises(SessionExpired):
            await one.refresh()
    assert sim.count("refresh") == 1
    await other.request_otp(sim.taxpayers[0].username)
    await other.verify_otp("575757")
    await one.refresh()
    assert session_of(one) == session_of(other) == store.tokens(one.gstin)[-1]
    assert sim.count("refresh") == 1


async def test_logging_out_can_be_switched_off(sim: Simulator) -> None:
    """Its page is not public; the session goes on then."""
    taxpayer = await logged_in(client_of(sim, with_token(sim, logout_action=None)), sim)
    with pytest.raises(NotSupported, match="logout_action"):
        await taxpayer.logout()
    assert session_of(taxpayer)
    await taxpayer.counts()


async def test_logging_out_of_a_session_that_has_ended_is_no_error(sim: Simulator) -> None:
    """Nothing is renewed for it."""
    store = RecordingStore()
    taxpayer = await logged_in(client_of(sim, with_token(sim), credentials=store), sim)
    sim.end_session(taxpayer.gstin)
    await taxpayer.logout()
    assert store.tokens(taxpayer.gstin)[-1] is None
    assert [operation for operation, _ in asked(sim)] == ["otp", "verify", "logout"]


# -- stores --------------------------------------------------------------------------------------------


async def test_a_store_is_told_of_the_users_token_and_of_each_name_of_the_session(sim: Simulator) -> None:
    """And that there is none after logging out; the account is named without handle or password."""
    store = RecordingStore()
    taxpayer = await logged_in(client_of(sim, with_password(), credentials=store), sim)
    first = session_of(taxpayer)
    await taxpayer.refresh()
    second = session_of(taxpayer)
    await taxpayer.logout()
    assert store.tokens(taxpayer.gstin) == [first, second, None]
    assert len(store.tokens("")) == 1
    (account,) = {account for account, _, _ in store.saved}
    assert account == with_password().account_id
    assert "demo" not in account


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"test": True},
        {"base_url": "https://eas.example"},
        {"base_url": "https://eas.example", "sso_url": with_password().sso_url},
        {"sso_url": "https://sso.example/theodore/apis/v1"},
    ],
    ids=str,
)
async def test_a_token_in_a_store_is_not_used_at_another_host(
    elsewhere: dict[str, Any], sim: Simulator
) -> None:
    """Neither the user's nor the session's identifier: that host could use them here."""
    store = RecordingStore()
    taxpayer = await logged_in(client_of(sim, with_password(), credentials=store), sim)
    other = client_of(sim, with_password(**elsewhere), credentials=store).taxpayer(taxpayer.gstin)
    before = len(sim.requests)
    for call in (other.refresh, other.logout):
        with pytest.raises(OtpRequired):
            await call()
    assert len(sim.requests) == before
    await other.counts()
    assert asked(sim)[before:] == [("authenticate", 200), ("count", 200)]
    first, second = store.tokens("")
    assert [request.headers["x-flynn-n-user-token"] for request in sim.requests[before + 1 :]] == [second]
    assert first != second
    await taxpayer.refresh()


async def test_a_token_in_a_store_is_not_used_for_another_users(sim: Simulator) -> None:
    """Two bare tokens of one organisation may be of two users."""
    told, store = RecordingStore(), RecordingStore()
    await acme(client_of(sim, with_password(), credentials=told), sim).counts()
    (theirs,) = told.tokens("")
    assert theirs is not None
    taxpayer = await logged_in(client_of(sim, with_token(sim), credentials=store), sim)
    other = client_of(sim, Vayana("org-demo", theirs), credentials=store).taxpayer(taxpayer.gstin)
    with pytest.raises(OtpRequired):
        await other.refresh()
    await other.counts()
    assert sim.requests[-1].headers["x-flynn-n-user-token"] == theirs
    assert store.tokens("") == [sim.user_token, theirs]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
async def test_another_process_goes_on_with_a_file(sim: Simulator, tmp_path: Path) -> None:
    """With the user's token and the session, read by its owner alone; it refreshes both by what it read."""
    path = tmp_path / "credentials.json"
    first = client_of(sim, with_password(), credentials=FileCredentialStore(path))
    session = session_of(await logged_in(first, sim))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = credentials._parsed(path.read_text(encoding="utf-8"))
    account = with_password().account_id
    assert sorted(kept) == sorted([f"{account}/", f"{account}/{sim.gstins[0]}"])
    assert kept[f"{account}/{sim.gstins[0]}"] == {"token": session, "expires_at": None}
    second = client_of(sim, with_password(), credentials=FileCredentialStore(path))
    taxpayer = second.taxpayer(sim.gstins[0])
    sim.script_answer("count", *ENDED)
    await taxpayer.counts()
    await asyncio.sleep(16 * MINUTE)
    await taxpayer.counts()
    assert session_of(taxpayer) != session
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [operation for operation, _ in asked(sim)] == [
        "authenticate", "otp", "verify", "count", "refresh", "count", "account_refresh", "count",
    ]  # fmt: skip


# -- secrets -------------------------------------------------------------------------------------------


class Watching:
    """A way into a simulator that shows every request and answer as a log would."""

    def __init__(self, sim: Simulator) -> None:
        self._way = MemoryTransport(sim.transport, clock=sim.now)
        self.shown: list[str] = []

    async def send(self, request: Any) -> Any:
        """Send it on."""
        answer = await self._way.send(request)
        self.shown += [repr(request), repr(answer), str(request), str(answer)]
        return answer

    async def aclose(self) -> None:
        """Nothing to close."""


@VERSIONS
@pytest.mark.sim(invoices=0, otp="424242")
async def test_no_secret_is_shown_anywhere(
    version: Any, sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither password nor token, OTP nor name of a session: in no log, error, `repr` or message."""
    store, way = RecordingStore(), Watching(sim)
    gsp = with_password(auth_version=version, extra_headers={"X-FLYNN-S-REK": "rek_planted"})
    client = client_of(sim, gsp, credentials=store, transport=way)
    person = sim.taxpayers[0]
    taxpayer = client.taxpayer(person.gstin)
    errors: list[BaseException] = []
    name = await taxpayer.request_otp(person.username)
    with caplog.at_level(logging.DEBUG):
        for otp, planned in (
            ("424243", None),  # wrong
            ("424242", (200, b'{"status":"1","data":{"gst-session-id":"gst_planted')),
            ("424242", (200, {"data": {"gst-session-id": ["gst_planted"]}})),
            ("424242", (200, {"data": 5})),
        ):
            if planned:
                sim.script_answer("verify", *planned)
            with pytest.raises(Exception) as caught:  # whatever it is, it is looked at below
                await taxpayer.verify_otp(otp)
            errors.append(caught.value)
        await taxpayer.verify_otp("424242")
        await taxpayer.refresh()
        await taxpayer.counts()
        for planned in ((200, b'{"data":{"token":"usr_planted'), (200, {"data": {"token": ["usr_planted"]}})):
            sim.script_answer("count", *EXPIRED)
            sim.script_answer("account_refresh", *planned)
            with pytest.raises(Exception) as caught:
                await taxpayer.counts()
            errors.append(caught.value)
        sim.script_answer("count", *ENDED)
        sim.end_session(taxpayer.gstin)
        with pytest.raises(SessionExpired) as ended:
            await taxpayer.counts()
        errors.append(ended.value)
        await client.sign_out()
    assert errors
    planted = ["rek_planted", "gst_planted", "usr_planted", PASSWORD, "424242", "424243", name or ""]
    tokens = [token.value.reveal() for _, _, token in store.saved if token is not None]
    assert len(tokens) >= 3
    shown = [*way.shown, caplog.text, repr(gsp), str(gsp), repr(client), repr(taxpayer), repr(vars(taxpayer))]
    for error in errors:
        shown += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    for secret in [*planted, *tokens]:
        assert secret
        assert not [text for text in shown if secret in text], secret

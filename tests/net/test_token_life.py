"""How long a token is used: by its end, or where a clock is off by its life from when it was given."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from ims_async import ImsClient, MemoryCredentialStore, NotAuthorized, Sandbox, Taxpayer, Vayana
from ims_async.gsp.base import Token
from ims_async.model.secret import Secret
from ims_async.net.credentials import dated, renew_at
from ims_async.simulator import Simulator

from ..conftest import LOGIN, dialect, make_client, make_gsp
from ..support.recorded import answer, jwt
from ..support.vayana_talk import converse

pytestmark = [pytest.mark.looptime, pytest.mark.sim(invoices=0)]

HOUR = 3600.0
NOW = 1_790_000_000.0


def off_by(sim: Simulator, hours: float, **settings: Any) -> ImsClient:
    """Return a client whose clock is so many hours ahead of the gateway's."""
    gsp = make_gsp(sim, **(LOGIN if make_gsp(sim).kind == "vayana" else {}))
    return make_client(sim, gsp=gsp, clock=lambda: sim.now() + hours * HOUR, **settings)


async def log_in(client: ImsClient, sim: Simulator) -> Taxpayer:
    """Log the first taxpayer in with an OTP."""
    taxpayer = client.taxpayer(sim.gstins[0])
    await taxpayer.request_otp(sim.taxpayers[0].username)
    await taxpayer.verify_otp("575757")
    return taxpayer


def asked(sim: Simulator) -> int:
    """Count the requests for a token."""
    return sum(sim.count(name) for name in ("authenticate", "refresh", dialect().renewal))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said of clocks."""
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [record.getMessage() for record in told if "clock" in record.getMessage()]


@pytest.mark.both_gsps
@pytest.mark.parametrize("hours", [7.0, 30.0, 24.0 * 365, -12.0, -24.0 * 365])
async def test_with_a_clock_that_is_off_a_token_is_used_until_its_life_is_over(
    sim: Simulator, hours: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten requests cost no renewal; one warning has both times."""
    client = off_by(sim, hours)
    taxpayer = await log_in(client, sim)
    before = asked(sim)
    for _ in range(10):
        await taxpayer.counts()
    assert asked(sim) == before
    told = warnings(caplog)
    assert len(told) == 1
    assert "UTC, and here it is" in told[0]


@pytest.mark.sim(invoices=0, taxpayers=20)
async def test_a_clock_that_is_off_is_one_warning_however_many_taxpayers_there_are(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """What is said of the others is for those who look closely, and comes once for each, let go or not."""
    caplog.set_level(logging.DEBUG)
    client = off_by(sim, 7.0)
    for _ in range(3):
        for person in sim.taxpayers:
            taxpayer = client.taxpayer(person.gstin)
            await taxpayer.request_otp(person.username)
            await taxpayer.verify_otp("575757")
            del taxpayer
    levels = [record.levelno for record in caplog.records if "clock" in record.getMessage()]
    assert levels == [logging.WARNING] + [logging.DEBUG] * 19


@pytest.mark.parametrize("hours", [0.0, 5.5, 5.99, 7.0, -5.5, -12.0])
async def test_sessions_are_kept_alive_with_a_clock_that_is_off(sim: Simulator, hours: float) -> None:
    """Asked each quarter of an hour, a session of six hours lasts for two days, with a few renewals."""
    client = off_by(sim, hours)
    taxpayer = await log_in(client, sim)
    before = sim.count("refresh")
    for _ in range(4 * 48):
        await asyncio.sleep(HOUR / 4)
        await taxpayer.counts()
    assert sim.count("refresh") - before <= 10
    assert sim.count("otp") == 1


@pytest.mark.both_gsps
@pytest.mark.only_gsp("vayana", "Sandbox makes a new token of the account from key and secret")
@pytest.mark.sim(invoices=0, token_seconds=100 * HOUR)
@pytest.mark.parametrize("hours", [0.0, 7.0, -12.0])
async def test_a_users_token_is_refreshed_ahead_of_its_end_with_a_clock_that_is_off(
    sim: Simulator, hours: float
) -> None:
    """So that no request meets an ended one; the hard end of a login takes another."""
    client = off_by(sim, hours)
    taxpayer = await log_in(client, sim)
    for _ in range(60):
        await asyncio.sleep(HOUR / 15)  # of tokens that live for a third
        await taxpayer.counts()
    assert sim.count("count") == 60
    assert sim.count("account_refresh") + sim.count("authenticate") <= 20


@pytest.mark.both_gsps
async def test_a_token_that_was_handed_in_is_used_until_it_is_refused(
    sim: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It looks ended by the clock here, and lives."""
    client = off_by(sim, 7.0)
    taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    for _ in range(5):
        await taxpayer.counts()
    assert sim.count("refresh") == 0
    assert sim.count("authenticate") <= 1
    assert sim.count("count") == 5
    assert len(warnings(caplog)) == 1


@pytest.mark.both_gsps
@pytest.mark.only_gsp("vayana", "Sandbox is handed no token of the account")
async def test_a_users_token_that_was_handed_in_is_used_until_it_is_refused(sim: Simulator) -> None:
    """As a taxpayer's is."""
    client = make_client(sim, clock=lambda: sim.now() + 7 * HOUR)
    taxpayer = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
    for _ in range(5):
        await taxpayer.counts()
    assert [request.operation for request in sim.requests] == ["count"] * 5


async def test_a_token_that_has_really_ended_is_refused_once(sim: Simulator) -> None:
    """What was handed in too late costs a request and a renewal that fails, and no more."""
    client = make_client(sim)
    token = sim.token(sim.gstins[0])
    sim.advance(7 * HOUR)
    taxpayer = client.taxpayer(sim.gstins[0], token=token)
    for _ in range(2):
        with pytest.raises(NotAuthorized):
            await taxpayer.counts()
    assert sim.count("refresh") == 1


@pytest.mark.both_gsps
async def test_what_is_stored_can_be_gone_by(sim: Simulator) -> None:
    """The next client of this machine finds an end by the same clock, and renews nothing."""
    store = MemoryCredentialStore()
    await log_in(off_by(sim, 30.0, credentials=store), sim)
    before = asked(sim)
    await off_by(sim, 30.0, credentials=store).taxpayer(sim.gstins[0]).counts()
    assert asked(sim) == before


async def test_a_canned_end_costs_nothing(sim: Simulator) -> None:
    """As the vendor's own example has it: an end in 2024, whatever the day is."""
    old = {"access_token": "opaque", "token_expiry": 1712947711000, "session_expiry": 1712947711000}
    for _ in range(2):
        sim.script_answer("verify", 200, {"code": 200, "data": {"status_cd": "1", **old}})
    client = make_client(sim)
    store = vars(await log_in(client, sim))["_session"].held
    assert store.expires_at == pytest.approx(sim.now() + 6 * HOUR, abs=1.0)


@pytest.mark.parametrize(
    ("told", "ends_in"),
    [
        ({"expires_at": NOW + HOUR}, HOUR),
        ({"expires_at": NOW + HOUR, "issued_at": NOW}, HOUR),
        ({"expires_at": NOW + HOUR, "issued_at": NOW + 200}, HOUR),
        ({"expires_at": NOW + HOUR, "issued_at": NOW - 90 * HOUR, "life": 60.0}, HOUR),
        ({}, None),
        ({"life": 60.0}, None),
        ({"expires_at": NOW}, None),
        ({"expires_at": NOW - HOUR}, None),
        ({"expires_at": NOW - HOUR, "life": 2 * HOUR}, 2 * HOUR),
        ({"expires_at": NOW - HOUR, "issued_at": NOW - 4 * HOUR, "life": 60.0}, 3 * HOUR),
        ({"expires_at": NOW - HOUR, "issued_at": NOW, "life": 60.0}, 60.0),
        ({"expires_at": NOW + 9 * HOUR, "issued_at": NOW + 8 * HOUR}, HOUR),
        ({"issued_at": NOW + 8 * HOUR, "life": 60.0}, 60.0),
        ({"expires_at": NOW + HOUR, "issued_at": NOW - 5 * HOUR, "new": True}, 6 * HOUR),
        ({"expires_at": NOW + HOUR, "issued_at": NOW - 200, "new": True}, HOUR),
        ({"expires_at": -1e300}, None),
        ({"issued_at": 1e300}, None),
    ],
    ids=str,
)
def test_the_end_of_a_token_by_our_clock(told: dict[str, Any], ends_in: float | None) -> None:
    """The stated expiry if it is plausible; else its stated lifetime, else the documented one, else none."""
    token, problem = dated(Token(value=Secret("tok_secret"), **told), NOW)
    assert token.expires_at == (None if ends_in is None else pytest.approx(NOW + ends_in))
    if token.expires_at != told.get("expires_at"):
        assert problem
    assert "tok_secret" not in problem
    assert renew_at(token, NOW) > NOW


def test_every_token_tells_its_life() -> None:
    """Both GSPs read when it was issued; what is documented or was asked for is known beside it."""
    issued = jwt(NOW + HOUR, iat=NOW)
    user = Vayana("org-1", handle="h", password="p", token_minutes=30)
    of_user = answer(200, {"data": {"token": issued}})
    of_sandbox = answer(200, {"code": 200, "data": {"access_token": issued, "status_cd": "1"}})
    sandbox = Sandbox("key", "secret")
    tokens = [
        (Vayana("org-1", issued).authenticate(), [], None),
        (user.authenticate(), [of_user], 1800.0),
        (user.authenticate(Token(value=Secret("old"))), [of_user], 1800.0),
        (sandbox.authenticate(), [of_sandbox], 24 * HOUR),
        (sandbox.verify_otp("29AAACQ3770E1ZF", "acme", "575757"), [of_sandbox], 6 * HOUR),
        (sandbox.refresh("29AAACQ3770E1ZF", Token(value=Secret("old"))), [of_sandbox], 6 * HOUR),
    ]
    for conversation, answers, life in tokens:
        token, _ = converse(conversation, *answers)
        assert (token.issued_at, token.expires_at, token.life) == (NOW, NOW + HOUR, life)

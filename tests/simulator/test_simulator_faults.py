"""Faults that a test scripts, in memory: what the caller gets, what takes effect, what is remembered."""

from __future__ import annotations

import datetime as dt
import json
import re
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from ims_async.simulator import Fault, Simulator

from ..support.documents import DOCUMENTS
from .simulator_portal import Portal
from .simulator_portal_vayana import SSO
from .simulator_saves import a_save

NOW = 1_763_700_000.0  # epoch seconds
BOTH = pytest.mark.parametrize("gsp", ["sandbox", "vayana"])


@pytest.fixture
def simulator() -> Simulator:
    """Two taxpayers whose jobs take no time."""
    return Simulator(taxpayers=2, invoices=40, job_seconds=0, clock=lambda: NOW)


def met(simulator: Simulator) -> list[tuple[int, str]]:
    """Status and fault of each save that arrived."""
    return [(one.status, one.fault) for one in simulator.requests if one.operation == "save"]


@BOTH
@pytest.mark.parametrize(
    ("fault", "raised", "effects", "logged"),
    [
        (Fault.drop_before(), ConnectionResetError, 0, (0, "drop_before, without effect")),
        (Fault.drop_after(), ConnectionResetError, 1, (0, "drop_after, with effect")),
        (Fault.half_open(), TimeoutError, 0, (0, "half_open, without effect")),
        (Fault.half_open(effect=True), TimeoutError, 1, (0, "half_open, with effect")),
        (Fault.truncate(20), ConnectionResetError, 1, (200, "truncate, with effect")),
    ],
    ids=str,
)
def test_a_fault_that_leaves_no_whole_answer_is_raised(
    gsp: str,
    fault: Fault,
    raised: type[Exception],
    effects: int,
    logged: tuple[int, str],
    simulator: Simulator,
) -> None:
    """And the next request meets none."""
    with pytest.raises(raised, match=f"^Simulator: {fault}.$"):
        try_save(simulator, gsp, fault)
    assert len(simulator.effects) == effects
    assert met(simulator) == [logged]
    assert simulator.handle(*a_save(simulator, gsp))[0] == 200
    assert len(simulator.effects) == effects + 1


def try_save(simulator: Simulator, gsp: str, fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """Send a save that meets a fault."""
    simulator.script_fault("save", fault)
    return simulator.handle(*a_save(simulator, gsp))


@BOTH
@pytest.mark.parametrize("fault", [Fault.delay(30.0), Fault.slow(1, 30.0), Fault.twice(30.0)], ids=str)
def test_what_only_takes_long_takes_no_time_in_memory(gsp: str, fault: Fault, simulator: Simulator) -> None:
    """The answer is the true one, once."""
    status, _, content = try_save(simulator, gsp, fault)
    true, _, other = simulator.handle(*a_save(simulator, gsp))
    assert (status, json.loads(content).keys()) == (true, json.loads(other).keys())
    assert len(simulator.effects) == 2


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize(
    ("fault", "kind", "begins"),
    [
        (Fault.html, "text/html", b"<!DOCTYPE"),
        (Fault.empty, None, b""),
        (Fault.garbage_gzip, "application/json", b"\x1f\x8b"),
    ],
)
def test_a_200_without_a_readable_answer_is_with_effect_or_without(
    fault: Any, kind: str | None, begins: bytes, effect: bool, simulator: Simulator
) -> None:
    """Which it is, the caller cannot tell."""
    status, headers, content = try_save(simulator, "sandbox", fault(effect=effect))
    assert (status, headers.get("Content-Type")) == (200, kind)
    assert content.startswith(begins)
    assert bool(content) is bool(begins)
    assert ("Content-Encoding" in headers) is (fault == Fault.garbage_gzip)
    assert len(simulator.effects) == effect


@pytest.mark.parametrize("effect", [False, True])
@pytest.mark.parametrize("status", [302, 409])
@pytest.mark.parametrize("fault", [Fault.html, Fault.empty])
def test_a_proxy_answers_with_any_status(fault: Any, status: int, effect: bool, simulator: Simulator) -> None:
    """Its own page, or nothing, whether or not the request took effect."""
    answered, headers, content = try_save(simulator, "sandbox", fault(status, effect=effect))
    page = fault == Fault.html
    assert (answered, headers.get("Content-Type"), bool(content)) == (
        status,
        "text/html" if page else None,
        page,
    )
    assert len(simulator.effects) == effect


@pytest.mark.parametrize(
    ("fault", "sandbox", "vayana"),
    [
        (Fault.refused(), "Access token expired", ("err-expired-token", "Authorization")),
        (Fault.refused(400), "Bad Request", ("err-issue-with-parameter", "ClientRequest")),
        (Fault.refused(401), "Unauthorized", ("err-active-tokens-limit-exceeded", "Authorization")),
        (Fault.throttled(), "Too Many Requests", ("err-too-many-requests", "ClientRequest")),
        (Fault.outage(), "Service Unavailable", ("err-service-unavailable", "Runtime")),
        (Fault.outage(504), "Endpoint request timed out", ("err-gateway-timeout", "Runtime")),
    ],
)
def test_a_refusal_is_in_the_words_of_the_gsp(
    fault: Fault, sandbox: str, vayana: tuple[str, str], simulator: Simulator
) -> None:
    """Its envelope, its wording; nothing takes effect."""
    status, _, content = try_save(simulator, "sandbox", fault)
    body = json.loads(content)
    assert body.keys() == {"code", "message", "timestamp", "transaction_id"}
    assert (status, body["code"], body["message"]) == (fault.status, fault.status, sandbox)
    status, _, content = try_save(simulator, "vayana", fault)
    body = json.loads(content)
    assert (status, body["status"], body["data"]) == (fault.status, "0", None)
    assert (body["error"]["message"], body["error"]["type"]) == vayana
    assert simulator.effects == []


@BOTH
def test_a_used_up_plan_is_reported_by_the_api_gateway_in_front(gsp: str, simulator: Simulator) -> None:
    """In its own words, not the GSP's; nothing takes effect."""
    status, _, content = try_save(simulator, gsp, Fault.spent())
    assert (status, json.loads(content)) == (429, {"message": "Limit Exceeded"})
    assert simulator.effects == []


def test_the_login_of_users_refuses_without_the_envelope(simulator: Simulator) -> None:
    """As it answers everything else."""
    simulator.script_fault("authenticate", Fault.outage(500))
    status, _, content = simulator.handle("POST", f"{SSO}/authtokens", {}, b"{}")
    assert (status, [*json.loads(content)]) == (500, ["error"])


def test_an_outage_can_hide_what_was_done(simulator: Simulator) -> None:
    """A gateway may time out on a backend that does not."""
    assert try_save(simulator, "sandbox", Fault.outage(504, effect=True))[0] == 504
    assert len(simulator.effects) == 1


@BOTH
@pytest.mark.parametrize(
    ("fault", "header", "value"),
    [
        (Fault.throttled(5), "Retry-After", "5"),
        (Fault.throttled(2.5), "Retry-After", "2.5"),
        (Fault.throttled(1_000_000_000), "Retry-After", "1000000000"),
        (Fault.throttled(30, hint="date"), "Retry-After", "Fri, 21 Nov 2025 04:40:30 GMT"),
        (Fault.throttled(30, hint="reset"), "X-RateLimit-Reset", str(int(NOW) + 30)),
    ],
)
def test_a_429_asks_to_stay_away_in_every_form(
    gsp: str, fault: Fault, header: str, value: str, simulator: Simulator
) -> None:
    """Measured from the request, by the simulator's clock."""
    status, headers, _ = try_save(simulator, gsp, fault)
    assert (status, headers[header]) == (429, value)
    assert len({"Retry-After", "X-RateLimit-Reset"} & headers.keys()) == 1
    if fault.hint == "date":
        assert parsedate_to_datetime(value) == dt.datetime.fromtimestamp(NOW + 30, dt.UTC)


@BOTH
def test_a_bare_429_asks_for_nothing(gsp: str, simulator: Simulator) -> None:
    """No header says when to try again."""
    assert [*try_save(simulator, gsp, Fault.throttled())[1]] == ["Content-Type"]


# -- which request meets which -----------------------------------------------------------------------------


def test_faults_and_planned_answers_keep_their_order(simulator: Simulator) -> None:
    """One queue, whichever way it was filled, and "any" stands in it too."""
    call = a_save(simulator)
    simulator.script_answer("save", 418)
    simulator.script_fault("save", *Fault.burst(2), Fault.throttled())
    simulator.script_answer("any", 410)
    simulator.script_fault("any", Fault.refused(401))
    assert simulator.handle("GET", "/nowhere", {})[0] == 410
    assert [simulator.handle(*call)[0] for _ in range(6)] == [418, 503, 503, 429, 401, 200]
    assert [fault.partition(",")[0] for _, fault in met(simulator)] == [
        "", "outage", "outage", "throttled", "refused", "",
    ]  # fmt: skip


def test_a_fault_waits_for_its_operation_and_its_taxpayer(simulator: Simulator) -> None:
    """Other requests are answered meanwhile, and meet faults that were planned later for all."""
    first, second = simulator.gstins
    calls = {gstin: a_save(simulator, "vayana", gstin) for gstin in (first, second)}
    simulator.script_fault("save", Fault.outage(), gstin=second)
    simulator.script_fault("any", Fault.outage(502), gstin=second)
    simulator.script_fault("save", Fault.outage(504))
    Portal(simulator, first).rows()
    assert [simulator.handle(*calls[gstin])[0] for gstin in (first, first, second, second, second)] == [
        504, 200, 503, 502, 200,
    ]  # fmt: skip


@pytest.mark.parametrize("operation", ["sav", ""])
def test_a_fault_of_no_operation_is_refused(operation: str, simulator: Simulator) -> None:
    """It could never happen."""
    with pytest.raises(ValueError, match=r"No operation is called .*; there are"):
        simulator.script_fault(operation, Fault.drop_before())


def test_a_fault_for_an_unknown_gstin_is_refused(simulator: Simulator) -> None:
    """Likewise."""
    with pytest.raises(LookupError, match="none of this simulator's taxpayers"):
        simulator.script_fault("save", Fault.drop_before(), gstin="27AAPFU0939F1ZV")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fault.refused(404),
        lambda: Fault.html(199),
        lambda: Fault.empty(600),
        lambda: Fault.outage(404),
        lambda: Fault.outage(600),
        lambda: Fault.truncate(-1),
        lambda: Fault.delay(-0.1),
        lambda: Fault.delay(float("nan")),
        lambda: Fault.slow(0),
        lambda: Fault.slow(1, -1),
        lambda: Fault.twice(-1),
        lambda: Fault.burst(0),
        lambda: Fault.throttled(1, hint="later"),  # type: ignore[arg-type]
    ],
)
def test_a_fault_that_cannot_be_is_refused(make: Any) -> None:
    """Where it is made, not where it would happen."""
    with pytest.raises(ValueError, match=r"not |fewer"):
        make()


def test_a_fault_is_a_plain_value() -> None:
    """It can be compared, kept in a set, and not changed."""
    assert {Fault.html(), Fault.html()} == {Fault.html()}
    assert Fault.html() != Fault.html(effect=True)
    with pytest.raises(AttributeError):
        Fault.html().effect = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (Fault.drop_after, "not a method: pass Fault.drop_after()"),
        ("drop_after", "not a str: pass Fault.drop_after()"),
        (Fault.burst(3), "not a list: pass *Fault.burst(3)"),
        ((Fault.outage() for _ in range(3)), "not a generator: pass *Fault.burst(3)"),
    ],
    ids=["not called", "a name", "a list", "a generator"],
)
def test_what_is_no_fault_is_refused_before_anything_is_planned(
    wrong: Any, right: str, simulator: Simulator
) -> None:
    """It says what to pass, and the good one before it is not planned either."""
    with pytest.raises(TypeError, match=re.escape(right)):
        simulator.script_fault("save", Fault.outage(), wrong)
    assert simulator.handle(*a_save(simulator))[0] == 200


def test_each_fault_that_the_document_names_says_in_a_line_what_happens() -> None:
    """All are named there, and `help(Fault)` has a whole sentence first."""
    text = DOCUMENTS["docs/testing.md"]
    made = [name for name, way in vars(Fault).items() if isinstance(way, classmethod)]
    assert made == [name for name in made if f"`{name}`" in text]
    firsts = [str(getattr(Fault, name).__doc__).splitlines()[0] for name in made]
    assert [first for first in firsts if not first.endswith(".")] == []

"""The settings and calls of the simulator, and the errors for those that it does not have."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from ims_async import GatewayError, Section, Vayana
from ims_async.simulator import Returns, Simulator
from ims_async.simulator.rules import Rules, Settings
from tests.conftest import QUICK, make_client

from .simulator_portal import Portal
from .simulator_portal_vayana import ENRICHED, VayanaPortal

UNKNOWN = "27AAPFU0939F1ZV"
NOTES = ["b2bcn", "b2bcna", "b2bdn", "b2bdna"]


# -- operations --------------------------------------------------------------------------------------------


def test_the_operations_of_both_gsps_are_listed_once() -> None:
    """Find those that both have, those that one has, and the word for an unknown address."""
    operations = Simulator(invoices=0).operations
    assert operations == sorted(set(operations))
    assert {"save", "reset", "status", "invoices", "added_back", "getinv", "unknown"} <= set(operations)


def test_every_request_is_counted_under_an_operation_that_is_listed() -> None:
    """Call the APIs of both GSPs and an address of neither."""
    simulator = Simulator(invoices=0)
    Portal(simulator).rows("b2b")
    VayanaPortal(simulator).rows("b2b")
    Portal(simulator).answer("GET", "/nowhere")
    asked = [request.operation for request in simulator.requests]
    assert asked == ["invoices", "getinv", "unknown"]
    assert set(asked) <= set(simulator.operations)
    assert [simulator.count(name) for name in asked] == [1, 1, 1]
    assert simulator.count("getinv", UNKNOWN) == 0


@pytest.mark.parametrize(
    "ask",
    [lambda sim: sim.count("sav"), lambda sim: sim.script_answer("sav", 500), lambda sim: sim.count("")],
)
def test_an_unknown_operation_is_reported_with_the_known_ones(
    ask: Callable[[Simulator], object],
) -> None:
    """Count nothing and plan nothing that could never happen."""
    simulator = Simulator(invoices=0)
    with pytest.raises(ValueError, match="No operation is called") as caught:
        ask(simulator)
    assert str(caught.value).endswith(f"there are {', '.join(simulator.operations)}.")


# -- settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("pagerows", "; did you mean 'page_rows'?"),
        ("section_name", "; did you mean 'section_names'?"),
        ("job_second", "; did you mean 'job_seconds'?"),
        ("zzz", ""),
    ],
)
def test_a_misspelled_setting_is_reported_with_the_nearest_one(setting: str, hint: str) -> None:
    """Look among the settings of both GSPs."""
    settings: dict[str, Any] = {setting: 1}
    with pytest.raises(TypeError) as caught:
        Simulator(**settings)
    assert str(caught.value) == f"The simulator has no setting {setting!r}{hint}"


@pytest.mark.parametrize("period", ["10-2025", "2025-10", "October", "132025", 102025, None, 1])
def test_what_is_no_first_period_of_itc_reductions_is_refused(period: Any) -> None:
    """One was taken for all periods, and others broke the first save of a credit note."""
    with pytest.raises(ValueError, match="itc_reduction_required"):
        Simulator(itc_reduction_required=period)


def test_each_setting_is_typed_and_in_the_docstring_with_its_default() -> None:
    """A caller's keywords are typed by one class, and their defaults are in another: they agree."""
    assert Settings.__annotations__.keys() == Rules.__annotations__.keys()
    for field in fields(Rules):
        shown = re.findall(rf"`{field.name}(?:=([^`]*))?`", f"{Simulator.__doc__}{Returns.__doc__}")
        assert shown, field.name
        assert {ast.literal_eval(default) for default in shown if default} <= {field.default}


# -- records and taxpayers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [Simulator.edit, Simulator.block_pending])
def test_a_number_that_several_records_have_asks_for_more(change: Callable[..., Any]) -> None:
    """Say what to pass as well, and change nothing; with it, the one record is found."""
    simulator = Simulator(invoices=40)
    (gstin,) = simulator.gstins
    before = simulator.records(gstin)
    numbers = Counter(record.number for record in simulator.records(gstin, "b2b"))
    ((number, count),) = numbers.most_common(1)
    with pytest.raises(LookupError, match=rf"{count} records .*: pass supplier= and period= as well"):
        change(simulator, gstin, "b2b", number)
    with pytest.raises(LookupError, match=r"0 records .* and match what else was said"):
        change(simulator, gstin, "b2b", number, period="012000")
    assert simulator.records(gstin) == before
    one = next(record for record in before if record.number == number and record.section == "b2b")
    changed = change(simulator, gstin, "b2b", number, supplier=one.supplier, period=one.period)
    assert changed.key == one.key


@pytest.mark.parametrize(
    "ask",
    [
        lambda sim: sim.token(UNKNOWN),
        lambda sim: sim.records(UNKNOWN),
        lambda sim: sim.records(UNKNOWN, "b2b"),
        lambda sim: sim.record(UNKNOWN, "b2b", "s", "n", "p"),
        lambda sim: sim.edit(UNKNOWN, "b2b", "n"),
        lambda sim: sim.block_pending(UNKNOWN, "b2b", "n"),
        lambda sim: sim.expire_all(UNKNOWN),
        lambda sim: sim.end_session(UNKNOWN),
    ],
)
def test_an_unknown_gstin_is_reported_with_the_known_ones(ask: Callable[[Simulator], object]) -> None:
    """Name the GSTINs, as one of them was meant."""
    simulator = Simulator(taxpayers=2, invoices=8)
    with pytest.raises(LookupError) as caught:
        ask(simulator)
    expected = f"'{UNKNOWN}' is none of this simulator's taxpayers: {', '.join(simulator.gstins)}."
    assert (type(caught.value), str(caught.value)) == (LookupError, expected)


@pytest.mark.parametrize(("taxpayers", "end"), [(0, ": it has none."), (12, " and 2 more.")])
def test_the_error_is_short_with_no_taxpayer_and_with_very_many(taxpayers: int, end: str) -> None:
    """Keep the error short enough to be read."""
    with pytest.raises(LookupError) as caught:
        Simulator(taxpayers=taxpayers, invoices=0).token(UNKNOWN)
    assert str(caught.value).endswith(end)


# -- names of sections -------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", [*NOTES, "b2b", "b2ba", "ecom", "ecoma"])
@pytest.mark.parametrize("names", ["any", "short", "long"])
def test_the_gateway_takes_the_names_of_notes_that_were_chosen(names: str, section: str) -> None:
    """Ask for every section in both ways and in both APIs; what has one name is asked for by it."""
    settings: dict[str, Any] = {"section_names": names}
    portal = VayanaPortal(Simulator(invoices=40, download_seconds=0, **settings))
    short = section.removeprefix("b2b") if section in NOTES else section
    refusal = (400, "err-issue-with-parameter", "ClientRequest", {"parameter-name": "section"})
    for name in {short, section, short.upper(), section.upper()}:
        taken = short == section or names in ("any", "short" if name.lower() == short else "long")
        if taken:
            assert [*portal.page(portal.start(name), 0)] == [section]
            assert portal.rows(name) == portal.page(portal.start(name), 0)[section]
        else:
            assert portal.error("GET", f"{ENRICHED}/ims-invoices?section={name}") == refusal
            assert portal.error("GET", portal.address("GETINV", section=name)) == refusal


def test_the_other_gsp_takes_both_names_whatever_was_chosen() -> None:
    """Let the setting be Vayana's alone."""
    portal = Portal(Simulator(invoices=40, section_names="long"))
    assert portal.rows("cn") == portal.rows("b2bcn") != []


@pytest.mark.parametrize("downloads", ["enriched", "basic"])
@pytest.mark.parametrize("names", ["short", "long"])
async def test_the_client_asks_in_the_way_that_its_setting_says(names: str, downloads: str) -> None:
    """Read notes from a gateway that takes one way alone, and be refused with the other."""
    settings: dict[str, Any] = {"section_names": names}
    sim = Simulator(invoices=40, download_seconds=0, **settings)
    (gstin,) = sim.gstins

    async def read(section_names: str, section: Section) -> int:
        facts: dict[str, Any] = {"section_names": section_names, "downloads": downloads}
        gsp = Vayana("org-demo", sim.user_token, **facts)
        async with make_client(sim, gsp=gsp, poll=QUICK) as client:
            return len(await client.taxpayer(gstin, token=sim.token(gstin)).invoices(section))

    for section in map(Section, NOTES):
        assert await read(names, section) == len(sim.records(gstin, section)) > 0
    with pytest.raises(GatewayError, match="parameter-name section") as caught:
        await read("long" if names == "short" else "short", Section.B2BCN)
    assert (caught.value.code, caught.value.http_status) == ("err-issue-with-parameter", 400)
    other = await read("long" if names == "short" else "short", Section.B2B)
    assert other == len(sim.records(gstin, "b2b"))

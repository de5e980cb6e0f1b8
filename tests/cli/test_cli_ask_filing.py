"""`--ask-filing` of check, push and reset: what each taxpayer has filed warns of that one's records only."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ims_async import ImsError, NotSupported, QuotaExhausted, Sandbox, Vayana
from ims_async.cli.inputs import environment
from ims_async.model.gstr2b import Filing
from ims_async.taxpayer import Taxpayer
from tests.cli.cli_shell import QUICK, Ended, Shell, accept, fill_in, opened, read_rows, write_rows

CLOSED = "102024"
ON = dt.date(2024, 11, 18)
Row = dict[str, str]


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell of two taxpayers, of which the first has filed GSTR-3B of a period; some records stay."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name, invoices=200) as found:
        found.log_in_all()
        found.sim.returns.file_gstr3b(found.gstin, CLOSED, ON)
        yield found


def rows_of(file: Path) -> list[Row]:
    """The decided rows of a file."""
    return [row for row in read_rows(file) if row["action"]]


def closed(file: Path) -> Counter[str]:
    """How many decided rows each taxpayer has of the period that one of them has filed."""
    return Counter(row["GSTIN"] for row in rows_of(file) if row["return period"] == CLOSED)


def closed_now(shell: Shell, file: Path) -> int:
    """How many decided rows of the one who has filed are closed; of GSTR-1A the gateway knows, no file."""
    next_month = {one.number for one in shell.sim.records(shell.gstin) if one.form == "R1A"}
    own = [row for row in rows_of(file) if (row["GSTIN"], row["return period"]) == (shell.gstin, CLOSED)]
    return sum(row["number"] not in next_month for row in own)


def asked(shell: Shell) -> int:
    """How many returns were asked for: of each the preference once, whatever the GSP."""
    return shell.sim.count("preference")


def pairs(file: Path) -> set[tuple[str, str]]:
    """The taxpayers and return periods of the decided rows."""
    return {(row["GSTIN"], row["return period"]) for row in rows_of(file)}


def warned(ended: Ended) -> Counter[str]:
    """How many rows each taxpayer has, by the findings, that are closed."""
    return Counter(one["gstin"] for one in ended.json()["findings"] if one["code"] == "period-closed")


# -- check -----------------------------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_check_asks_once_for_each_taxpayer_and_period_of_the_decisions(shell: Shell) -> None:
    """And only if that is wanted: each request is billed. Another taxpayer's records are open."""
    file, _ = shell.decided_all(accept)
    assert min(closed(file)[gstin] for gstin in shell.sim.gstins) > 0
    before = len(shell.sim.requests)
    assert warned(shell.run("check", file, "--json")) == {}
    assert len(shell.sim.requests) == before
    ended = shell.run("check", file, "--ask-filing", "--json")
    assert ended.code == 0, ended.err
    assert warned(ended) == {shell.gstin: closed(file)[shell.gstin]}
    assert asked(shell) == len(pairs(file))
    assert f"Asking whether GSTR-3B is filed: {len(pairs(file))} returns of 2 taxpayers." in ended.err
    filed = ended.json()["filing"]["filed"]
    assert {(gstin, period) for gstin, own in filed.items() for period in own} == pairs(file)
    days = {day for own in filed.values() for day in own.values()}
    assert (days, filed[shell.gstin][CLOSED]) == ({None, ON.isoformat()}, ON.isoformat())


@pytest.mark.both_gsps
def test_a_level_refuses_the_rows_of_the_taxpayer_who_has_filed(shell: Shell) -> None:
    """Exit code 2; what --filed says counts for everybody."""
    file, _ = shell.decided_all(accept)
    refusing = ("--level", "period-closed=refuse", "--json")
    ended = shell.run("check", file, "--ask-filing", *refusing)
    assert (ended.code, warned(ended)) == (2, {shell.gstin: closed(file)[shell.gstin]})
    both = shell.run("check", file, "--ask-filing", "--filed", CLOSED, *refusing)
    assert (both.code, warned(both)) == (2, closed(file))


def test_a_row_that_is_pending_at_the_gateway_is_not_asked_for(shell: Shell) -> None:
    """It stays open whatever is filed."""
    file, decided = shell.decided_all(lambda row: "A" if row["action when pulled"] == "P" else "")
    assert decided > 0
    assert shell.run("check", file, "--ask-filing").code == 0
    assert asked(shell) == 0


def test_files_that_name_no_taxpayer_are_not_asked_for(shell: Shell) -> None:
    """Exit code 2, and what to do; with --gstin it is that one's."""
    file, _ = shell.decided(accept)
    bare = shell.here / "bare.csv"
    write_rows(
        bare, [{name: cell for name, cell in row.items() if name != "GSTIN"} for row in read_rows(file)]
    )
    shell.monkeypatch.delenv("IMS_GSTIN")
    ended = shell.run("check", bare, "--ask-filing")
    assert (ended.code, "pass --gstin" in ended.err, asked(shell)) == (2, True, 0), ended.err
    named = shell.run("check", bare, "--ask-filing", "--gstin", shell.gstin, "--json")
    assert warned(named) == {shell.gstin: closed(file)[shell.gstin]}, named.err


# -- push and reset --------------------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_push_warns_before_it_asks_a_person(shell: Shell) -> None:
    """By the records as they are now; what is sent is up to the person."""
    file, decided = shell.decided_all(accept)
    unwarned = shell.run("push", file)
    assert (unwarned.code, asked(shell)) == (2, 0)  # there is no terminal to ask at
    own = closed_now(shell, file)
    ended = shell.run("push", file, "--ask-filing", "--yes", "--json", *QUICK)
    assert (ended.code, ended.json()["filing"]["closed"]) == (0, {shell.gstin: own}), ended.err
    said = f"{shell.gstin}, {own} records: GSTR-3B of {CLOSED} is filed, so its records cannot be acted on"
    assert ended.err.index(said) < ended.err.index("This is run ")
    assert ended.err.count("cannot be acted on") == 1
    assert len(shell.sim.effects) == decided


@pytest.mark.both_gsps
def test_reset_warns_as_push_does(shell: Shell) -> None:
    """Of what is reset; the period of a taxpayer who has not filed it is open."""
    file, _ = shell.decided_all(accept)
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    again = shell.pulled_all("again.csv")
    fill_in(again, lambda row: "A" if row["action when pulled"] == "A" else "")
    ended = shell.run("reset", again, "--decided", "--ask-filing", "--yes", "--json", *QUICK)
    assert ended.code == 0, ended.err
    assert ended.json()["filing"]["closed"] == {shell.gstin: closed_now(shell, again)}
    assert 0 < asked(shell) <= len(pairs(again)) + len(shell.sim.gstins)  # of GSTR-1A the next period


@pytest.mark.parametrize(("concurrency", "most"), [("1", 1), ("50", 2)])
def test_so_many_taxpayers_are_asked_at_once_as_is_wanted(shell: Shell, concurrency: str, most: int) -> None:
    """Each for one return at a time."""
    file, _ = shell.decided_all(accept)
    now: list[str] = []
    at_once: list[int] = []
    filing = Taxpayer.filing

    async def counted(taxpayer: Taxpayer, period: str) -> Filing:
        now.append(taxpayer.gstin)
        at_once.append(len(now))
        assert now.count(taxpayer.gstin) == 1
        try:
            return await filing(taxpayer, period)
        finally:
            now.remove(taxpayer.gstin)

    shell.monkeypatch.setattr(Taxpayer, "filing", counted)
    assert shell.run("push", file, "--ask-filing", "--concurrency", concurrency, "--yes", *QUICK).code == 0
    assert max(at_once) == most


def test_where_gstr_3b_is_filed_nothing_is_due(shell: Shell) -> None:
    """The push knows by then; without the question it does not."""
    file, _ = shell.decided(accept)
    shell.monkeypatch.setattr("ims_async.cli.commands.jobs.india_date", lambda _: dt.date(2024, 11, 15))
    due = shell.run("push", file, "--ask-filing", "--yes", "--json", *QUICK).json()["recompute_due"]
    assert due == {"period": CLOSED, "gstins": []}
    assert shell.run("reset", file, "--decided", "--yes", "--json", *QUICK).json()["recompute_due"]["gstins"]


def test_whose_gstr_3b_is_filed_has_no_gstr_2b_computed_anew_by_a_push(shell: Shell) -> None:
    """The period of the GSTR-2B is asked of, too; the decisions go, nothing is refused and nothing is due."""
    acme, beta = shell.sim.gstins
    shell.sim.returns.file_gstr3b(acme, "012025", dt.date(2025, 2, 17))
    file, decided = shell.decided_all(lambda row: accept(row) if row["return period"] == "122024" else "")
    words = ("push", file, "--regenerate", "012025", "--ask-filing", "--yes", *QUICK)
    ended = shell.run(*words)
    assert ended.code == 0, ended.err
    left_out = f"GSTR-2B of {acme} is left out: GSTR-3B of 012025 was filed on 17-02-2025."
    assert left_out in ended.err.splitlines()
    assert "is due to be computed anew" not in ended.out
    assert [one.gstin for one in shell.sim.returns.regenerations] == [beta]
    assert len(shell.sim.effects) == decided
    again = shell.run(*words, "--json")
    assert (again.code, again.json()["recompute_due"]["gstins"]) == (0, []), again.err
    assert again.json()["filing"]["filed"][acme] == {"012025": "2025-02-17"}
    unasked = shell.run("push", file, "--regenerate", "012025", "--yes", "--json", *QUICK)
    assert (unasked.code, unasked.json()["recompute_due"]["gstins"]) == (1, [acme])


def test_the_question_names_no_gstr_2b_that_nobody_gets(shell: Shell) -> None:
    """All have filed: a person is asked about the decisions alone."""
    for gstin in shell.sim.gstins:
        shell.sim.returns.file_gstr3b(gstin, "012025")
    file, _ = shell.decided_all(accept)
    questions: list[str] = []
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda question, err: questions.append(question))
    assert shell.run("push", file, "--regenerate", "012025", "--ask-filing").code == 1
    assert questions[0].endswith(" for 2 taxpayers?")


def test_the_file_for_the_portal_is_written_without_a_gateway(shell: Shell) -> None:
    """So it cannot be asked."""
    file, _ = shell.decided(accept)
    ended = shell.run("push", file, "--from", "p.json", "--to", "u.json", "--ask-filing")
    assert (ended.code, asked(shell)) == (2, 0)
    assert "leave out --ask-filing" in ended.err


# -- what cannot be asked --------------------------------------------------------------------------------


def failing(shell: Shell, error: ImsError, *whose: str, period: str = "") -> list[tuple[str, str]]:
    """Let the question fail for some taxpayers, or all; return what is asked from now on."""
    seen: list[tuple[str, str]] = []
    filing = Taxpayer.filing

    async def fails(taxpayer: Taxpayer, wanted: str) -> Filing:
        seen.append((taxpayer.gstin, wanted))
        if (not whose or taxpayer.gstin in whose) and period in ("", wanted):
            raise error
        return await filing(taxpayer, wanted)

    shell.monkeypatch.setattr(Taxpayer, "filing", fails)
    return seen


@pytest.mark.both_gsps
def test_a_period_that_cannot_be_asked_is_not_known_and_counts_as_open(shell: Shell) -> None:
    """A warning that names it; the others are asked, and the exit code stays."""
    file, _ = shell.decided_all(accept)
    seen = failing(shell, ImsError("no answer came"), shell.gstin, period=CLOSED)
    ended = shell.run("check", file, "--ask-filing", "--json")
    assert (ended.code, warned(ended), {*seen}) == (0, {}, pairs(file))
    said = f"{shell.gstin}: whether GSTR-3B of {CLOSED} is filed is not known: no answer came"
    assert said in ended.err.splitlines()
    assert ended.json()["filing"]["unknown"] == {shell.gstin: {CLOSED: "no answer came"}}
    pushed = shell.run("push", file, "--ask-filing", "--yes", "--json", *QUICK)
    assert (pushed.code, pushed.json()["filing"]["closed"]) == (0, {})
    assert said in pushed.err.splitlines()


def test_without_a_session_a_taxpayer_is_asked_once_and_named_once(shell: Shell) -> None:
    """All of its periods in one sentence; nothing more is asked for it."""
    file, _ = shell.decided_all(accept)
    other = shell.sim.gstins[1]
    shell.sim.end_session(other)
    seen = failing(shell, NotSupported("never"), "nobody")
    ended = shell.run("check", file, "--ask-filing", "--json")
    assert (ended.code, warned(ended)) == (0, {shell.gstin: closed(file)[shell.gstin]})
    (said,) = [line for line in ended.err.splitlines() if "is filed is not known" in line]
    periods = sorted(
        {period for gstin, period in pairs(file) if gstin == other}, key=lambda one: one[2:] + one
    )
    assert said.startswith(f"{other}: whether GSTR-3B of {', '.join(periods)} is filed is not known: ")
    assert [gstin for gstin, _ in seen].count(other) == 1


@pytest.mark.both_gsps
def test_a_gsp_that_cannot_say_it_is_a_sentence(shell: Shell) -> None:
    """For each taxpayer that; no traceback, and the check goes on."""
    file, _ = shell.decided_all(accept)

    def no_route(*_: object) -> object:
        raise NotSupported("this GSP documents no route to what is filed")

    for gsp in (Sandbox, Vayana):
        shell.monkeypatch.setattr(gsp, "filings", no_route)
    ended = shell.run("check", file, "--ask-filing", "--json")
    assert (ended.code, warned(ended), asked(shell)) == (0, {}, 0)
    assert ended.err.count("is filed is not known: this GSP documents no route to what is filed") == len(
        shell.sim.gstins
    )
    assert {*ended.json()["filing"]["unknown"]} == {*shell.sim.gstins}
    alone = shell.run("deadlines", CLOSED, "--ask-filing")
    assert (alone.code, alone.err) == (1, "Error: this GSP documents no route to what is filed\n")


def test_what_would_meet_every_taxpayer_ends_the_command(shell: Shell) -> None:
    """The quota is spent: exit code 1, nothing more is asked, nothing is sent."""
    file, _ = shell.decided_all(accept)
    seen = failing(shell, QuotaExhausted("the quota is spent"))
    ended = shell.run("push", file, "--ask-filing", "--yes")
    assert (ended.code, shell.sim.count("save"), len(seen) <= 2) == (1, 0, True), ended.err
    assert ended.err.splitlines()[-1].startswith("Error: the quota is spent")
    assert "is not known" not in ended.err


def test_compare_goes_on_without_what_cannot_be_asked(shell: Shell) -> None:
    """Nobody is skipped for it."""
    failing(shell, ImsError("no answer"), shell.gstin)
    names = [word for gstin in shell.sim.gstins for word in ("--gstin", gstin)]
    ended = shell.run("gstr2b", "compare", "--period", "012025", *names, "--ask-filing", "--json", *QUICK)
    assert (ended.code, {*ended.json()["taxpayers"]}) == (0, {*shell.sim.gstins}), ended.err
    assert f"{shell.gstin}: whether GSTR-3B of 012025 is filed is not known: no answer" in ended.err

"""Deadlines, where the gateway is asked what is filed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ims_async import rules
from tests.cli.cli_shell import (
    Shell,
    opened,
    shell_of,
)

PERIOD = "012025"
WHOM = ("--period", PERIOD)

shell = shell_of(taxpayers=3, invoices=12)


@pytest.mark.parametrize("gsp", ["sandbox", "vayana"])
def test_deadlines_ask_whether_it_is_filed_only_if_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp: str
) -> None:
    """The day of GSTR-3B, and the dates of a taxpayer who files each quarter; each request is billed."""
    with opened(tmp_path, monkeypatch, capsys, gsp, invoices=0) as shell:
        shell.log_in_all()
        before = len(shell.sim.requests)
        unasked = shell.run("deadlines", "122024")
        assert (unasked.code, "unless GSTR-3B is filed late" in unasked.out) == (0, True)
        assert len(shell.sim.requests) == before
        open_one = shell.run("deadlines", "122024", "--ask-filing")
        assert "ago and is not filed: actions count until it is." in open_one.out
        shell.sim.returns.file_gstr3b(shell.gstin, "122024", dt.date(2025, 1, 18))
        ended = shell.run("deadlines", "122024", "--ask-filing")
        assert (ended.code, "GSTR-3B is filed on 18-01-2025" in ended.out) == (0, True), ended.err
        other = shell.sim.gstins[1]
        shell.sim.returns.set_quarterly(other)
        found = shell.run("deadlines", "122024", "--ask-filing", "--gstin", other, "--json").json()
        assert found["gstr3b"]["date"] in ("2025-01-22", "2025-01-24")
        assert (found["quarterly"], found["filed_on"]) == (True, None)
        found = shell.run("deadlines", "122024", "--ask-filing", "--json").json()
        assert (found["quarterly"], found["asked"], found["filed_on"]) == (False, True, "2025-01-18")
        both = shell.run("deadlines", "122024", "--ask-filing", "--filed-on", "18-01-2025")
        assert (both.code, "leave out --ask-filing" in both.err) == (2, True)


def test_deadlines_without_a_period_are_those_of_the_last_quarter_of_one_who_files_so(shell: Shell) -> None:
    """Which the gateway knows; and whose state its GSTIN says."""
    shell.monkeypatch.setattr(rules, "india_date", lambda _: dt.date(2025, 3, 1))
    shell.sim.returns.set_quarterly(shell.gstin)
    shell.sim.returns.file_gstr3b(shell.gstin, "122024", dt.date(2025, 1, 22))
    ended = shell.run("deadlines", "--ask-filing", "--json")
    assert ended.code == 0, ended.err
    assert (ended.json()["period"], ended.json()["filed_on"]) == ("122024", "2025-01-22")
    other = shell.sim.gstins[1]
    monthly = shell.run("deadlines", "--quarterly", "--ask-filing", "--gstin", other, "--json")
    assert (monthly.json()["period"], monthly.json()["quarterly"]) == ("022025", False)
    assert f"{other} files each month, says the gateway: --quarterly does not count." in monthly.err
    before = len(shell.sim.requests)
    state = shell.run("deadlines", "122024", "--quarterly", "--gstin", "27AAPFU0939F1ZV", "--json").json()
    assert (state["gstr3b"]["date"], len(shell.sim.requests)) == ("2025-01-22", before)

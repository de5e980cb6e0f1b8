"""`policy init`, `policy check` and `deadlines`: without an account, a gateway or a socket."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ims_async import rules
from ims_async.decide import Policy
from ims_async.simulator import Simulator
from tests.cli.cli_shell import Shell, commands_in


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """A shell without a gateway."""
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    return Shell(Simulator(taxpayers=1, invoices=1), tmp_path, monkeypatch, capsys)


def test_a_policy_is_written_and_checked(shell: Shell) -> None:
    """The command that init prints says what the file does; no file is replaced."""
    ended = shell.run("policy", "init", "my firm.toml")
    assert (ended.code, Policy.load("my firm.toml")) == (0, Policy())
    (command,) = commands_in(ended.out)
    checked = shell.run(*command)
    assert (checked.code, checked.out.splitlines()[0]) == (
        0, "Accepted: matched, within tolerance."
    )  # fmt: skip
    assert shell.run(*command, "--json").json()["policy"] == checked.out.splitlines()
    again = shell.run("policy", "init", "my firm.toml")
    assert (again.code, "--overwrite" in again.err) == (2, True)
    assert shell.run("policy", "init", "my firm.toml", "--overwrite").code == 0
    assert shell.run("policy", "init").code == 0
    assert Path("policy.toml").exists()


def test_what_is_wrong_with_a_policy_is_named(shell: Shell) -> None:
    """By file and key."""
    Path("firm.toml").write_text('[kinds]\nmatched = "acept"\n', encoding="utf-8")
    ended = shell.run("policy", "check", "firm.toml")
    assert ended.code == 2
    assert "firm.toml: kinds, matched: 'acept' is unknown" in ended.err
    Path("firm.toml").write_text('[kinds]\nmatched = "accept"\n', encoding="utf-16")
    assert "is not UTF-8 text: save it as UTF-8" in shell.run("policy", "check", "firm.toml").err


def test_the_dates_of_a_period_have_their_sources(shell: Shell) -> None:
    """Of a monthly taxpayer, and of a quarterly one of a state."""
    ended = shell.run("deadlines", "102026")
    assert ended.code == 0
    for date in ("14-11-2026", "20-11-2026", "20-12-2026"):
        assert date in ended.out
    assert "rule 61(1)(i) of the CGST Rules" in ended.out
    facts = shell.run("deadlines", "092026", "--quarterly", "--state", "29", "--json").json()
    assert (facts["gstr3b"]["date"], facts["pending_until"]["date"]) == ("2026-10-22", "2027-01-22")
    assert shell.run("deadlines", "082026", "--quarterly", "--state", "29").code == 2
    assert shell.run("deadlines", "132026").code == 2
    assert "no state is given" in shell.run("deadlines", "092026", "--quarterly").err
    assert "add --quarterly" in shell.run("deadlines", "092026", "--state", "29").err
    assert shell.run("deadlines", "092025", "--json").json()["pending_until"] is None
    assert facts["gstr1"]["date"] == "2026-10-11"


def test_a_period_that_is_filed_is_closed(shell: Shell) -> None:
    """From that day on."""
    ended = shell.run("deadlines", "102026", "--filed-on", "18-11-2026")
    assert (ended.code, "GSTR-3B is filed on 18-11-2026: from then on no action" in ended.out) == (0, True)
    facts = shell.run("deadlines", "102026", "--filed-on", "18-11-2026", "--json").json()
    assert (facts["last_day"]["date"], facts["gstr3b"]["date"]) == ("2026-11-18", "2026-11-20")
    ended = shell.run("deadlines", "102026", "--filed-on", "18/11/26")
    assert (ended.code, "--filed-on: '18/11/26' is not a date" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("today", "monthly", "quarterly"),
    [
        ("2026-01-05", "122025", "122025"),
        ("2026-03-31", "022026", "122025"),
        ("2026-05-01", "042026", "032026"),
    ],
)
def test_the_last_period_is_meant_where_none_is_given(
    shell: Shell, today: str, monthly: str, quarterly: str
) -> None:
    """By the date in India."""
    shell.monkeypatch.setattr(rules, "india_date", lambda _: dt.date.fromisoformat(today))
    facts = shell.run("deadlines", "--json").json()
    assert facts["period"] == monthly
    last = dt.date(*(int(part) for part in facts["last_day"]["date"].split("-")))
    assert facts["days_left"] == (last - dt.date.fromisoformat(today)).days
    options = ("--quarterly", "--state", "29", "--json")
    assert shell.run("deadlines", *options).json()["period"] == quarterly

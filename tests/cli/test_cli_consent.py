"""Before something is sent, a person is asked how much of it; what was typed ahead is no answer."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal

import attrs
import pytest

from ims_async import Action, Decision, Section
from ims_async.cli.inputs import environment
from ims_async.cli.output.tables import how_much
from tests.cli.cli_shell import QUICK, Shell, accept, fill_in, read_rows, shell_of
from tests.tables.test_tables import make_invoice

from ..conftest import HANGS

shell = shell_of(taxpayers=3, invoices=12)


def test_the_amounts_are_said_by_action() -> None:
    """Rupees of tax of all four heads, those of credit notes among them."""
    one = make_invoice(igst=Decimal("1000.10"), cgst=Decimal(1), sgst=Decimal(1), cess=Decimal("0.05"))
    note = attrs.evolve(one, section=Section.B2BCN)
    decisions = [
        one.accept(),
        note.accept(),
        attrs.evolve(one, igst=Decimal(0)).reject(),
        Decision(invoice=one, action=Action.ACCEPT),
    ]
    assert how_much(decisions) == (
        "Accept 3 (tax of 3,006.45 rupees, 1,002.15 of it in credit notes), reject 1 (tax of 2.05 rupees)"
    )
    assert how_much([one]) == "Reset 1 (tax of 1,002.15 rupees)"
    assert how_much([]) == ""


@pytest.mark.parametrize("several", [False, True])
def test_the_question_says_how_much_is_sent(shell: Shell, several: bool) -> None:
    """Records and rupees by action, as the files have them; nothing is sent without a yes."""
    file = shell.pulled_all("all.csv") if several else shell.pulled()
    fill_in(file, lambda row: "A" if row["section"] == "b2b" else "R" if row["section"] == "ecom" else "")
    rows = [row for row in read_rows(file) if row["action"] and row["action"] != row["action when pulled"]]
    fill_in(file, lambda row: row["action"] if row["action"] != row["action when pulled"] else "")
    asked: list[str] = []
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda question, err: asked.append(question))
    ended = shell.run("push", file, *QUICK)
    assert (ended.code, shell.sim.count("save"), len(asked)) == (1, 0, 1), ended.err
    for action, word in (("A", "accept"), ("R", "reject")):
        own = [row for row in rows if row["action"] == action]
        tax = sum(
            (Decimal(row[head]) for row in own for head in ("IGST", "CGST", "SGST", "cess")), Decimal(0)
        )
        assert f"{word} {len(own)} (tax of {tax:,.2f} rupees)" in asked[0].lower()
    assert f"these {len(rows)} decisions" in asked[0]


def test_the_credit_is_shown_by_action_before_anything_is_sent(shell: Shell) -> None:
    """What credit notes lower is negative; the document for machines has it whether or not it is sent."""
    file = shell.pulled()
    words = {"b2b": "A", "b2bcn": "R", "ecom": "P"}

    def decide(row: dict[str, str]) -> str:
        word = words.get(row["section"], "")
        return "" if row["action when pulled"] != "N" or row["pending allowed"] == "no" else word

    fill_in(file, decide)
    rows = read_rows(file)
    tax = {
        action: sum(
            (Decimal(row[head]) for row in rows if row["action"] == action
             for head in ("IGST", "CGST", "SGST", "cess")), Decimal(0)
        )
        for action in "ARP"
    }  # fmt: skip
    expected = {"accept": tax["A"], "reject": -tax["R"], "pending": tax["P"]}
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.confirm", lambda question, err: False)
    declined = shell.run("push", file, *QUICK)
    assert "ITC in rupees; credit notes are negative" in declined.out
    for word, rupees in expected.items():
        if rupees:
            assert f"{word} " in declined.out
            assert f"{rupees:,.2f}" in declined.out
    for options in ((), ("--yes",)):
        facts = shell.run("push", file, "--json", *options, *QUICK).json()["itc"]
        assert {word: Decimal(str(facts[word])) for word in facts} == expected


@pytest.mark.skipif(os.name != "posix", reason="a terminal of our own is a POSIX pty")
@pytest.mark.parametrize("command", ["push", "reset"])
def test_what_was_typed_ahead_answers_no_question(shell: Shell, command: str) -> None:
    """At a real terminal: a `y` that was there before the question is forgotten, the `n` after it counts."""
    file, _ = shell.decided(accept)
    ours, theirs = os.openpty()
    os.write(ours, b"y\ny\ny\n")
    with subprocess.Popen(
        [sys.executable, "-m", "ims_async", command, str(file), *QUICK],
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ,
    ) as process:
        os.close(theirs)
        try:
            assert process.stderr is not None
            said = b""
            while b"[y/N]" not in said:
                more = os.read(process.stderr.fileno(), 4096)
                assert more, said.decode()
                said += more
            os.write(ours, b"n\n")
            said += process.stderr.read()
            assert (process.wait(timeout=HANGS), b"Nothing was sent." in said) == (1, True), said.decode()
        finally:
            process.kill()
            os.close(ours)
    assert shell.sim.jobs == []

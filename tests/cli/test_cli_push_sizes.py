"""A gateway that refuses a push for its size: smaller requests are sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cli.cli_shell import QUICK, Shell, accept, opened

REFUSED: Final = (413, {"code": 413, "message": "Exceeding character limit/file size"})


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of one taxpayer, who has a session."""
    with opened(tmp_path, monkeypatch, capsys, taxpayers=1, invoices=12, sections=["b2b"]) as found:
        found.with_token()
        yield found


def test_a_record_that_is_too_large_alone_says_what_to_do_at_a_terminal(shell: Shell) -> None:
    """Not what a programmer would do."""
    file, decided = shell.decided(accept)
    for _ in range(2 * decided):
        shell.sim.script_answer("save", *REFUSED)
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 1
    shown = " ".join(ended.out.split())
    assert "alone is too large" in shown
    assert "Exceeding character limit/file size" in shown
    assert f"{decided} not sent" in ended.out
    assert "ims_async" not in ended.err + ended.out
    assert not shell.sim.effects


def test_a_run_sends_smaller_requests_and_says_so(shell: Shell) -> None:
    """As it happens, in the end, and in the answer for machines."""
    file, decided = shell.decided(accept)
    shell.sim.script_answer("save", *REFUSED)
    shell.sim.script_answer("save", *REFUSED)
    ended = shell.run("push", file, "--yes", *QUICK, "--run", "november", "--report", "outcome.csv")
    assert ended.code == 0, ended.err
    sizes = [request.body_size for request in shell.sim.requests if request.operation == "save"]
    assert f"{shell.gstin}: a request of {sizes[0]:,} bytes was refused for its size" in ended.err
    assert f"refused 2 requests for the size, the smallest of {sizes[1]:,} bytes" in ended.out
    assert len(shell.sim.effects) == decided
    again = shell.run("push", file, "--yes", *QUICK, "--run", "november", "--json")
    assert (again.code, again.json()["applied"]) == (0, decided)


def test_the_answer_for_machines_names_the_sizes(shell: Shell) -> None:
    """By taxpayer."""
    file, _ = shell.decided(accept)
    shell.sim.script_answer("save", *REFUSED)
    found = shell.run("push", file, "--yes", *QUICK, "--run", "november", "--json").json()
    first = next(request.body_size for request in shell.sim.requests if request.operation == "save")
    assert found["taxpayers"][shell.gstin]["refused_sizes"] == [first]

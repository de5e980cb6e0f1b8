"""`--max-outage` says how long a run waits for a taxpayer whom the gateway does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ims_async import bulk
from tests.cli.cli_shell import QUICK, Shell, accept, opened


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of one taxpayer, who has a session."""
    with opened(tmp_path, monkeypatch, capsys, taxpayers=1, invoices=12, sections=["b2b"]) as found:
        found.with_token()
        yield found


@pytest.mark.parametrize(("options", "seconds"), [((), 3600.0), (("--max-outage", "90"), 90.0)])
@pytest.mark.parametrize(("command", "name"), [("push", "save_all"), ("reset", "reset_all")])
def test_the_option_reaches_the_run(
    shell: Shell, command: str, name: str, options: tuple[str, ...], seconds: float
) -> None:
    """An hour where nothing is said."""
    file, _ = shell.decided(accept)
    truly, told = getattr(bulk, name), []

    def begin(*arguments: Any, **settings: Any) -> Any:
        told.append(settings["max_outage"])
        return truly(*arguments, **settings)

    shell.monkeypatch.setattr(bulk, name, begin)
    ended = shell.run(command, file, "--yes", *QUICK, "--run", "november", *options)
    assert ended.code == 0, ended.err
    assert told == [seconds]

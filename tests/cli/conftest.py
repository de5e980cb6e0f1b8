"""The shell of most tests: a module that needs another one has a fixture of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .cli_shell import Shell, opened


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell with sessions of two taxpayers."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        found.log_in_all()
        yield found

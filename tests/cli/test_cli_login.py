"""A wrong OTP is asked for again; one that cannot be right is not sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cli_shell import Shell, opened


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell without a session."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        yield found


@pytest.mark.both_gsps
@pytest.mark.parametrize(
    ("lines", "code", "sent"),
    [
        (["111111", "575757"], 0, 2),
        (["57575", "5757577", "575757"], 0, 1),
        (["111111", "57 57", "575757"], 0, 2),
        (["111111", "222222", "333333", "575757"], 1, 3),
        (["1", "2", "x", "575757"], 2, 0),
        (["1"], 2, 0),
    ],
)
def test_a_wrong_otp_is_asked_for_again(shell: Shell, lines: list[str], code: int, sent: int) -> None:
    """Three times in all; what has not six digits is not sent, and none is repeated on the screen."""
    name = shell.sim.taxpayers[0].username
    ended = shell.run("login", "--username", name, stdin="".join(f"{line}\n" for line in lines))
    assert (ended.code, shell.sim.count("verify"), shell.sim.count("otp")) == (code, sent, 1), ended.err
    assert not any(line in ended.err for line in lines if len(line) > 2)
    if len(lines) > 1:
        login = "`ims-async login`"
        assert f". Type it again (2 more tries), or run {login} again for a new one.\n" in ended.err
        assert ("ask for a new one" in ended.err, f"; run {login} again" in ended.err) == (False, code == 1)

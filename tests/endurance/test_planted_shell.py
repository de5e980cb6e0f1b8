"""The command line shows no secret: not when the gateway quotes them, and not when it breaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from ims_async import Taxpayer
from ims_async.simulator.http import Router

from ..cli.cli_shell import QUICK, Shell, accept, opened
from .planted import PLANTED, Mirror, file_looks, leaks, secrets_of

pytestmark = pytest.mark.both_gsps

COMMANDS: Final[dict[str, tuple[object, ...]]] = {
    "counts": ("counts",),
    "pull": ("pull", "--out", "again.csv", *QUICK),
    "push": ("push", "acme.csv", "--yes", *QUICK),
    "reset": ("reset", "acme.csv", "--yes", *QUICK),
    "jobs": ("jobs", "show", "4c808f0a93d7577", "--wait", *QUICK),
    "sales": ("sales", "2024", "10", "--section", "b2b"),
    "liabilities": ("liabilities", "2024", "10", "--section", "cdnr"),
    "login": ("login", "--username", "acme"),
    "first login": ("login", "--username", "acme"),
}
OTP: Final = "918273"  # the command line sends six digits only
SECRETS: Final = {
    "IMS_API_KEY": PLANTED["api key"],
    "IMS_API_SECRET": PLANTED["api secret"],
    "IMS_PASSWORD": PLANTED["password"],
}


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell whose account has the planted credentials."""
    facts: dict[str, Any] = {"api_key": PLANTED["api key"], "api_secret": PLANTED["api secret"]}
    facts |= {"password": PLANTED["password"], "otp": OTP}
    with opened(tmp_path, monkeypatch, capsys, gsp_name, **facts) as found:
        for name in SECRETS.keys() & found.account.keys():
            monkeypatch.setenv(name, SECRETS[name])
        yield found


@pytest.fixture
def mirror(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """The gateway of the shell, which quotes what it was sent as soon as a test makes it fail."""
    made, receive = Mirror(shell.sim), Router.receive

    def quoting(router: Router, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        made.seen.update(secrets_of(path, headers, body))
        if made.failure is None:
            return receive(router, method, path, headers, body)
        return made.handle(method, path, headers, body), None

    monkeypatch.setattr(Router, "receive", quoting)
    return made


@pytest.mark.parametrize("name", COMMANDS)
def test_a_gateway_that_quotes_secrets_does_not_print_them(name: str, shell: Shell, mirror: Mirror) -> None:
    """With --debug and with --json, which say the most; what is exported before holds none either."""
    login = shell.run("login", "--username", shell.sim.taxpayers[0].username, stdin=OTP)
    assert login.code == 0, login.err
    shell.decided(accept)
    if name == "first login":
        next((shell.here / "state").rglob("credentials.json")).unlink()
    mirror.failure = "401"  # which is not tried again
    said = [(file, text) for file, text in file_looks(shell.here) if file != "credentials.json"]
    for option in ("--debug", "--json"):
        ended = shell.run(*COMMANDS[name], option, stdin=OTP)
        assert ended.code
        said.append((option, ended.out + ended.err))
    assert len(mirror.seen) >= 3
    assert leaks({*PLANTED.values(), OTP, *mirror.seen}, said) == []


def test_a_defect_of_the_shell_prints_no_local_variables(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback with --debug, a sentence without; neither shows what was in the variables."""

    async def broken(self: Taxpayer, *_: object) -> None:
        at_hand = [*PLANTED.values()]
        raise RuntimeError(f"{len(at_hand)} at hand")

    monkeypatch.setattr(Taxpayer, "counts", broken)
    for options in ((), ("--debug",)):
        ended = shell.run("counts", *options)
        assert ended.code == 1
        assert "at hand" in ended.err
        assert ("Traceback" in ended.err) == bool(options)
        assert leaks(PLANTED.values(), [("stderr", ended.err), ("stdout", ended.out)]) == []

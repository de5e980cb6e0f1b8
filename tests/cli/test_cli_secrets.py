"""No secret is ever shown, of whichever GSP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ims_async import InvalidInput
from ims_async.cli.inputs import settings
from ims_async.cli.inputs.environment import Variables
from ims_async.net import credential_file as credentials
from tests.cli.cli_shell import QUICK, Shell, opened

pytestmark = pytest.mark.both_gsps


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell without a session."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        yield found


def test_no_secret_is_ever_printed(shell: Shell) -> None:
    """Run many commands, failing ones too, and look for each secret in all that they said."""
    sim, name = shell.sim, shell.sim.taxpayers[0].username
    planted = {"IMS_API_SECRET": "planted_wrong_secret", "IMS_API_KEY": "planted_wrong_key"}
    if shell.gsp == "vayana":
        planted = {"IMS_PASSWORD": "planted_wrong_password", "IMS_USER_TOKEN": "planted_wrong_token"}
    secrets = ["575757", "987654", *planted.values(), sim.token(shell.gstin), sim.user_token]
    secrets += [shell.account[variable] for variable in planted if variable in shell.account]
    said: list[str] = []

    def run(*arguments: Any, stdin: str = "") -> None:
        ended = shell.run(*arguments, "--debug", stdin=stdin)
        said.append(ended.out + ended.err)

    sim.expire_all(shell.gstin)
    run("counts")
    run("login", "--username", name, stdin="575757\n")
    run("login", "--username", name, stdin="987654\n")
    kept = credentials._parsed((shell.here / "state" / "ims-async" / "credentials.json").read_text())
    secrets += [entry["token"] for entry in kept.values()]
    shell.monkeypatch.setenv("IMS_TOKEN", sim.token(shell.gstin))
    secrets.append(os.environ["IMS_TOKEN"])
    run("counts", "--json")
    run("pull", "--out", "a.csv", *QUICK)
    sim.expire_all(shell.gstin)
    run("counts", "--json")
    for variable, value in planted.items():
        shell.monkeypatch.setenv(variable, value)
        run("counts")
        run("login", "--username", name)
    text = "".join(said)
    assert len(secrets) >= 8
    assert [secret for secret in secrets if secret in text] == []


def test_settings_do_not_show_their_secrets(shell: Shell) -> None:
    """Print them."""
    shell.with_token()
    shell.monkeypatch.setenv("IMS_USER_TOKEN", shell.sim.user_token)
    shown = repr(settings.gather(None, None)) + repr(Variables())
    for secret in ("planted", shell.sim.user_token, os.environ["IMS_TOKEN"]):
        assert secret not in shown
    with pytest.raises(InvalidInput, match="pass --yes"):
        settings.confirmed("Send?", yes=False)

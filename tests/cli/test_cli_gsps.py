"""Which GSP a command talks to, and where its credentials come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ims_async import InvalidInput, Vayana
from ims_async.cli.inputs import accounts, environment
from ims_async.cli.inputs.environment import Variables
from tests.cli.cli_shell import ACCOUNTS, QUICK, Shell, accept, opened

TALKING = ("demo", "login", "counts", "pull", "push", "reset", "sales", "liabilities", "simulate")
VAYANA = {"IMS_ORG_ID": "org-demo", "IMS_HANDLE": "demo@example.com", "IMS_PASSWORD": "p"}


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell without a session."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        yield found


@pytest.fixture
def vayana(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell with Vayana's variables, without a session."""
    with opened(tmp_path, monkeypatch, capsys, "vayana") as found:
        yield found


def account(**variables: str) -> Vayana:
    """Read an account at Vayana off some variables."""
    found = accounts.PROVIDERS["vayana"].gsp(Variables(variables), False)
    assert isinstance(found, Vayana)
    return found


# -- the choice ----------------------------------------------------------------------------------------


def test_the_option_wins_over_the_variable_and_sandbox_is_the_default(shell: Shell) -> None:
    """Choose in each way."""
    assert accounts.chosen(None).name == "sandbox"
    shell.monkeypatch.setenv("IMS_GSP", " Vayana ")
    assert accounts.chosen(None).name == "vayana"
    assert accounts.chosen("sandbox").name == "sandbox"
    shell.with_token()
    assert "Vayana organisation id: IMS_ORG_ID is not set" in shell.run("counts").err
    assert shell.run("counts", "--gsp", "sandbox").code == 0


@pytest.mark.parametrize("command", [("counts",), ("demo",), ("simulate",), ("login",)])
def test_an_unknown_gsp_is_bad_input_that_names_the_known_ones(shell: Shell, command: tuple[str]) -> None:
    """Mistype it as an option and as a variable."""
    words = "the GSP 'vayna' is unknown: set --gsp or IMS_GSP to one of: sandbox, vayana"
    ended = shell.run(*command, "--gsp", "vayna")
    assert (ended.code, words in ended.err) == (2, True)
    shell.monkeypatch.setenv("IMS_GSP", "vayna")
    ended = shell.run(*command)
    assert (ended.code, words in ended.err) == (2, True)


def test_every_command_that_talks_to_a_gateway_takes_the_choice(shell: Shell) -> None:
    """Read each one's help, and the variables in that of all."""
    for command in (*([name] for name in TALKING), ["jobs", "show"]):
        assert "--gsp" in shell.run(*command, "--help").out
    told = shell.run("--help").out
    named = {name for variables in ACCOUNTS.values() for name in variables}
    for name in (*named, "IMS_USER_TOKEN", "IMS_SSO_URL", "IMS_TOKEN", "IMS_BASE_URL"):
        assert name in told


def test_what_comes_next_goes_to_the_same_gateway(vayana: Shell) -> None:
    """Choose by the option: the next command needs it too, a job's token names its GSP."""
    vayana.with_token()
    vayana.monkeypatch.delenv("IMS_GSP")
    ended = vayana.run("pull", "--gsp", "vayana", "--out", "a.csv", "--section", "b2b", *QUICK)
    assert "then: ims-async push a.csv --gsp vayana" in ended.out
    vayana.monkeypatch.setenv("IMS_GSP", "vayana")
    file, _ = vayana.decided(accept, "--section", "b2b")
    pushed = vayana.run("push", file, "--yes", "--json", *QUICK).json()
    vayana.monkeypatch.setenv("IMS_GSP", "sandbox")
    assert vayana.run("jobs", "show", pushed["token"]).code == 0
    odd = vayana.run("jobs", "show", pushed["token"].replace('"vayana"', '"odd"'))
    assert (odd.code, "the GSP 'odd' is unknown" in odd.err) == (2, True)


# -- credentials ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("IMS_ORG_ID", "; set it\n"),
        ("IMS_HANDLE", "; set it and IMS_PASSWORD, or IMS_USER_TOKEN\n"),
        ("IMS_PASSWORD", "; set it or IMS_USER_TOKEN\n"),
        ("IMS_GSTIN", "; set it or pass --gstin\n"),
    ],
)
def test_what_vayana_lacks_is_named_where_nobody_can_be_asked(
    vayana: Shell, missing: str, words: str
) -> None:
    """Leave out one variable."""
    vayana.monkeypatch.delenv(missing)
    ended = vayana.run("counts")
    told = f"{missing} is not set, and there is no terminal to ask at{words}"
    assert (ended.code, told in ended.err) == (2, True)


ASKED = {
    "sandbox": [("Sandbox API key", True), ("Sandbox API secret", True)],
    "vayana": [("Vayana organisation id", False), ("Vayana handle", False), ("Vayana password", True)],
}


@pytest.mark.both_gsps
def test_at_a_terminal_what_is_missing_is_asked_for_and_secrets_are_hidden(shell: Shell) -> None:
    """Log in without any variable but the GSP's name; each answer is prompted for."""
    asked: list[tuple[str, bool]] = []
    answers = {
        "Sandbox API key": ACCOUNTS["sandbox"]["IMS_API_KEY"],
        "Sandbox API secret": ACCOUNTS["sandbox"]["IMS_API_SECRET"],
        "Vayana organisation id": ACCOUNTS["vayana"]["IMS_ORG_ID"],
        "Vayana handle": ACCOUNTS["vayana"]["IMS_HANDLE"],
        "Vayana password": ACCOUNTS["vayana"]["IMS_PASSWORD"],
        "GSTIN": shell.gstin,
        "User name": shell.sim.taxpayers[0].username,
        "OTP": "575757",
    }

    def prompt(what: str, *, hide_input: bool = False, err: bool) -> str:
        asked.append((what, hide_input))
        assert err
        return answers[what]

    for name in {*shell.account, "IMS_GSTIN"} - {"IMS_GSP"}:
        shell.monkeypatch.delenv(name)
    shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
    shell.monkeypatch.setattr("typer.prompt", prompt)
    assert shell.run("login").code == 0
    assert asked == [*ASKED[shell.gsp], ("GSTIN", False), ("User name", False), ("OTP", True)]


def test_a_users_token_stands_in_for_handle_and_password(vayana: Shell) -> None:
    """Log in and count with it alone; half a login beside it does no harm."""
    vayana.monkeypatch.delenv("IMS_PASSWORD")
    vayana.monkeypatch.setenv("IMS_USER_TOKEN", vayana.sim.user_token)
    ended = vayana.run("login", "--username", vayana.sim.taxpayers[0].username, stdin="575757\n")
    assert ended.code == 0, ended.err
    vayana.monkeypatch.delenv("IMS_HANDLE")
    assert vayana.run("counts").code == 0
    assert vayana.sim.count("authenticate") == 0


def test_vayana_needs_no_token_of_the_taxpayer(vayana: Shell) -> None:
    """The session is on its own side, whoever began it."""
    vayana.sim.token(vayana.gstin)
    assert vayana.run("counts").code == 0


def test_vayanas_variables_become_its_settings(vayana: Shell) -> None:
    """Look at the hosts of both kinds, and at a handle that is a telephone number."""
    production, test = account(**VAYANA), account(**VAYANA, IMS_TEST="1")
    assert production.base_url != test.base_url
    assert production.sso_url != test.sso_url
    own = account(**VAYANA, IMS_BASE_URL="https://api.example.com")
    assert own.sso_url.startswith("https://api.example.com/")
    both = account(**VAYANA, IMS_BASE_URL="https://api.example.com", IMS_SSO_URL="https://sso.example.com/v1")
    assert (both.base_url, both.sso_url) == ("https://api.example.com", "https://sso.example.com/v1")
    assert account(**{**VAYANA, "IMS_HANDLE": "9876543210"}).handle_type == "mobile"
    assert production.handle_type == "email"
    with pytest.raises(InvalidInput, match="in clear text"):
        account(**VAYANA, IMS_SSO_URL="http://sso.example.com")


def test_the_login_goes_to_the_host_that_ims_sso_url_names(vayana: Shell) -> None:
    """Name a place where nobody listens, then the right one."""
    vayana.sim.token(vayana.gstin)
    vayana.monkeypatch.setenv("IMS_SSO_URL", f"{vayana.sim.url}/nobody")
    assert vayana.run("counts").code == 1
    assert vayana.sim.count("authenticate") == 0
    vayana.monkeypatch.setenv("IMS_SSO_URL", vayana.sim.sso_url)
    assert vayana.run("counts").code == 0
    assert vayana.sim.count("authenticate") == 1


@pytest.mark.both_gsps
def test_a_refusal_of_the_account_advises_once_and_in_the_shells_words(shell: Shell) -> None:
    """Mistype each variable in turn: the library's advice to programmers gives way to the variables."""
    shell.with_token()
    wrong: dict[str, dict[str, str | None]] = {
        "sandbox": {"IMS_API_KEY": "401: Unauthorized", "IMS_API_SECRET": "401: Unauthorized"},
        "vayana": {
            "IMS_ORG_ID": "err-invalid-org: the organisation is not known, or not this user's",
            "IMS_PASSWORD": None,
            "IMS_USER_TOKEN": None,
        },
    }
    command = ("login", "--username", "x") if shell.gsp == "sandbox" else ("counts",)
    for name, told in wrong[shell.gsp].items():
        with shell.monkeypatch.context() as changed:
            changed.setenv(name, "wrong")
            if name == "IMS_USER_TOKEN":
                changed.delenv("IMS_HANDLE")
            ended = shell.run(*command)
        assert ended.code == 1
        assert ended.err.count("check ") == 1, ended.err
        advice = f"; check {accounts.chosen(shell.gsp).credentials}, or run `ims-async login`\n"
        assert ended.err.endswith(advice)
        assert told is None or ended.err == f"Error: {told}{advice}"
        for word in ("API key", "user_token", "org_id", "handle and password"):
            assert word not in ended.err


def test_too_many_tokens_of_vayanas_user_are_told_in_the_shells_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Let no token live but one that somebody else has."""
    with opened(tmp_path, monkeypatch, capsys, "vayana", max_account_tokens=1) as shell:
        assert shell.sim.user_token
        ended = shell.run("counts")
        assert (ended.code, ended.err.count("\n"), "IMS_USER_TOKEN" in ended.err) == (1, 1, True)
        assert "client." not in ended.err
        assert "ims-async login" not in ended.err


@pytest.mark.both_gsps
def test_a_refused_account_names_the_variables_of_its_gsp(shell: Shell) -> None:
    """Mistype the secret of each."""
    name, others = (
        ("IMS_API_SECRET", "IMS_HANDLE") if shell.gsp == "sandbox" else ("IMS_PASSWORD", "IMS_API_KEY")
    )
    shell.monkeypatch.setenv(name, "wrong")
    ended = shell.run("login", "--username", "x")
    assert ended.code == 1
    assert f"check {accounts.chosen(shell.gsp).credentials}" in ended.err
    assert name in ended.err
    assert others not in ended.err


def test_what_vayana_has_no_route_to_is_told_in_a_sentence(vayana: Shell) -> None:
    """Ask for added-back liabilities, and for imports."""
    vayana.with_token()
    ended = vayana.run("liabilities", 2024, 10, "--section", "cdnr")
    assert (ended.code, ended.err.count("\n"), "no route" in ended.err) == (1, 1, True)
    for goods, words in (("imports", "imports"), ("inward_supplies", "inward supplies")):
        ended = vayana.run("counts", "--goods", goods)
        told = f"Error: Vayana does not publish its word (goods_typ) for {words}: leave out --goods"
        assert (ended.code, ended.err.count("\n"), ended.err.startswith(told)) == (1, 1, True)
        assert "Vayana(" not in ended.err

"""The commands that only read, logging in, and how errors are told."""

from __future__ import annotations

import csv
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ims_async import __version__
from ims_async.cli.commands.pull import Pull
from ims_async.cli.inputs import accounts, environment, settings
from tests.cli.cli_shell import QUICK, Shell, accept, opened, read_rows, write_rows

JOBS = ["show", "list", "resume"]
COMMANDS = ["demo", "login", "counts", "pull", "check", "push", "reset", "sales", "liabilities", "simulate"]


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell without a session."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name) as found:
        yield found


# -- help ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*([name] for name in COMMANDS), *(["jobs", name] for name in JOBS)])
def test_every_command_has_help_with_an_example_json_and_debug(shell: Shell, command: list[str]) -> None:
    """Ask each command what it does."""
    ended = shell.run(*command, "--help")
    assert ended.code == 0
    assert f"Example: ims-async {' '.join(command)}" in ended.out
    assert "--json" in ended.out
    assert "--debug" in ended.out


def test_no_command_takes_a_secret_as_an_argument(shell: Shell) -> None:
    """Look for options that would put a secret into the process list."""
    for command in COMMANDS:
        options = re.findall(r"--[a-z-]+", shell.run(command, "--help").out)
        assert not [name for name in options if re.search("key|secret|token|otp|password", name)]


def test_the_version_is_told(shell: Shell) -> None:
    """Ask for it."""
    assert shell.run("--version").out == f"ims-async {__version__}\n"


def test_the_help_says_which_session_counts_beside_a_stored_one(shell: Shell) -> None:
    """IMS_TOKEN and what `login` keeps may both be there."""
    told = " ".join(shell.run("--help").out.split())
    assert "it comes before the one that login keeps, which is used once IMS_TOKEN is refused" in told


def test_without_its_extra_the_command_line_says_how_to_get_it() -> None:
    """Run in an interpreter that has no typer."""
    code = "import sys; sys.modules['typer'] = None; from ims_async.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "The command line needs its extra: pip install 'ims-async[cli]'\n"


def test_an_unknown_option_is_bad_input(shell: Shell) -> None:
    """Mistype one."""
    ended = shell.run("counts", "--good")
    assert ended.code == 2
    assert "--good" in ended.err


# -- logging in ----------------------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_an_otp_from_standard_input_begins_a_session_that_other_commands_use(shell: Shell) -> None:
    """Log in, then count; the session lies in a file that only its owner can read."""
    ended = shell.run("login", "--username", shell.sim.taxpayers[0].username, stdin="575757\n")
    assert (ended.code, ended.out.startswith(f"Logged in: {shell.gstin}.")) == (0, True)
    assert f"GSTN has sent an OTP to the phone and mail of {shell.gstin}" in ended.err
    kept = shell.here / "state" / "ims-async" / "credentials.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert shell.run("counts").code == 0


@pytest.mark.both_gsps
def test_login_without_an_otp_says_so(shell: Shell) -> None:
    """Close standard input."""
    ended = shell.run("login", "--username", "x")
    assert ended.code in (1, 2)
    ended = shell.run("login", "--username", shell.sim.taxpayers[0].username)
    assert (ended.code, "no OTP came on standard input" in ended.err) == (2, True)


@pytest.mark.both_gsps
def test_a_wrong_otp_is_told_in_a_sentence(shell: Shell) -> None:
    """Mistype it."""
    ended = shell.run("login", "--username", shell.sim.taxpayers[0].username, stdin="111111\n")
    assert ended.code == 1
    assert ended.err.splitlines()[-1].startswith("Error: AUTH4033: the OTP was not accepted")
    assert "Traceback" not in ended.err


@pytest.mark.both_gsps
def test_a_wrong_user_name_is_told_as_one(shell: Shell) -> None:
    """Not as a wrong API key."""
    ended = shell.run("login", "--username", "nobody", stdin="575757\n")
    assert ended.code == 1
    assert "AUTH4032" in ended.err
    assert "IMS_USERNAME" in ended.err


@pytest.mark.both_gsps
def test_without_a_session_the_way_to_one_is_named(shell: Shell) -> None:
    """Count before logging in: whose, with which account, at which host; and what to do about it."""
    ended = shell.run("counts")
    assert ended.code == 1
    title = accounts.chosen(shell.gsp).title
    account = {"sandbox": "IMS_API_KEY", "vayana": "organisation org-demo"}[shell.gsp]
    whose = f"Error: there is no session for {shell.gstin} with the {title} account of {account} at "
    host = shell.sim.url.removeprefix("http://")
    assert ended.err.startswith(f"{whose}{host}: run `ims-async login`")
    assert "key_test_demo" not in ended.err
    other = shell.sim.gstins[1]
    assert f"run `ims-async login --gstin {other}`" in shell.run("counts", "--gstin", other).err
    shell.monkeypatch.delenv("IMS_GSP", raising=False)
    ended = shell.run("counts", "--gstin", other, "--gsp", shell.gsp, "--no-check")
    needed = " --gsp vayana" if shell.gsp == "vayana" else ""
    assert f"run `ims-async login --gstin {other} --no-check{needed}`" in ended.err


@pytest.mark.both_gsps
def test_a_mistyped_gstin_is_refused_unless_checks_are_off(shell: Shell) -> None:
    """Mistype the last character."""
    shell.with_token()
    wrong = shell.gstin[:-1] + ("A" if shell.gstin[-1] != "A" else "B")
    ended = shell.run("counts", "--gstin", wrong)
    assert ended.code == 2
    assert "fails the GSTIN checksum" in ended.err
    unchecked = shell.run("counts", "--gstin", wrong, "--no-check")
    assert unchecked.code == int(shell.gsp == "vayana")  # whose sessions belong to a GSTIN, not to a token
    assert "checksum" not in unchecked.err


@pytest.mark.both_gsps
def test_a_base_url_that_would_show_credentials_is_refused(shell: Shell) -> None:
    """Point at plain http of another machine, and set an odd IMS_TEST."""
    shell.monkeypatch.setenv("IMS_BASE_URL", "http://example.com")
    ended = shell.run("counts")
    assert (ended.code, "in clear text" in ended.err) == (2, True)
    shell.monkeypatch.setenv("IMS_TEST", "maybe")
    ended = shell.run("counts")
    assert (ended.code, "IMS_TEST is 'maybe'" in ended.err) == (2, True)


def test_the_credential_file_lies_in_the_platforms_state_directory(tmp_path: Path) -> None:
    """Look on three platforms; a relative XDG_STATE_HOME is to be ignored."""
    found = settings.credential_file({"XDG_STATE_HOME": str(tmp_path)}, platform="linux")
    assert found == tmp_path / "ims-async" / "credentials.json"
    home = Path.home() / ".local" / "state" / "ims-async" / "credentials.json"
    assert settings.credential_file({"XDG_STATE_HOME": "here"}, platform="linux") == home
    assert settings.credential_file({}, platform="darwin") == home
    found = settings.credential_file({"LOCALAPPDATA": str(tmp_path)}, platform="win32")
    assert found == tmp_path / "ims-async" / "credentials.json"


@pytest.mark.both_gsps
def test_a_credential_file_that_others_can_read_is_refused(shell: Shell) -> None:
    """Open the file to the world."""
    shell.run("login", "--username", shell.sim.taxpayers[0].username, stdin="575757\n")
    (shell.here / "state" / "ims-async" / "credentials.json").chmod(0o644)
    ended = shell.run("counts")
    assert (ended.code, "can be read by others" in ended.err) == (2, True)


# -- reading -------------------------------------------------------------------------------------------


@pytest.mark.both_gsps
def test_counts_are_shown_as_a_table_and_as_json(shell: Shell) -> None:
    """Count the simulator's sixty records."""
    shell.with_token()
    assert re.search(r"all +\d+ +\d+ +\d+ +\d+ +60", shell.run("counts").out)
    found = shell.run("counts", "--json").json()
    assert (found["ok"], found["gstin"], found["total"]) == (True, shell.gstin, 60)
    assert sum(section["total"] for section in found["sections"].values()) == 60


def test_other_goods_are_counted_too(shell: Shell) -> None:
    """Count imports."""
    shell.with_token()
    assert shell.run("counts", "--goods", "imports", "--json").json()["goods_type"] == "imports"


@pytest.mark.both_gsps
def test_pull_writes_every_record_or_the_sections_and_status_asked_for(shell: Shell) -> None:
    """Pull all, then two sections, then what stands at no action."""
    shell.with_token()
    file = shell.pulled()
    assert len(list(csv.reader(file.read_text("utf-8-sig").splitlines()))) == 61
    ended = shell.run("pull", "--out", "two.csv", "--section", "CN", "--section", "b2b", "--json", *QUICK)
    found = ended.json()
    assert set(found["sections"]) == {"b2bcn", "b2b"}
    assert found["records"] == sum(found["sections"].values())
    free = [r for r in shell.sim.records(shell.gstin) if r.action == "N"]
    assert shell.run("pull", "--out", "n.csv", "--status", "no_action", "--json", *QUICK).json()[
        "records"
    ] == len(free)
    for option in (("--section", "b2c"), ("--status", "done")):
        assert shell.run("pull", "--out", "x.csv", *option).code == 2


@pytest.mark.both_gsps
def test_pull_does_not_write_over_decisions(shell: Shell) -> None:
    """A file that is there is refused, with the work in it, unless replacing it is asked for."""
    shell.with_token()
    file, decided = shell.decided(accept)
    ended = shell.run("pull", "--out", file)
    assert ended.code == 2
    assert f"holds {decided} decisions: bring it up to date with pull --keep, choose" in ended.err
    assert shell.run("pull", "--out", file, "--overwrite", *QUICK).code == 0
    (shell.here / "letter.csv").write_text("Dear Sir")
    assert "is there already" in shell.run("pull", "--out", "letter.csv").err


@pytest.mark.parametrize("worked", ["nothing", "remarks", "ITC reduction", "my notes", "GSTIN"])
def test_pull_replaces_no_pull_whatever_was_done_in_it(shell: Shell, worked: str) -> None:
    """Nothing yet, a cell, a column of one's own, or another taxpayer's records; before anything is asked."""
    shell.with_token()
    file = shell.pulled()
    rows = read_rows(file)
    if worked != "nothing":
        write_rows(
            file, [{**row, worked: "29AAACQ3770E1ZF" if worked == "GSTIN" else "none"} for row in rows]
        )
    whole, before = file.read_bytes(), len(shell.sim.requests)
    ended = shell.run("pull", "--out", file, *QUICK)
    assert (ended.code, "acme.csv is there already: choose another name" in ended.err) == (2, True)
    assert (file.read_bytes(), len(shell.sim.requests)) == (whole, before)


def test_pull_does_not_replace_what_came_to_be_there_while_it_read(shell: Shell) -> None:
    """It is refused, as it would have been before."""
    shell.with_token()
    file = shell.here / "acme.csv"

    take = Pull._take

    def later(self: Pull, *found: Any) -> None:
        file.write_text("Dear Sir")
        take(self, *found)

    shell.monkeypatch.setattr(Pull, "_take", later)
    ended = shell.run("pull", "--out", file, *QUICK)
    assert (ended.code, "acme.csv is there already" in ended.err) == (2, True)
    assert file.read_text() == "Dear Sir"


def test_a_row_that_cannot_be_read_is_told_and_the_others_are_written(shell: Shell) -> None:
    """Answer with one good row and one without a date."""
    shell.with_token()
    shell.pulled("whole.csv", "--section", "b2b")
    _, _, body = shell.sim.handle(
        "GET",
        "/gst/compliance/tax-payer/invoices?section=B2B",
        {
            "x-api-key": "key_test_demo",
            "authorization": shell.sim.token(shell.gstin),
            "x-api-version": "1.0.0",
        },
    )
    shell.sim.script_answer("invoices", 200, body.replace(b'"idt":', b'"day":', 1))
    ended = shell.run("pull", "--out", "some.csv", "--section", "b2b", "--json")
    assert ended.code == 1
    (problem,) = ended.json()["problems"]
    assert "data.data.b2b[0].idt: missing" in problem
    assert problem in ended.err


def test_sales_and_liabilities_are_shown_and_written(shell: Shell) -> None:
    """Look at the supplier's side of October 2024."""
    shell.with_token()
    assert "recipient" in shell.run("sales", 2024, 10, "--section", "cdnr").out
    found = shell.run("sales", 2024, 10, "--section", "b2b", "--form", "gstr1a", "--json").json()
    assert found["records"] == len(found["documents"]) == 8
    assert re.fullmatch(r"\d\d-10-2024", found["documents"][0]["date"])
    assert shell.run("sales", 2024, 10, "--section", "b2b", "--out", "sales.csv").code == 0
    assert len((shell.here / "sales.csv").read_text().splitlines()) == 9
    assert "CN" not in shell.run("liabilities", 2024, 10, "--section", "cdnr").err
    assert shell.run("liabilities", 2024, 10, "--section", "b2ba", "--json").json()["records"] == 2
    assert shell.run("liabilities", 2024, 10, "--section", "ecoma", "--out", "debt.csv").code == 0
    for command in (("sales", 2024, 13), ("sales", 1999, 1), ("liabilities", 2024, 0)):
        ended = shell.run(*command, "--section", "cdnr")
        assert (ended.code, "not a GST return period" in ended.err) == (2, True)
    assert shell.run("liabilities", 2024, 10, "--section", "b2b").code == 2


def test_one_record_is_told_in_the_singular(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pull, decide on and push the one record that there is."""
    with opened(tmp_path, monkeypatch, capsys, invoices=1, sections=["b2b"]) as shell:
        shell.with_token()
        ended = shell.run("pull", "--out", "one.csv", "--section", "b2b", *QUICK)
        assert (ended.err, ended.out.startswith("1 record is in one.csv.")) == ("b2b: 1 record\n", True)
        file, _ = shell.decided(lambda row: "A" if row["action when pulled"] != "A" else "R")
        assert f"{file} holds 1 decision: bring it" in shell.run("pull", "--out", file).err
        ended = shell.run("push", file, "--yes", *QUICK)
        assert "1 row; pulling 1 section to see that nothing has changed since." in ended.err
        shell.monkeypatch.setattr(environment, "at_terminal", lambda: True)
        asked: list[str] = []
        shell.monkeypatch.setattr("typer.confirm", lambda question, err: asked.append(question))
        assert shell.run("reset", file, *QUICK).code == 1
        tax = shell.sim.records(shell.gstin)[0]
        amount = tax.igst + tax.cgst + tax.sgst + tax.cess
        told = f"Reset 1 (tax of {amount:,.2f} rupees)"
        assert asked == [f"{told}. Send this 1 reset for {shell.gstin}?"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("sales", 2023, 4, "--section", "b2b"), "gstr1 of {gstin}, b2b 04/2023: no documents.\n"),
        (("sales", 2023, 4, "--section", "cdnr", "--form", "gstr1a"),
         "gstr1a of {gstin}, cdnr 04/2023: no documents.\n"),
        (("liabilities", 2023, 4, "--section", "cdnr"),
         "added back to {gstin}, cdnr 04/2023: no documents.\n"),
    ],
)  # fmt: skip
def test_no_documents_are_told_and_not_shown_as_an_empty_table(
    shell: Shell, command: tuple[object, ...], told: str
) -> None:
    """Ask about a month in which nothing was reported, for a person, a file and a machine."""
    shell.with_token()
    ended = shell.run(*command)
    assert (ended.code, ended.out, ended.err) == (0, told.format(gstin=shell.gstin), "")
    assert shell.run(*command, "--out", "none.csv").out == "0 documents are in none.csv.\n"
    found = shell.run(*command, "--json").json()
    assert (found["ok"], found["records"], found["documents"]) == (True, 0, [])


# -- errors --------------------------------------------------------------------------------------------


def test_a_gateways_error_is_one_sentence_and_one_document(shell: Shell) -> None:
    """Let the gateway refuse with a code, and say it in JSON too."""
    shell.with_token()
    refusal = {"error": {"error_cd": "RET99999", "message": "No \x1b[31mluck"}, "status_cd": "0"}
    envelope = {"code": 200, "data": refusal, "transaction_id": "t-1"}
    shell.sim.script_answer("count", 200, envelope)
    ended = shell.run("counts", "--json")
    assert ended.code == 1
    error = ended.json()["error"]
    assert (error["code"], error["transaction_id"]) == ("RET99999", "t-1")
    assert ended.err == "Error: RET99999: No  [31mluck\n"


@pytest.mark.both_gsps
def test_the_traceback_is_shown_only_when_asked_for(shell: Shell) -> None:
    """Ask with --debug."""
    assert "Traceback" not in shell.run("counts").err
    assert "Traceback" in shell.run("counts", "--debug").err


def test_a_gateway_does_not_steer_the_terminal_through_a_traceback(shell: Shell) -> None:
    """Escape sequences in its words come out as blanks, with --debug too."""
    shell.with_token()
    shell.sim.script_answer("count", 400, {"code": 400, "message": "no\x1b[2J\u202e"})
    told = shell.run("counts", "--debug").err
    assert "Traceback" in told
    assert "no [2J" in told
    assert not {"\x1b", "\u202e"} & set(told)


def test_a_defect_is_told_without_a_traceback(shell: Shell) -> None:
    """Break something inside."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    shell.monkeypatch.setattr("ims_async.cli.inputs.settings.gather", broken)
    ended = shell.run("counts")
    assert ended.code == 1
    assert "Error: unexpected ZeroDivisionError: oops; run it again with --debug" in ended.err

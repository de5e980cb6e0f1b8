"""The offline tool's files from the shell: pull, match, check and push without an account or a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ims_async import Section
from tests.cli.cli_shell import ACCOUNTS, Ended, Shell, fill_in, opened, read_rows, write_rows
from tests.support.portal_files import GSTIN, SUPPLIER, details, loaded, row, written
from tests.tables.test_tables_xlsx import decided

ROWS = {
    "b2b": [row(inum="1"), row(inum="2", action="A"), row(inum="3", action="P", remarks="where is it?")],
    "b2bcn": [row(Section.B2BCN, nt_num="CN-1", val=118, txval=100, iamt=18)],
    "impg": [{"boenum": "1"}],
}


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell without an account, without a taxpayer, and with a download."""
    with opened(tmp_path, monkeypatch, capsys, taxpayers=1, invoices=1) as found:
        for name in (*ACCOUNTS["sandbox"], "IMS_GSTIN", "IMS_BASE_URL"):
            monkeypatch.delenv(name)
        written(tmp_path / "portal.json", details(**ROWS))
        yield found
        assert found.sim.requests == []


def pulled(shell: Shell, decide: Callable[[dict[str, str]], str] | None = None, *options: str) -> Path:
    """Pull the download into a sheet, and decide."""
    ended = shell.run("pull", "--from", "portal.json", "--out", "nov.csv", "--gstin", GSTIN, *options)
    assert ended.code == 0, ended.err
    if decide is not None:
        fill_in(shell.here / "nov.csv", decide)
    return shell.here / "nov.csv"


def push(shell: Shell, *options: object, sheet: object = "nov.csv", verb: str = "push") -> Ended:
    """Write an upload."""
    return shell.run(verb, sheet, "--from", "portal.json", "--to", "upload.json", *options)


def actions(shell: Shell) -> dict[str, str]:
    """The action of each record in the upload, by number."""
    sections = loaded(shell.here / "upload.json")["invdata"]
    return {one.get("inum") or one["nt_num"]: one["action"] for rows in sections.values() for one in rows}


def test_a_download_becomes_a_sheet_and_the_sheet_an_upload(shell: Shell) -> None:
    """What pull prints works; a section that is not known is named, and not sent."""
    ended = shell.run("pull", "--from", "portal.json", "--out", "nov.csv", "--gstin", GSTIN)
    assert ended.code == 0, ended.err
    assert "portal.json also holds 'impg', 1 record, which this release does not know" in ended.err
    command = "ims-async push nov.csv --from portal.json --to upload.json"
    assert f"4 records are in nov.csv. Fill in the column 'action', then: {command}" in ended.out
    rows = read_rows(shell.here / "nov.csv")
    assert [one["number"] for one in rows] == ["1", "2", "3", "CN-1"]
    assert {(one["GSTIN"], one["return period"]) for one in rows} == {(GSTIN, "102026")}
    for one, action, remarks, reduction in zip(
        rows, "RAPA", ("no", "", "where is it?", ""), ("", "", "", "full"), strict=True
    ):
        one |= {"action": action, "remarks": remarks, "ITC reduction": reduction}
    write_rows(shell.here / "nov.csv", rows)
    assert shell.run("check", "nov.csv").code == 0
    ended = shell.run(*command.split()[1:])
    assert ended.code == 0, ended.err
    assert "2 records are in upload.json; 2 rows are as at the download, and not in it." in ended.out
    assert "Upload it at the portal" in ended.out
    upload = loaded(shell.here / "upload.json")
    assert (upload["rtin"], upload["reqtyp"], list(upload["invdata"])) == (GSTIN, "SAVE", ["b2b", "b2bcn"])
    assert actions(shell) == {"1": "R", "CN-1": "A"}
    assert upload["invdata"]["b2b"][0]["rtnprd"] == "10"


def test_match_fills_in_what_push_writes(shell: Shell) -> None:
    """As with sheets of a gateway."""
    pulled(shell)
    heading = "GSTIN,Bill No,Bill Date,Taxable Value,IGST,CGST,SGST,Cess,Type\n"
    Path("books.csv").write_text(
        f"{heading}{SUPPLIER},1,03-10-2026,10000,1800,0,0,0,Purchase\n", encoding="utf-8"
    )
    ended = shell.run("match", "nov.csv", "--register", "books.csv")
    assert ended.code == 0, ended.err
    ended = push(shell, "--json")
    assert ended.code == 0, ended.err
    assert actions(shell) == {"1": "A"}
    found = ended.json()
    assert (found["records"], found["unchanged"], found["sections"]) == (1, 0, {"b2b": 1})
    assert (found["gstin"], found["file"], found["not_uploaded"]) == (GSTIN, "upload.json", ["impg"])
    assert shell.run("followup", "nov.csv", "--register", "books.csv", "--out", "ask.csv").code == 0
    assert [one["supplier"] for one in read_rows(shell.here / "ask.csv")] == [SUPPLIER]


def test_a_workbook_is_pulled_and_pushed(shell: Shell) -> None:
    """With its lists, and ids as text."""
    written(shell.here / "portal.json", details(b2b=[row()]))
    ended = shell.run("pull", "--from", "portal.json", "--out", "nov.xlsx", "--gstin", GSTIN)
    assert ended.code == 0, ended.err
    decided(shell.here / "nov.xlsx", "Accept")
    assert push(shell, sheet="nov.xlsx").code == 0
    assert actions(shell) == {"0012345678901234": "A"}


def test_a_spreadsheet_may_rewrite_the_ids(shell: Shell) -> None:
    """The checksum that stands for a hash says which record a row is."""
    file = pulled(shell, lambda one: "R" if one["number"] == "1" else "")
    rows = read_rows(file)
    rows[0] |= {"number": "1.0", "date": "03/10/26", "return period": "102026"}
    write_rows(file, rows)
    assert push(shell).code == 0
    assert actions(shell) == {"1": "R"}


def test_nothing_changed_is_no_file_and_well(shell: Shell) -> None:
    """Said so."""
    pulled(shell, lambda one: one["action when pulled"].replace("N", ""))
    ended = push(shell)
    assert ended.code == 0, ended.err
    assert "Nothing differs from portal.json, so no file was written: 2 rows." in ended.out
    assert not (shell.here / "upload.json").exists()


def test_reset_takes_back_what_has_an_action_and_says_that_it_is_unproven(shell: Shell) -> None:
    """In a file of its own."""
    pulled(shell)
    ended = push(shell, "--json", verb="reset")
    assert ended.code == 0, ended.err
    assert actions(shell) == {"2": "N", "3": "N"}
    assert "Mind: action N in an upload is unproven" in ended.err
    assert ended.json()["warnings"]
    fill_in(shell.here / "nov.csv", lambda one: "R" if one["number"] == "2" else "")
    assert push(shell, "--decided", "--overwrite", verb="reset").code == 0
    assert actions(shell) == {"2": "N"}


def test_a_newer_download_shows_what_has_changed_since(shell: Shell) -> None:
    """A record that the supplier edited, one that was acted on otherwise, and one that stands by now."""
    pulled(shell, lambda one: "R" if one["section"] == "b2b" else "")
    newer = [
        row(inum="1", val=99),
        row(inum="2", action="P"),
        row(inum="3", action="R", remarks="where is it?"),
    ]
    written(shell.here / "portal.json", details(b2b=newer))
    ended = push(shell)
    assert ended.code == 2
    assert "b2b 1 from 29AAACQ3770E1ZF: the supplier has edited it" in ended.err
    assert "its action at the gateway was A when pulled and is P now" in ended.err
    assert "row 4" not in ended.err
    assert not (shell.here / "upload.json").exists()


def test_remarks_on_an_acceptance_are_named_by_their_cell(shell: Shell) -> None:
    """And a setting lets them pass."""
    pulled(shell, lambda one: "A" if one["number"] == "3" else "")
    ended = push(shell)
    assert ended.code == 2
    assert "nov.csv row 4, column remarks: an upload has remarks with R and P only" in ended.err
    ended = push(shell, "--set", "remarks-on-accept=write", "--set", "read-only-keys=drop")
    assert ended.code == 0, ended.err
    (one,) = loaded(shell.here / "upload.json")["invdata"]["b2b"]
    assert (one["action"], one["remarks"], "srcfilstatus" in one) == ("A", "where is it?", False)


def test_what_breaks_a_rule_is_named_by_its_row(shell: Shell) -> None:
    """A credit note that is accepted without a word on the credit."""
    pulled(shell, lambda one: "A" if one["section"] == "b2bcn" else "")
    ended = push(shell)
    assert ended.code == 2
    assert "nov.csv row 5, column ITC reduction: accepting a credit note says" in ended.err


def test_the_report_says_what_was_written(shell: Shell) -> None:
    """By record."""
    pulled(shell, lambda one: "R" if one["number"] == "1" else "")
    assert push(shell, "--report", "written.csv").code == 0
    (one,) = read_rows(shell.here / "written.csv")
    assert (one["outcome"], one["number"], one["action"]) == ("written", "1", "R")


# -- whose it is -----------------------------------------------------------------------------------------


def test_the_file_or_the_options_or_the_variable_say_whose_it_is(shell: Shell) -> None:
    """And a person is asked where none does."""
    pull = ("pull", "--from", "portal.json", "--out", "nov.csv", "--overwrite")
    ended = shell.run(*pull)
    assert ended.code == 2
    assert "IMS_GSTIN" in ended.err
    shell.monkeypatch.setenv("IMS_GSTIN", GSTIN)
    assert shell.run(*pull).code == 0
    assert {one["GSTIN"] for one in read_rows(shell.here / "nov.csv")} == {GSTIN}
    written(shell.here / "portal.json", {**details(**ROWS), "rtin": SUPPLIER})
    assert shell.run(*pull).code == 0  # IMS_GSTIN refuses nobody's file
    assert {one["GSTIN"] for one in read_rows(shell.here / "nov.csv")} == {SUPPLIER}
    ended = shell.run(*pull, "--gstin", GSTIN)
    assert ended.code == 2
    assert f"portal.json is of the taxpayer {SUPPLIER}, and not of {GSTIN}" in ended.err
    ended = shell.run(*pull, "--gstin", GSTIN, "--gstin", SUPPLIER)
    assert ended.code == 2
    assert "has the records of one taxpayer, and several are named" in ended.err


def test_sheets_without_a_gstin_are_the_downloads(shell: Shell) -> None:
    """Of one that names its taxpayer; and sheets of two taxpayers need two downloads."""
    file = pulled(shell, lambda one: "R" if one["number"] == "1" else "")
    rows = read_rows(file)
    write_rows(file, [{key: value for key, value in one.items() if key != "GSTIN"} for one in rows])
    written(shell.here / "portal.json", {**details(**ROWS), "rtin": GSTIN})
    assert push(shell).code == 0
    assert loaded(shell.here / "upload.json")["rtin"] == GSTIN
    write_rows(file, [{**one, "action": "R", "GSTIN": name} for one in rows for name in (GSTIN, SUPPLIER)])
    ended = push(shell, "--overwrite")
    assert ended.code == 2
    assert "the sheets have records of 2 taxpayers, and a download those of one" in ended.err


def test_a_folder_gets_a_file_named_after_the_taxpayer(shell: Shell) -> None:
    """As with a gateway, and its sections and actions can be chosen."""
    only = ("--section", "b2b", "--status", "accepted", "--json")
    ended = shell.run("pull", "--from", "portal.json", "--out", "november/", "--gstin", GSTIN, *only)
    assert ended.code == 0, ended.err
    assert [one["number"] for one in read_rows(shell.here / "november" / f"{GSTIN}.csv")] == ["2"]
    found = ended.json()
    assert found["taxpayers"][GSTIN]["records"] == found["records"] == 1


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [("--to", "u.json"), ("--from", "portal.json"), ("--set", "itc-names=tool")]
)
def test_from_and_to_go_together(shell: Shell, options: tuple[str, ...]) -> None:
    """Nothing is sent by mistake."""
    pulled(shell, lambda _: "R")
    ended = shell.run("push", "nov.csv", "--yes", *options)
    assert ended.code == 2
    assert "--from, --to and --set go together: write both" in ended.err


def test_a_record_that_cannot_be_read_is_named_and_left_out(shell: Shell) -> None:
    """The exit code says so; push names it too, and writes the others."""
    written(
        shell.here / "portal.json", details(b2b=[row(inum="1"), row(inum=2), row(inum="3"), row(inum="3")])
    )
    ended = shell.run(
        "pull", "--from", "portal.json", "--out", "nov.csv", "--gstin", GSTIN, "--report", "left.csv"
    )
    assert ended.code == 1
    assert (
        "a row cannot be read and is left out: portal.json: imsDetails.b2b[1].inum: 2 is not text"
        in ended.err
    )
    assert "stands in it twice" in ended.err
    assert len(read_rows(shell.here / "left.csv")) == 2
    assert [one["number"] for one in read_rows(shell.here / "nov.csv")] == ["1"]
    fill_in(shell.here / "nov.csv", lambda _: "R")
    ended = push(shell)
    assert ended.code == 0, ended.err
    assert "a record cannot be decided on: portal.json: imsDetails.b2b[1].inum" in ended.err
    assert actions(shell) == {"1": "R"}


def test_no_file_is_replaced_silently(shell: Shell) -> None:
    """Neither an upload, nor a sheet by an upload."""
    pulled(shell, lambda one: "R" if one["number"] == "1" else "")
    assert push(shell).code == 0
    ended = push(shell)
    assert ended.code == 2
    assert "upload.json is there already: choose another name, or pass --overwrite" in ended.err
    assert push(shell, "--overwrite").code == 0
    ended = shell.run("push", "nov.csv", "--from", "portal.json", "--to", "nov.csv", "--overwrite")
    assert ended.code == 2
    assert "an upload is a .json file" in ended.err
    assert read_rows(shell.here / "nov.csv")


@pytest.mark.parametrize("document", [{"data": {"docdata": {}}}, {"imsDetailsErr": {"b2b": []}}, []])
def test_another_file_is_refused(shell: Shell, document: object) -> None:
    """By pull and by push; the messages' commands work."""
    pulled(shell, lambda _: "R")
    written(shell.here / "portal.json", document)
    for ended in (
        push(shell),
        shell.run("pull", "--from", "portal.json", "--out", "x.csv", "--gstin", GSTIN),
    ):
        assert ended.code == 2
        assert "not the portal's download of IMS" in ended.err
    assert not (shell.here / "x.csv").exists()


# -- what became of it -----------------------------------------------------------------------------------


def test_outcome_shows_the_portals_words_beside_each_record(shell: Shell) -> None:
    """And writes a report of all of them."""
    pulled(shell, lambda one: "R" if one["section"] == "b2b" else "")
    assert push(shell).code == 0
    failed: dict[str, Any] = {**row(inum="2", action="R"), "error_msg": "Action is not allowed"}
    written(shell.here / "errors.json", {"imsDetailsErr": {"b2b": [failed]}})
    ended = shell.run("outcome", "upload.json", "--errors", "errors.json", "--report", "outcome.csv")
    assert ended.code == 1
    assert "Action is not allowed" in ended.out
    assert "Of 3 records 2 count as applied, 1 failed." in ended.out
    rows = [(one["number"], one["outcome"], one["message"]) for one in read_rows(shell.here / "outcome.csv")]
    assert rows == [("2", "failed", "Action is not allowed"), ("1", "applied", ""), ("3", "applied", "")]
    found = shell.run("outcome", "upload.json", "--errors", "errors.json", "--json").json()
    assert (found["ok"], found["gstin"], found["submitted"], found["applied"]) == (False, GSTIN, 3, 2)
    assert [one["message"] for one in found["failed"]] == ["Action is not allowed"]
    written(shell.here / "errors.json", {"imsDetailsErr": {"b2b": [row(inum="9")]}})
    ended = shell.run("outcome", "upload.json", "--errors", "errors.json")
    assert "0 count as applied, 0 failed, nothing is known of 3" in ended.out
    written(shell.here / "errors.json", {"imsDetailsErr": {}})
    assert shell.run("outcome", "upload.json", "--errors", "errors.json").code == 0


def test_money_goes_through_a_sheet_and_back_exactly(shell: Shell) -> None:
    """The sheet's cells are not what is written."""
    one = row(val=Decimal("99999999999.91"), iamt=Decimal("0.10"))
    written(shell.here / "portal.json", details(b2b=[one]))
    pulled(shell, lambda _: "R")
    assert push(shell).code == 0
    text = (shell.here / "upload.json").read_text(encoding="utf-8")
    assert '"val":99999999999.91,' in text
    assert '"iamt":0.10,' in text

"""`gstr2b compare`: records and statements from files or read now; what differs, in rupees."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from ims_async.decide import ComparedKind
from ims_async.simulator import Fault
from ims_async.simulator.http import write
from ims_async.tables.gstr2b.writing import COLUMNS
from tests.cli.cli_shell import (
    QUICK,
    Ended,
    Shell,
    commands_in,
    fill_in,
    opened,
    read_rows,
    reject,
    shell_of,
    write_rows,
)

PERIOD = "012025"
WHOM = ("--period", PERIOD)
REJECTED = str(ComparedKind.REJECTED_COUNTED)


shell = shell_of(taxpayers=3, invoices=12)


def reject_all(shell: Shell) -> Path:
    """Reject every record of every taxpayer; return the files of it, pulled again."""
    file, _ = shell.decided_all(reject)
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 0, ended.err
    return shell.pulled_all("again.csv")


@pytest.mark.both_gsps
def test_what_is_rejected_and_still_counted_is_found(shell: Shell) -> None:
    """Read now, of many; counts and rupees by kind, the reason, and what to do. The exit code stays 0."""
    reject_all(shell)
    ended = shell.run("gstr2b", "compare", *WHOM, *shell.named(), "--out", "c.csv", "--json", *QUICK)
    assert ended.code == 0, ended.err
    found = ended.json()
    rows = read_rows(shell.here / "c.csv")
    rejected = [row for row in rows if row["kind"] == REJECTED]
    assert len(rejected) == found["findings"] > 0
    tax = sum(
        Decimal(amount)
        for facts in found["taxpayers"].values()
        for amount in facts["kinds"].get(REJECTED, {"credit": {}})["credit"].values()
    )
    heads = ("IGST", "CGST", "SGST", "cess")
    assert tax == sum(Decimal(row[f"credit {head}"]) for row in rejected for head in heads)
    assert sorted(found["recompute_due"]["gstins"]) == sorted(shell.sim.gstins)
    told = shell.run("gstr2b", "compare", *WHOM, *shell.named(), *QUICK)
    assert f"{REJECTED}  " in told.out
    assert f"{tax:,.2f}" in told.out
    assert "compute the GSTR-2B anew" in told.out
    if shell.gsp == "sandbox":
        words = next(words for words in commands_in(told.out) if words[:2] == ["gstr2b", "regenerate"])
        assert shell.run(*words, "--yes", *QUICK).code == 0
        after = shell.run("gstr2b", "compare", *WHOM, *shell.named(), "--json", *QUICK).json()
        assert (after["findings"], after["recompute_due"]["gstins"]) == (0, [])
    else:
        assert "have it computed on the GST portal." in told.out


def test_with_both_from_files_no_gateway_is_asked(shell: Shell) -> None:
    """The same is found as where both are read now; an account is not needed."""
    file = reject_all(shell)
    assert shell.run("gstr2b", "pull", *WHOM, *shell.named(), "--out", "s/", "--format", "json").code == 0
    now = shell.run("gstr2b", "compare", *WHOM, *shell.named(), "--json", *QUICK).json()
    before = len(shell.sim.requests)
    for name in shell.account:
        shell.monkeypatch.delenv(name)
    ended = shell.run("gstr2b", "compare", file, "--statement", "s/", "--json")
    assert ended.code == 0, ended.err
    assert len(shell.sim.requests) == before
    assert {gstin: one["kinds"] for gstin, one in ended.json()["taxpayers"].items()} == {
        gstin: one["kinds"] for gstin, one in now["taxpayers"].items()
    }
    assert ended.json()["period"] == PERIOD


def test_an_earlier_statement_of_many_shows_what_credit_it_gave(shell: Shell) -> None:
    """By taxpayer, beside the credit now."""
    assert shell.run("gstr2b", "pull", *WHOM, *shell.named(), "--out", "s/", "--format", "json").code == 0
    command = ("gstr2b", "compare", *WHOM, *shell.named(), "--statement", "s/", *QUICK)
    assert "  before  " not in shell.run(*command).out
    told = shell.run(*command, "--before", "s/").out
    for gstin, facts in shell.run(*command, "--before", "s/", "--json").json()["taxpayers"].items():
        credit = f"{sum(map(Decimal, facts['credit_before'].values())):,.2f}"
        assert re.search(rf"^{gstin} +\d+ +{credit} +{credit} ", told, re.MULTILINE), told


def test_an_earlier_statement_shows_what_changed(shell: Shell) -> None:
    """The draft beside the one that was computed anew; whether GSTR-3B is filed is asked if it is wanted."""
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "draft.json").code == 0
    reject_all(shell)
    assert shell.run("gstr2b", "regenerate", *WHOM, "--yes", *QUICK).code == 0
    ended = shell.run("gstr2b", "compare", *WHOM, "--before", "draft.json", "--ask-filing", *QUICK)
    assert (ended.code, shell.sim.count("track")) == (0, 1)
    assert "Nothing needs a person" in ended.out
    assert "The earlier one gave " in ended.out


two = shell_of(taxpayers=2, invoices=40)


@pytest.fixture
def older(two: Shell) -> Shell:
    """A shell of two taxpayers; of earlier periods the first has filed GSTR-3B, the second has records."""
    two.file_earlier(two.gstin)
    return two


def kinds_of(ended: Ended, gstin: str) -> dict[str, int]:
    """How many there are of each kind."""
    return {kind: total["count"] for kind, total in ended.json()["taxpayers"][gstin]["kinds"].items()}


@pytest.mark.both_gsps
def test_of_an_earlier_period_it_is_asked_only_for_whom_it_matters(older: Shell) -> None:
    """Its records are no finding then: the earlier GSTR-2B may have them."""
    shell, other = older, older.sim.gstins[1]
    command = ("gstr2b", "compare", *WHOM, *shell.named(), *QUICK)
    told = shell.run(*command)
    hint = f"What is missing of {other} may be in an earlier GSTR-2B, if GSTR-3B of 122024 is not filed: "
    assert (told.code, shell.sim.count("track")) == (0, 0)
    assert f"{hint}--ask-filing asks the gateway." in told.out
    before = kinds_of(shell.run(*command, "--json"), other)
    ended = shell.run(*command, "--ask-filing", "--json")
    assert (ended.code, ended.json()["findings"]) == (0, 0), ended.err
    assert shell.sim.count("preference") == 3
    now = kinds_of(ended, other)
    assert now.pop("earlier period") == before.pop("missing") > 1
    assert now == before
    assert "--ask-filing" not in shell.run(*command, "--ask-filing").out


def test_a_record_of_a_period_that_is_filed_stays_missing(older: Shell) -> None:
    """Where the last period before is filed, all before it are: no other is asked for."""
    shell, other = older, older.sim.gstins[1]
    file = shell.pulled("other.csv", "--gstin", other)
    shell.file_earlier(other)
    command = ("gstr2b", "compare", file, *WHOM, "--json", "--gstin", other)
    assert shell.run("gstr2b", "pull", *WHOM, "--gstin", other, "--out", "s.json").code == 0
    before, count = shell.run(*command, "--statement", "s.json").json(), shell.sim.count("track")
    assert before["taxpayers"][other]["filing_to_ask"] == "122024"
    now = shell.run(*command, "--statement", "s.json", "--ask-filing").json()
    assert (now["taxpayers"][other]["filing_to_ask"], shell.sim.count("track") - count) == (None, 2)
    assert now["findings"] == before["findings"] > 1


@pytest.mark.parametrize(
    ("faults", "unknown", "missing"),
    [
        ([Fault.html()], [PERIOD], False),
        ([Fault.delay(0), Fault.html()], ["122024"], True),
        ([Fault.html()] * 2, [PERIOD, "122024"], True),
    ],
)
def test_a_period_that_cannot_be_asked_is_not_known(
    older: Shell, faults: list[Fault], unknown: list[str], missing: bool
) -> None:
    """With a warning; all else is compared. Exit code 0."""
    shell, other = older, older.sim.gstins[1]
    shell.sim.script_fault("track", *faults, gstin=other)
    ended = shell.run("gstr2b", "compare", *WHOM, *shell.named(), "--ask-filing", "--json", *QUICK)
    assert (ended.code, "skipped" in ended.err) == (0, False), ended.err
    told = re.findall(rf"{other}: whether GSTR-3B of (\d+) is filed is not known: \S", ended.err)
    assert told == unknown
    assert ended.err.count("is not known") == len(unknown)
    kinds = kinds_of(ended, other)
    assert ("missing" in kinds, "earlier period" in kinds) == (missing, not missing)
    assert ended.json()["taxpayers"][other]["filing_to_ask"] == ("122024" if missing else None)


def test_what_would_meet_everybody_is_no_period_that_is_not_known(older: Shell) -> None:
    """The account has no calls left: nothing is compared."""
    older.sim.script_fault("track", Fault.spent())
    ended = older.run("gstr2b", "compare", *WHOM, *older.named(), "--ask-filing", *QUICK)
    assert (ended.code, ended.out, "is not known" in ended.err) == (1, "", False)


def test_what_is_filed_is_asked_before_the_records_are_read(older: Shell) -> None:
    """What is in IMS once GSTR-3B is filed is of a later period; what was read before need not be."""
    assert older.run("gstr2b", "compare", *WHOM, "--ask-filing", *QUICK).code == 0
    asked = [one.operation for one in older.sim.requests]
    assert asked.index("track") < asked.index("invoices")


def test_decisions_that_are_not_sent_yet_are_told(shell: Shell) -> None:
    """What counts is how the records stood; what stands as it is decided is none of them."""
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "s.json").code == 0
    done, _ = shell.decided(lambda row: "R" if row["section"] == "b2b" else "")
    assert shell.run("push", done, "--yes", *QUICK).code == 0
    file = shell.pulled("b.csv")
    fill_in(file, lambda row: "R")
    stood = [row["action when pulled"] for row in read_rows(file)]
    assert 0 < stood.count("R") < len(stood)
    ended = shell.run("gstr2b", "compare", file, "--statement", "s.json")
    assert f"{len(stood) - stood.count('R')} rows are decided otherwise than when pulled" in ended.err


def test_a_credit_note_counts_by_its_itc_reduction_also_from_a_file(shell: Shell) -> None:
    """Accepted with none of the credit given up: the statement takes none, and should take none."""
    file = shell.pulled("notes.csv", *shell.named(), "--section", "cn", "--section", "cna")
    rows = read_rows(file)
    for row in rows:
        row["action"] = "A" if row["action when pulled"] == "N" else ""
        row["ITC reduction"] = "none" if row["action"] else ""
    write_rows(file, rows)
    assert shell.run("push", file, "--yes", "--regenerate", PERIOD, *QUICK).code == 0
    assert shell.run("gstr2b", "pull", *WHOM, *shell.named(), "--out", "s/", "--format", "json").code == 0
    for row in rows:  # as a gateway shows it that keeps the ITC reduction beside the action
        row["action when pulled"] = row["action"] or row["action when pulled"]
    write_rows(file, rows)
    ended = shell.run("gstr2b", "compare", file, "--statement", "s/", "--out", "c.csv")
    assert ended.code == 0, ended.err
    given_up = [row for row in read_rows(shell.here / "c.csv") if row["kind"] == "counted"]
    assert given_up
    for row in given_up:
        assert {row[f"{what} {head}"] for what in ("credit", "expected") for head in ("IGST", "CGST")} == {
            "0"
        }
    rows[0] |= {"action when pulled": "A", "ITC reduction": "some"}
    write_rows(file, rows)
    refused = shell.run("gstr2b", "compare", file, "--statement", "s/")
    assert (refused.code, "column ITC reduction" in refused.err) == (2, True)


def test_one_that_is_skipped_stops_no_other(shell: Shell) -> None:
    """No statement among the files: named, and exit code 1; nobody's: nothing is written."""
    file = shell.pulled_all()
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "s.json").code == 0
    ended = shell.run("gstr2b", "compare", file, "--statement", "s.json", "--out", "c.csv")
    assert (ended.code, "2 taxpayers skipped: " in ended.out) == (1, True)
    assert {row["GSTIN"] for row in read_rows(shell.here / "c.csv")} == {shell.gstin}
    (shell.here / "c.csv").write_text("kept")
    none = shell.run("gstr2b", "compare", "--period", "122099", "--out", "c.csv", "--overwrite", *QUICK)
    assert (none.code, none.out.startswith("Nothing was compared.")) == (1, True)
    assert (shell.here / "c.csv").read_text() == "kept"


def test_of_many_that_are_skipped_three_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Statements of another period, of files; all are named in the end."""
    with opened(tmp_path, monkeypatch, capsys, "sandbox", taxpayers=5, invoices=5) as shell:
        shell.log_in_all()
        file = shell.pulled_all()
        assert shell.run("gstr2b", "pull", *WHOM, *shell.named(), "--out", "s/", "--format", "json").code == 0
        ended = shell.run("gstr2b", "compare", file, "--statement", "s/", "--period", "122024")
        assert (ended.code, ended.err.count(" is skipped: ")) == (1, 3)
        assert f"/{shell.gstin}.json is the GSTR-2B for {PERIOD}, not for 122024" in ended.err
        assert "… and 2 more" in ended.err
        assert all(gstin in ended.out for gstin in shell.sim.gstins)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name the period"),
        (("--period", "132025"), "132025"),
        (("--statement", "no.json"), "cannot be read: no such file"),
        (("--statement", "text.json"), "is no GSTR-2B"),
        (("--statement", "book.xlsx"), "book.xlsx is no GSTR-2B: name the .json file"),
        (("--statement", "cut.json"), "cut.json is damaged: pull the GSTR-2B into it again"),
        (("--period", "012025", "--before", "cut.json"), "cut.json is damaged: pull the GSTR-2B into it"),
        (("--statement", "empty.json"), "empty.json is empty: pull the GSTR-2B into it again"),
        (("--statement", "list.json"), "is no GSTR-2B"),
        (("--statement", "half.json"), "cannot be read"),
        (("--statement", "gstn.json"), "cannot be read"),
        (("--statement", "folder"), "holds no .json file"),
        (("--period", "012025", "--out", "a.doc"), ".doc files are not supported"),
        (("all.csv", "--period", "012025", "--gstins", "c.txt"), "the files say whose"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(shell: Shell, words: tuple[str, ...], told: str) -> None:
    """Exit code 2, before anything is asked."""
    for name, text in {
        "text.json": "hello", "list.json": "[]", "cut.json": '{"gstin": "29AA', "empty.json": "",
        "half.json": '{"gstin": 1, "period": []}',
        "gstn.json": '{"chksum": "a", "data": {}}',
    }.items():  # fmt: skip
        (shell.here / name).write_text(text)
    (shell.here / "folder").mkdir()
    before = len(shell.sim.requests)
    ended = shell.run("gstr2b", "compare", *words)
    assert (ended.code, ended.err.count("\n"), told in ended.err) == (2, 1, True), ended.err
    assert len(shell.sim.requests) == before


def test_gstns_own_json_is_read(shell: Shell) -> None:
    """As the API answers it: the same is found as with what pull wrote."""
    reject_all(shell)
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "s.json").code == 0
    own = shell.sim.returns.fetch(shell.gstin, PERIOD)
    (shell.here / "gstn.json").write_bytes(write(own))
    found = [
        shell.run("gstr2b", "compare", "--statement", name, "--json", *QUICK).json()["taxpayers"]
        for name in ("s.json", "gstn.json")
    ]
    assert found[0] == found[1]


def test_a_statement_is_no_file_of_decisions(shell: Shell) -> None:
    """Whoever pushes one is told so."""
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "s.csv").code == 0
    ended = shell.run("push", "s.csv", "--yes")
    assert (ended.code, shell.sim.count("save")) == (2, 0)
    assert "action" not in COLUMNS


def test_what_was_done_at_another_gateway_says_nothing_of_this_one(shell: Shell) -> None:
    """At another host, a test host say: neither that it is due here, nor that it was computed."""
    address = shell.sim.url
    elsewhere = address.replace("127.0.0.1", "localhost")

    def due() -> list[str]:
        found = shell.run("gstr2b", "compare", *WHOM, "--json", *QUICK)
        assert found.code == 0, found.err
        gstins: list[str] = found.json()["recompute_due"]["gstins"]
        return gstins

    file, _ = shell.decided(lambda row: "R" if row["action when pulled"] == "N" else "")
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    assert due() == [shell.gstin]
    shell.monkeypatch.setenv("IMS_BASE_URL", elsewhere)
    shell.log_in_all()
    if shell.gsp == "sandbox":
        assert shell.run("gstr2b", "regenerate", *WHOM, "--yes", *QUICK).code == 0
        assert [one.gstin for one in shell.sim.returns.regenerations] == [shell.gstin]
    assert due() == []
    shell.monkeypatch.setenv("IMS_BASE_URL", address)
    assert due() == [shell.gstin]
    pulled = shell.pulled("again.csv")
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "s.json").code == 0
    files = shell.run("gstr2b", "compare", pulled, "--statement", "s.json", "--json").json()
    assert files["recompute_due"]["gstins"] == [shell.gstin]


def test_the_period_is_that_of_the_statements_of_those_who_are_meant(shell: Shell) -> None:
    """Not of another file in their folder; of several periods each that differs is named."""
    first, *others = sorted(shell.sim.gstins)
    assert shell.run("gstr2b", "pull", *WHOM, *shell.named(), "--out", "s/", "--format", "json").code == 0
    words = ("--period", "122024", "--gstin", first, "--out", f"s/{first}.json", "--overwrite")
    assert shell.run("gstr2b", "pull", *words).code == 0
    ended = shell.run("gstr2b", "compare", "--statement", "s/", "--gstin", others[0], "--json", *QUICK)
    assert (ended.code, ended.json()["period"]) == (0, PERIOD), ended.err
    ended = shell.run("gstr2b", "compare", "--statement", "s/", *WHOM, "--json", *QUICK)
    assert (ended.code, list(ended.json()["taxpayers"])) == (1, [first, *others])
    assert f"{first}.json is the GSTR-2B for 122024, not for {PERIOD} (--period says which)" in ended.err


def test_one_that_has_no_record_in_ims_is_compared_from_its_file(shell: Shell) -> None:
    """What its statement has is found all the same."""
    acme = shell.gstin
    file = shell.pulled_all("all/") / f"{acme}.csv"
    file.write_text(file.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")
    assert shell.run("gstr2b", "pull", *WHOM, "all/", "--out", "s/", "--format", "json").code == 0
    ended = shell.run("gstr2b", "compare", "all/", "--statement", "s/", "--json")
    assert sorted(ended.json()["taxpayers"]) == sorted(shell.sim.gstins)
    assert ended.code == 0, ended.err
    kinds = ended.json()["taxpayers"][acme]["kinds"]
    assert "reversal" in kinds
    assert "counted" not in kinds
    alone = shell.run("gstr2b", "pull", *WHOM, file, "--out", "a.json", "--json")
    assert (alone.code, list(alone.json()["taxpayers"])) == (0, [acme]), alone.err


def test_what_was_compared_before_the_account_was_used_up_is_kept(shell: Shell) -> None:
    """The others are named."""
    acme, *others = shell.sim.gstins
    shell.sim.script_fault("gstr2b", Fault.spent(), gstin=others[0])
    words = (*WHOM, *shell.named(), "--concurrency", 1, "--out", "c.csv", *QUICK)
    ended = shell.run("gstr2b", "compare", *words)
    assert (ended.code, f"2 taxpayers skipped: {', '.join(others)}." in ended.out) == (1, True), ended.err
    assert {row["GSTIN"] for row in read_rows(shell.here / "c.csv")} == {acme}


def test_a_statement_that_is_missing_is_said_with_its_option(shell: Shell) -> None:
    """Of the two that there are."""
    (shell.here / "e").mkdir()
    assert shell.run("gstr2b", "pull", *WHOM, "--out", "s.json").code == 0
    (shell.here / "e" / f"{shell.sim.gstins[1]}.json").write_bytes((shell.here / "s.json").read_bytes())
    words = ("gstr2b", "compare", *WHOM, "--statement", "e/", *QUICK)
    ended = shell.run(*words, "--gstin", shell.gstin)
    assert (ended.code, "among the files of --statement" in ended.err) == (1, True), ended.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no GSTR-2B of {gstin} among the files of --before"),
        ("{\0", "e/{gstin}.json row 1: it holds NUL bytes, so it is not a text file; {again}"),
        ("", "e/{gstin}.json is empty: {again}"),
        ("half", "e/{gstin}.json is damaged: {again}"),
        (
            "hello",
            "e/{gstin}.json is no GSTR-2B: name the .json file that `gstr2b pull` wrote, or GSTN's own",
        ),
    ],
)
@pytest.mark.parametrize("offline", [True, False])
def test_without_an_earlier_statement_it_is_compared_all_the_same(
    shell: Shell, text: str | None, told: str, offline: bool
) -> None:
    """With a warning; the others have theirs, and nobody is skipped. The exit code does not change."""
    acme, beta = shell.gstin, shell.sim.gstins[1]
    said = told.format(gstin=acme, again="pull the GSTR-2B into it again, with `gstr2b pull`")
    named = ("--gstin", acme, "--gstin", beta)
    assert shell.run("gstr2b", "pull", *WHOM, *named, "--out", "e/", "--format", "json").code == 0
    assert shell.run("pull", *named, "--out", "all.csv").code == 0
    spoilt = shell.here / "e" / f"{acme}.json"
    whole = spoilt.read_text()
    (shell.here / "s").mkdir()
    for gstin in (acme, beta):
        (shell.here / "s" / f"{gstin}.json").write_text((shell.here / "e" / f"{gstin}.json").read_text())
    if text is None:
        spoilt.unlink()
    else:
        spoilt.write_text(whole[: len(whole) // 2] if text == "half" else text)
    how = ("all.csv", "--statement", "s/") if offline else named
    ended = shell.run("gstr2b", "compare", *WHOM, *how, "--before", "e/", "--json", *QUICK)
    assert ended.code == 0, ended.err
    assert f"{acme} is compared without --before: {said}" in ended.err.splitlines()
    facts = ended.json()
    assert facts["without_before"] == {acme: said}
    before = {gstin: one.get("credit_before") is not None for gstin, one in facts["taxpayers"].items()}
    assert before == {acme: False, beta: True}


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_what_is_written_beside_the_files_of_a_pull_is_passed_over(shell: Shell, ending: str) -> None:
    """A comparison, statements, and what came of them: in the folder of the records that are pushed."""
    pytest.importorskip({"xlsx": "xlsxwriter", "parquet": "pyarrow"}.get(ending, "csv"))
    folder = shell.pulled_all("all/")
    fill_in(folder / f"{shell.gstin}.csv", lambda row: "R" if row["action when pulled"] != "R" else "")
    words = (*WHOM, *shell.named(), "--out")
    assert shell.run("gstr2b", "compare", *words, f"all/compared.{ending}", *QUICK).code == 0
    assert shell.run("gstr2b", "pull", *words, f"all/statements.{ending}").code == 0
    ended = shell.run("push", "all/", "--yes", *QUICK)
    assert ended.code == 0, ended.err
    assert f"2 reports passed over: all/compared.{ending}, all/statements.{ending}" in ended.err

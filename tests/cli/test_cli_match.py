"""`match`: the sheets of a pull against the purchase register, offline; push takes what it writes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from tests.cli.cli_shell import QUICK, Shell, fill_in, read_rows, write_rows

HEADINGS = ("GSTIN", "Bill No", "Bill Date", "Taxable Value", "IGST", "CGST", "SGST", "Cess", "Type")
HEADS = ("taxable value", "IGST", "CGST", "SGST", "cess")


def write_register(
    file: Path, rows: Sequence[dict[str, str]], change: Callable[[int, dict[str, str]], None] | None = None
) -> Path:
    """Write what books have of these rows of a sheet."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(HEADINGS)
        for place, one in enumerate(rows):
            row = dict(one)
            if change is not None:
                change(place, row)
            kind = "Credit Note" if "cn" in row["section"] else "Purchase"
            amounts = (row[head] for head in HEADS)
            writer.writerow([row["supplier"], row["number"], row["date"], *amounts, kind])
    return file


def open_rows(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The rows that nobody has acted on."""
    return [row for row in rows if row["action when pulled"] == "N"]


def tax(row: dict[str, str]) -> Decimal:
    """The tax of a row, less than nothing for a credit note."""
    rupees = sum((Decimal(row[head]) for head in HEADS[1:]), Decimal(0))
    return -rupees if row["section"] in ("b2bcn", "b2bcna") else rupees


def test_what_is_written_is_checked_and_pushed_as_it_stands(shell: Shell) -> None:
    """Matched records are accepted, with the ITC reduction that a credit note needs; the rest is left."""
    folder = shell.pulled_all("november/")
    files = sorted(folder.iterdir())
    before = {file.name: read_rows(file) for file in files}
    rows = [row for own in before.values() for row in own]

    def change(place: int, row: dict[str, str]) -> None:
        if place % 5 == 0:
            row["taxable value"] = str(Decimal(row["taxable value"]) + 700)
        row["number"] = row["number"].lower().replace("/", " - ")

    register = write_register(shell.here / "purchases.csv", rows[::2], change)
    ended = shell.run("match", folder, "--register", register)
    assert ended.code == 0, ended.err
    assert f"Matching {len(rows)} records with {len(rows[::2])} entries of the books." in ended.err
    assert f"then `ims-async check {folder}`." in ended.out
    written = {file.name: read_rows(file) for file in files}
    decided = [row for own in written.values() for row in own if row["action"]]
    assert decided
    for row in (row for own in written.values() for row in own):
        assert row["reason"].endswith(".")
        assert row["action"] in ("", "A")
        assert bool(row["ITC reduction"]) >= (row["action"] == "A" and row["section"] == "b2bcn")
        assert row["book entry"] or "othing in the books" in row["reason"]
    assert any(row["difference"] == "taxable value +700.00" for own in written.values() for row in own)
    for name, own in before.items():
        kept = [{column: row[column] for column in own[0]} for row in written[name]]
        ours = ("action", "ITC reduction")
        assert [{**row, **dict.fromkeys(ours)} for row in kept] == [
            {**row, **dict.fromkeys(ours)} for row in own
        ]
    assert shell.run("check", folder).code == 0
    pushed = shell.run("push", folder, "--yes", "--json", *QUICK)
    assert (pushed.code, pushed.json()["ok"]) == (0, True), pushed.err


def test_a_dry_run_shows_figures_and_writes_nothing(shell: Shell) -> None:
    """By outcome, kind and section, in rupees; and the largest suppliers."""
    file = shell.pulled()
    before, rows = file.read_bytes(), read_rows(file)
    register = write_register(shell.here / "purchases.csv", rows[:20])
    options = ("--register", register, "--dry-run")
    ended = shell.run("match", file, *options)
    assert (ended.code, file.read_bytes()) == (0, before)
    assert "Nothing was written." in ended.out
    assert "the largest suppliers" in ended.out
    facts = shell.run("match", file, *options, "--json").json()
    assert (facts["ok"], facts["written"], facts["records"]) == (True, [], len(rows))
    assert sum(one["records"] for one in facts["outcomes"]) == len(rows)
    total = sum(Decimal(str(one["itc"])) for one in facts["outcomes"])
    assert round(total, 2) == sum(map(tax, rows))
    assert 0 < len(facts["largest_suppliers"]) <= 10
    counts: Counter[str] = Counter()
    for one in facts["outcomes"]:
        counts[one["outcome"]] += one["records"]
    assert counts["acted on"] == len(rows) - len(open_rows(rows)) - sum(
        row["action when pulled"] == "P" for row in rows
    )
    assert f"{counts['leave']:,} are left to you" in ended.out


def test_what_a_person_typed_is_kept(shell: Shell) -> None:
    """Action, remarks and other columns; with --overwrite-actions the action is decided anew."""
    file = shell.pulled()
    fill_in(file, lambda row: "p" if row["section"] == "b2b" else "")
    rows = read_rows(file)
    for row in rows:
        row |= {"my notes": "ask Ravi", "remarks": "by hand" if row["section"] == "b2b" else ""}
    write_rows(file, rows)
    register = write_register(shell.here / "purchases.csv", rows)
    assert shell.run("match", file, "--register", register).code == 0
    written = read_rows(file)
    assert list(written[0]) == [
        *list(rows[0])[:7], "match", "reason", "book entry", "difference", *list(rows[0])[7:]
    ]  # fmt: skip
    assert {row["my notes"] for row in written} == {"ask Ravi"}
    own = [row for row in written if row["section"] == "b2b"]
    assert {(row["action"], row["remarks"]) for row in own} == {("p", "by hand")}
    assert shell.run("match", file, "--register", register, "--overwrite-actions").code == 0
    again = read_rows(file)
    assert list(again[0]) == list(written[0])
    assert {row["action"] for row in open_rows(again) if row["supplier filed"] == "yes"} == {"A"}
    assert {
        row["action"] for row in again if row["section"] == "b2b" and row["action when pulled"] == "A"
    } <= {"p"}


def test_a_policy_decides(shell: Shell) -> None:
    """Rejections and pending ones get remarks for the supplier, in a file of their own."""
    file = shell.pulled()
    rows = read_rows(file)
    policy = shell.here / "firm.toml"
    policy.write_text('[kinds]\n"not in books" = "reject"\n"value differs" = "pending"\n', encoding="utf-8")

    def change(_: int, row: dict[str, str]) -> None:
        row["taxable value"] = str(Decimal(row["taxable value"]) + 700)

    register = write_register(shell.here / "purchases.csv", rows[::2], change)
    options = ("--register", register, "--policy", policy, "--out", "decided/")
    ended = shell.run("match", file, *options)
    assert ended.code == 0, ended.err
    assert read_rows(file) == rows
    written = open_rows(read_rows(shell.here / "decided" / file.name))
    rejected = [row for row in written if row["action"] == "R"]
    assert rejected
    assert {row["remarks"] for row in rejected if row["remarks allowed"] != "no"} == {"Not in our books."}
    assert {row["remarks"] for row in written if row["action"] == "P"} == {
        "The value differs from our books."
    }
    assert shell.run("check", "decided/").code == 0
    again = shell.run("match", file, *options)
    assert (again.code, "--overwrite" in again.err) == (2, True)
    assert shell.run("match", file, *options, "--overwrite").code == 0


def test_each_taxpayer_has_books_of_its_own(shell: Shell) -> None:
    """In a folder of registers by GSTIN; a taxpayer without one is skipped by name, its file as it was.

    Where none is there nothing is matched.
    """
    folder = shell.pulled_all("november/")
    books = shell.here / "books"
    books.mkdir()
    for gstin in shell.sim.gstins:
        write_register(books / f"{gstin}.csv", read_rows(folder / f"{gstin}.csv"))
    ended = shell.run("match", folder, "--register", books, "--json")
    assert ended.code == 0, ended.err
    kinds = {one["kind"] for one in ended.json()["outcomes"]}
    assert kinds <= {"matched", "ambiguous"}
    (books / f"{shell.gstin}.csv").unlink()
    before = {file: file.read_bytes() for file in folder.iterdir()}
    other = shell.sim.gstins[1]
    with_report = ("--register", books, "--report", "left-out.csv", "--overwrite")
    for command in (("match", folder, "--overwrite-actions"), ("followup", folder, "--out", "out.csv")):
        missing = shell.run(*command, *with_report)
        assert missing.code == 1, missing.err
        no_register = f"{shell.gstin} is skipped: there is no {shell.gstin}.csv, .xlsx or .parquet in {books}"
        assert no_register in missing.err
        assert f"1 taxpayer skipped: {shell.gstin}." in missing.out
        (left_out,) = read_rows(shell.here / "left-out.csv")
        assert (left_out["outcome"], left_out["GSTIN"]) == ("left out", shell.gstin)
        facts = shell.run(*command, *with_report, "--json").json()
        assert (facts["ok"], facts["skipped"]) == (False, [shell.gstin])
    assert {row["GSTIN"] for row in read_rows(shell.here / "out.csv")} == {other}
    ended = shell.run("match", folder, "--register", books, "--out", "decided/")
    assert (ended.code, "Written: 1 file." in ended.out) == (1, True)
    assert [file.name for file in (shell.here / "decided").iterdir()] == [f"{other}.csv"]
    assert (folder / f"{shell.gstin}.csv").read_bytes() == before[folder / f"{shell.gstin}.csv"]
    (books / f"{other}.csv").unlink()
    ended = shell.run("match", folder, "--register", books)
    assert (ended.code, ended.err.count("is skipped: there is no")) == (2, 2)


def test_one_of_many_registers_may_lack_columns_of_the_map(shell: Shell) -> None:
    """Its other headings are known, which is said; one that has others which may be meant is refused."""
    folder, books = shell.pulled_all("november/"), shell.here / "books"
    books.mkdir()
    first, second = (books / f"{gstin}.csv" for gstin in shell.sim.gstins)
    for file in (first, second):
        write_register(file, read_rows(folder / file.name))

    def rename(file: Path, *names: tuple[str, str]) -> None:
        head, rest = file.read_text(encoding="utf-8").split("\n", 1)
        for old, new in names:
            head = head.replace(old, new, 1)
        file.write_text(f"{head}\n{rest}", encoding="utf-8")

    rates = ("IGST,", "Input IGST @ 18%,"), ("Type", "Type,Input IGST @ 12%")
    rename(first, ("Taxable Value", "Purchase GST"), *rates)
    rename(second, rates[0])
    text = 'taxable_value = "Purchase GST"\nigst = ["Input IGST @ 18%", "Input IGST @ 12%"]\n'
    (shell.here / "map.toml").write_text(text, encoding="utf-8")
    options = ("--columns", "map.toml", "--dry-run")
    lacks = f"which {second} does not have: it is read by"
    for by in ("the others of the map", "the headings that are known"):
        ended = shell.run("match", folder, "--register", books, *options, "--json")
        assert ended.code == 0, ended.err
        assert {one["kind"] for one in ended.json()["outcomes"]} <= {"matched", "ambiguous"}
        assert f"names 'Purchase GST' for taxable_value, {lacks} the headings that are known." in ended.err
        assert f"'Input IGST @ 12%' for igst, {lacks} {by}." in ended.err
        rename(second, ("Input IGST @ 18%", "IGST"))
    rename(second, ("IGST", "Input IGST @ 18%"), ("Cess", "IGST 5%"))
    for register in (books, second):
        refused = shell.run("match", folder, "--register", register, *options)
        assert (refused.code, f"{second}: no column for taxable_value, igst; " in refused.err) == (2, True)
        assert "it has no 'Input IGST @ 12%', which is named for igst" in refused.err
        assert 'igst = ["Input IGST @ 18%", "IGST 5%"]' in refused.err
    rename(second, ("IGST 5%", "Cess"))
    assert shell.run("match", folder, "--register", second, *options).code == 2  # the only one


def test_the_register_may_lie_among_the_sheets_and_bring_a_map_of_columns(shell: Shell) -> None:
    """It is no sheet; its own headings are named in TOML."""
    folder = shell.pulled_all("november/")
    rows = read_rows(folder / f"{shell.gstin}.csv")
    register = write_register(folder / "purchases.csv", rows)
    text = register.read_text(encoding="utf-8").replace("Bill No", "Beleg")
    register.write_text(text, encoding="utf-8")
    ended = shell.run("match", folder, "--register", register, "--dry-run")
    assert (ended.code, "no column for number" in ended.err) == (2, True)
    assert "number = 'Bill No', and pass --columns FILE" in ended.err
    (shell.here / "map.toml").write_text('number = "Beleg"\n', encoding="utf-8")
    assert shell.run("match", folder, "--register", register, "--columns", "map.toml", "--dry-run").code == 0


def test_columns_by_rates_are_named_as_they_are_written_into_the_map(shell: Shell) -> None:
    """The advice has the very headings that were found: copied, it is a map that fits."""
    file = shell.pulled()
    register = write_register(shell.here / "purchases.csv", read_rows(file))
    text = register.read_text(encoding="utf-8")
    headings = 'Purchase @ 18%,"Input ""IGST"" @ 18%",CGST,SGST,Input IGST @ 12%'
    register.write_text(text.replace("Taxable Value,IGST,CGST,SGST,Cess", headings), encoding="utf-8")
    ended = shell.run("match", file, "--register", register)
    lines = ['taxable_value = "Purchase @ 18%"', r'igst = ["Input \"IGST\" @ 18%", "Input IGST @ 12%"]']
    assert ended.code == 2
    assert f"for example a line each: {'; '.join(lines)}, and pass --columns FILE" in ended.err
    (shell.here / "map.toml").write_text("\n".join(lines), encoding="utf-8")
    ended = shell.run("match", file, "--register", register, "--columns", "map.toml", "--dry-run")
    assert ended.code == 0, ended.err


def test_an_amount_that_cannot_be_read_is_named(shell: Shell) -> None:
    """By file, row and column; nothing is written."""
    file = shell.pulled()
    rows = read_rows(file)
    register = write_register(shell.here / "purchases.csv", rows)
    rows[3]["IGST"] = "1.2E+05"
    write_rows(file, rows)
    before = file.read_bytes()
    ended = shell.run("match", file, "--register", register)
    assert (ended.code, file.read_bytes()) == (2, before)
    assert f"{file} row 5, column IGST: there is no amount in it that can be read" in ended.err


def test_titles_and_the_delimiter_of_a_sheet_stay(shell: Shell) -> None:
    """As a spreadsheet of another country saves it."""
    file = shell.pulled()
    rows = read_rows(file)
    register = write_register(shell.here / "purchases.csv", rows)
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write("November\r\n\r\n")
        writer = csv.writer(out, delimiter=";")
        writer.writerow(rows[0])
        writer.writerows(row.values() for row in rows)
    assert shell.run("match", file, "--register", register).code == 0
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    assert (lines[0], lines[2].split(";")[:2]) == ("November", ["GSTIN", "section"])
    assert len(lines) == len(rows) + 3
    assert shell.run("check", file).code == 0


def test_pending_records_are_decided_again_and_an_itc_reduction_that_was_typed_stays(shell: Shell) -> None:
    """Unless they would be kept pending once more; a typed reduction means that a person wants to accept."""
    file = shell.pulled()
    rows = read_rows(file)
    register = write_register(shell.here / "purchases.csv", [row for row in rows if row["section"] != "b2b"])
    notes = [row for row in rows if row["section"] == "b2bcn" and row["action when pulled"] == "N"]
    invoices = [row for row in rows if row["section"] == "b2b" and row["action when pulled"] == "N"]
    notes[0]["ITC reduction"] = "none"
    invoices[0]["ITC reduction"] = "none"
    invoices[1]["action when pulled"] = "P"
    invoices[2]["action when pulled"] = "R"
    write_rows(file, rows)
    policy = shell.here / "firm.toml"
    for word, again in (("reject", "R"), ("pending", "")):
        policy.write_text(f'not_filed = "accept"\n[kinds]\n"not in books" = "{word}"\n', encoding="utf-8")
        options = ("--register", register, "--policy", policy, "--out", f"{word}.csv")
        assert shell.run("match", file, *options).code == 0
        written = {(row["section"], row["hash"]): row for row in read_rows(shell.here / f"{word}.csv")}
        note, typed, pending, rejected = (
            written[row["section"], row["hash"]] for row in (notes[0], *invoices[:3])
        )
        assert note["ITC reduction"] == "none"
        assert (typed["action"], typed["ITC reduction"]) == ("", "none")
        assert (pending["action"], rejected["action"]) == (again, "")
        assert rejected["reason"].startswith("It is rejected already; nothing in the books is like")


def test_several_files_become_no_single_one(shell: Shell) -> None:
    """Nor two of one name; a folder without a sheet has nothing to match."""
    folder = shell.pulled_all("november/")
    register = write_register(shell.here / "purchases.csv", read_rows(folder / f"{shell.gstin}.csv"))
    ended = shell.run("match", folder, "--register", register, "--out", "one.csv")
    assert (ended.code, "name a folder, --out one.csv/" in ended.err) == (2, True)
    (shell.here / "empty").mkdir()
    ended = shell.run("match", "empty", "--register", register)
    assert (ended.code, "file of decisions" in ended.err) == (2, True)


def test_what_is_wrong_with_a_register_is_written_to_a_report(shell: Shell) -> None:
    """All of it, by row; but not over a file that is read or written."""
    file = shell.pulled()
    rows = read_rows(file)
    bad = [{**row, "date": "soon"} for row in rows[:6]]
    register = write_register(shell.here / "purchases.csv", bad)
    before = file.read_bytes()
    for command in (("match", file), ("followup", file, "--out", "out.csv")):
        ended = shell.run(*command, "--register", register)
        assert (ended.code, "--report FILE and --json have all of them." in ended.err) == (2, True)
        ended = shell.run(*command, "--register", register, "--report", "wrong.csv", "--overwrite")
        assert (ended.code, "All of it is in wrong.csv." in ended.err) == (2, True)
        wrong = read_rows(shell.here / "wrong.csv")
        assert [(row["file"], row["row"]) for row in wrong] == [(str(register), str(n)) for n in range(2, 8)]
        for mine in (file, register):
            ended = shell.run(*command, "--register", register, "--report", mine, "--overwrite")
            assert (ended.code, "name another file for --report" in ended.err) == (2, True)
    assert file.read_bytes() == before
    assert read_rows(register)[0]["Bill Date"] == "soon"

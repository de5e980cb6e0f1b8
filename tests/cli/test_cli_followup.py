"""`followup`: a line for each supplier, with what is to be asked of it; offline."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.cli_shell import Shell, fill_in, read_rows, write_rows
from tests.cli.test_cli_match import write_register

TOPICS = ("rejected", "pending", "differs", "not filed", "only in books")


def test_each_supplier_has_a_line(shell: Shell) -> None:
    """What is rejected and pending by the files, what is not filed; each document once."""
    folder = shell.pulled_all("november/")
    for file in folder.iterdir():
        fill_in(file, lambda row: {"b2b": "R", "ecom": "P"}.get(row["section"], ""))
        write_rows(file, [{**row, "remarks": "'- 3 boxes"} for row in read_rows(file)])
    ended = shell.run("followup", folder, "--out", "followup.csv")
    assert ended.code == 0, ended.err
    rows = [row for file in sorted(folder.iterdir()) for row in read_rows(file)]
    lines = read_rows(Path("followup.csv"))
    assert len({(line["GSTIN"], line["supplier"]) for line in lines}) == len(lines)
    acts = [row["action"] or row["action when pulled"] for row in rows]
    unfiled = [
        row for row, act in zip(rows, acts, strict=True) if act in "AN" and row["supplier filed"] == "no"
    ]
    expected = {"rejected": acts.count("R"), "pending": acts.count("P"), "not filed": len(unfiled)}
    counts = {topic: sum(int(line[topic]) for line in lines) for topic in TOPICS}
    assert counts == {**dict.fromkeys(TOPICS, 0), **expected}
    assert f"{len(lines)} suppliers in followup.csv" in ended.out
    line = next(line for line in lines if int(line["rejected"]))
    number = line["rejected documents"].partition(" of ")[0]
    assert number in line["message"]
    assert "rupees): - 3 boxes" in line["message"]
    assert line["message"].startswith("We have rejected these documents in IMS")
    again = shell.run("followup", folder, "--out", "followup.csv")
    assert (again.code, "--overwrite" in again.err) == (2, True)


@pytest.mark.parametrize("matched_before", [False, True])
def test_the_books_say_what_differs_and_what_is_missing(shell: Shell, matched_before: bool) -> None:
    """By the register; or by what match has written, which knows nothing of what is only in the books."""
    file = shell.pulled()
    rows = [row for row in read_rows(file) if row["section"] == "b2b"]
    extra = {**rows[0], "number": "ONLY-987", "taxable value": "4321.00"}

    def change(place: int, row: dict[str, str]) -> None:
        if place < 5:
            row["taxable value"] = str(Decimal(row["taxable value"]) + 700)

    register = write_register(shell.here / "purchases.csv", [*rows, extra], change)
    books = ("--register", register)
    if matched_before:
        assert shell.run("match", file, *books).code == 0
    before = file.read_bytes()
    options = () if matched_before else books
    facts = shell.run("followup", file, "--out", "followup.csv", *options, "--json").json()
    assert (facts["ok"], file.read_bytes()) == (True, before)
    assert facts["topics"]["differs"]["documents"] > 0
    assert facts["topics"]["only in books"]["documents"] == (0 if matched_before else 1)
    lines = read_rows(Path("followup.csv"))
    assert any("taxable value +700.00" in line["differs documents"] for line in lines)
    missing = [line for line in lines if line["only in books"] != "0"]
    assert [line["supplier"] for line in missing] == ([] if matched_before else [extra["supplier"]])
    for line in missing:
        assert line["only in books documents"].startswith("ONLY-987 of ")


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_each_customer_has_a_line(shell: Shell, suffix: str) -> None:
    """From a file of all sections of a month; what is accepted or deleted is in order."""
    sales = f"sales.{suffix}"
    assert shell.run("sales", 2024, 10, "--out", sales).code == 0
    documents = shell.run("sales", 2024, 10, "--json").json()["documents"]
    assert {one["section"] for one in documents} == {"b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma"}
    ended = shell.run("followup", "--sales", sales, "--out", "customers.csv", "--json")
    assert ended.code == 0, ended.err
    facts, lines = ended.json(), read_rows(Path("customers.csv"))
    live = [one for one in documents if not one["deleted"]]
    for action, topic in (
        ("R", "rejected by customer"), ("P", "pending at customer"), ("N", "no action"),
    ):  # fmt: skip
        expected = sum(one["action"] == action for one in live)
        assert facts["topics"][topic]["documents"] == expected > 0
        assert sum(int(line[topic]) for line in lines) == expected
    assert facts["customers"] == len(lines)
    assert [*lines[0]][:3] == ["GSTIN", "customer", "rejected by customer"]
    assert {line["GSTIN"] for line in lines} == {shell.gstin}
    assert {line["customer"] for line in lines} <= {one["recipient"] for one in live}
    limit = max(Decimal(str(one["value"])) for one in live if one["action"] == "N")
    large = shell.run(
        "followup", "--sales", sales, "--out", "customers.csv", "--overwrite", "--above", limit, "--json"
    ).json()
    assert large["topics"]["no action"]["documents"] == 0
    assert large["topics"]["rejected by customer"] == facts["topics"]["rejected by customer"]


def test_it_is_one_side_or_the_other(shell: Shell) -> None:
    """Neither, both, another taxpayer's sales, no amount, or a file of another kind: nothing is written."""
    file, other = shell.pulled(), shell.sim.gstins[1]
    assert shell.run("sales", 2024, 10, "--section", "b2b", "--out", "sales.csv").code == 0
    for words, said in (
        ((), "name files that pull wrote"),
        ((file, "--sales", "sales.csv"), "name files that pull wrote"),
        (("--sales", file), "is no file of sales"),
        (("--sales", "sales.csv", "--above", "much"), "--above: 'much' is not an amount"),
        (("--sales", "sales.csv", "--gstin", other), f"leave out --gstin {other}"),
    ):
        ended = shell.run("followup", *words, "--out", "out.csv")
        assert (ended.code, said in ended.err) == (2, True), ended.err
    assert not Path("out.csv").exists()


def test_a_period_without_its_zero_is_no_hindrance(shell: Shell) -> None:
    """As a spreadsheet leaves it in a CSV file; one that cannot be read is named."""
    file = shell.pulled()
    rows = read_rows(file)
    for row in rows:
        row["return period"] = row["return period"].lstrip("0")
    write_rows(file, rows)
    facts = shell.run("followup", file, "--out", "followup.csv", "--json").json()
    unfiled = [row for row in rows if row["supplier filed"] == "no" and row["action when pulled"] in "AN"]
    assert facts["topics"]["not filed"]["documents"] == len(unfiled)
    rows[3]["return period"] = "1225"
    write_rows(file, rows)
    ended = shell.run("followup", file, "--out", "other.csv")
    assert (ended.code, "row 5, column return period" in ended.err) == (2, True)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_what_followup_and_sales_wrote_is_passed_over_in_a_folder(shell: Shell, suffix: str) -> None:
    """By check, match and followup; named by itself it is refused, and --sales finds it in a folder."""
    folder = shell.pulled_all("november/")
    register = write_register(shell.here / "purchases.csv", read_rows(folder / f"{shell.gstin}.csv"))
    names = [folder / f"{name}.{suffix}" for name in ("customers", "sales", "suppliers")]
    customers, sales, suppliers = names
    assert shell.run("sales", 2024, 10, "--out", "sales.csv").code == 0
    assert shell.run("sales", 2024, 10, "--out", sales).code == 0
    assert shell.run("followup", "--sales", "sales.csv", "--out", customers).code == 0
    assert shell.run("followup", folder, "--out", suppliers).code == 0
    said = f"3 reports passed over: {', '.join(map(str, names))}"
    for command in (
        ("match", folder, "--register", register),
        ("check", folder),
        ("followup", folder, "--out", "out.csv"),
    ):
        ended = shell.run(*command)
        assert (ended.code, said in ended.err) == (0, True), ended.err
    assert shell.run("check", suppliers).code == 2
    only = shell.here / "only"
    only.mkdir()
    (only / "sales.csv").write_bytes(Path("sales.csv").read_bytes())
    assert shell.run("followup", "--sales", only, "--out", "again.csv").code == 0

"""Files of decisions and the offline checks: the fields of a record in a file, and what a match refuses."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import attrs
import pytest

from ims_async import Action, InvalidInput, RulePolicy, Section, tables
from ims_async.rules import RULES, Level
from tests.support.rule_cases import GOOD, note, of

READ = attrs.evolve(GOOD, hash="a", read_from_gateway=True)


def lines(*cells: Mapping[str, str], columns: int | None = None) -> io.StringIO:
    """A pulled file of the good record, each line with other cells; only the first `columns`."""
    pulled, file = io.StringIO(), io.StringIO()
    tables.write_invoices(pulled, [READ])
    header, line = csv.reader(io.StringIO(pulled.getvalue(), newline=""))
    writer = csv.writer(file)
    writer.writerow(header)
    for changed in cells:
        row = {**dict(zip(header, line, strict=True)), "action": "A", **changed}
        writer.writerow(list(row.values())[:columns])
    return io.StringIO(file.getvalue(), newline="")


def found(file: io.StringIO) -> list[tuple[int | None, str]]:
    """Place and code of each finding on a file."""
    rows = tables.read_with_information(file)
    return [(finding.place, finding.code) for finding in tables.check_rows(rows)]


def test_a_row_is_read_with_what_its_information_columns_hold() -> None:
    """By the columns' names; a formula's apostrophe is taken off; cells left out at the end are empty."""
    (row, information), (_, short) = tables.read_with_information(
        lines({"supplier name": "'=A1", "IGST": "18"}, {"number": "2"}, columns=15)
    )
    assert (row.number, information["supplier name"], information["taxable value"]) == (
        GOOD.number,
        "=A1",
        "100",
    )
    assert (short["SGST"], set(short)) == ("", set(tables.INFORMATION_COLUMNS))


def test_cells_left_away_at_the_end_of_a_line_are_empty_ones() -> None:
    """Spreadsheets drop them: the taxes are not known, and an amendment's original is missing either way."""
    cells = [{"IGST": "9", "CGST": "9"}, {"number": "2", "section": "b2ba"}]
    amended = [(1, "original"), (1, "itc-reduction-unsaid")]
    assert found(lines(*cells, columns=14)) == amended
    assert found(lines(*cells)) == [(0, "tax-heads"), *amended]


def test_a_declared_reversal_is_compared_with_the_tax_in_the_file() -> None:
    """Where the file has it, and only there."""
    cells = {"section": "b2bcn", "ITC reduction": "igst=18.01", "remarks": "x"}
    assert found(lines(cells)) == [(0, "itc-reduction-amounts")]
    assert found(lines({**cells, "IGST": "eighteen"})) == []
    assert found(lines({**cells, "IGST": "18.01"})) == []


def test_a_match_refuses_by_the_policy_and_names_the_column() -> None:
    """Warnings are no problem, unless a policy makes them one."""
    rows = tables.read_decisions(lines({}))
    unfiled = attrs.evolve(READ, supplier_filed=False)
    (decision,) = tables.match(rows, [unfiled])
    assert (decision.invoice, decision.action) == (unfiled, Action.ACCEPT)
    with pytest.raises(InvalidInput, match="row 2: the supplier has not filed it"):
        tables.match(rows, [unfiled], policy=RulePolicy(levels={"not-filed": Level.REFUSE}))
    credit = note(hash="a", read_from_gateway=True)
    rows = tables.read_decisions(lines({"section": "b2bcn"}))
    with pytest.raises(InvalidInput, match="row 2, column ITC reduction: accepting a credit note"):
        tables.match(rows, [credit])
    assert tables.match(rows, [credit], policy=RulePolicy(levels={"itc-reduction-missing": "warn"}))


def test_a_match_can_refuse_a_file_as_a_whole() -> None:
    """An amendment and its original are named by row; a finding of no row names the file."""
    amendment = of(Section.B2BA, hash="a", number="9", original_number=GOOD.number, original_date=GOOD.date)
    rows = tables.read_decisions(lines({}, {"section": "b2ba", "number": "9", "ITC reduction": "none"}))
    policy = RulePolicy(levels={"amendment-order": "refuse"})
    with pytest.raises(InvalidInput, match="row 3: what it amends is in the same batch, as record 1"):
        tables.match(rows, [READ, amendment], policy=policy)


def test_every_column_named_for_a_rule_is_one_that_a_person_edits() -> None:
    """The rules named are those that there are."""
    columns = {tables.column_of(rule.code) for rule in RULES}
    assert columns == {None, "action", "remarks", "ITC reduction"}
    assert tables.column_of("itc-reduction-none") == "ITC reduction"


def test_rows_of_several_taxpayers_are_checked_apart() -> None:
    """The same supplier's number under two GSTINs is two records; each one's reminder is its own."""
    (first,) = tables.read_with_information(lines({}))
    other = (attrs.evolve(first[0], gstin="27AAACQ3770E1ZJ"), first[1])
    assert [one.code for one in tables.check_rows([first, other])] == []
    again = tables.check_rows([other, first, other])
    assert [(one.code, one.place) for one in again] == [("duplicate", 2)]

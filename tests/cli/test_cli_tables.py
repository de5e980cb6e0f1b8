"""Tables at a narrow terminal: what one copies stays whole, and an empty reason takes no place."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rich.table import Table

from ims_async import Decision, ImsError, ItcReduction, Section
from ims_async.bulk import BulkReport
from ims_async.bulk.accounts import accounts_of
from ims_async.bulk.from_files import Matched
from ims_async.cli.output.console import Console
from ims_async.cli.output.outcomes import accounts_table
from ims_async.cli.output.tables import itc_by_action, itc_table, table

from ..tables.test_tables import make_invoice

GSTIN = "29AAACQ3770E1ZF"
REFERENCE = "3f0b5fa0-7e54-4c7b-9b5a-3a1f0e9e7f11"
RUN = "20261129-110435-5152"
SINCE = "29-11-2026 10:22"
REASON = "we stopped waiting; the job runs on at the gateway"
COUNTS = ("applied", "refused", "unaccounted", "changed", "not sent", "pending")
TABLES = {
    "jobs": table(
        "jobs",
        ("run", "GSTIN", "kind", "reference", "phase", "records", "since", "next"),
        [(RUN, GSTIN, "save", REFERENCE, "ended, succeeded", 12, SINCE, f"push --run {RUN}")],
    ),
    "job": table("", ("job", "state", "submitted", *COUNTS), [(REFERENCE, "SUCCEEDED", 12, *range(6))]),
    "accounts": table("", ("GSTIN", *COUNTS, "reason"), [(GSTIN, *range(1000, 7000, 1000), REASON)]),
    "records": table(
        "",
        ("GSTIN", "section", "number", "period", "supplier", "code", "reason"),
        [(GSTIN, "b2bcna", "INV/2024-25/0001", "102024", GSTIN, "IMSSAV0054", REASON)],
    ),
}


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("name", TABLES)
def test_what_one_copies_stays_in_one_line(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GSTINs, references and runs, and a moment; nothing else is left out for it."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("ims_async.cli.output.console._PIPE_WIDTH", width)
    shown: Table = TABLES[name]
    whole = [str(cell) for column in shown.columns for cell in column.cells]
    Console().show(shown)
    said = capsys.readouterr().out
    for cell in whole:
        if cell in (GSTIN, REFERENCE, RUN, SINCE):
            assert cell in said
    together = "".join(said.split())
    assert len([letter for letter in together if letter.isalnum()]) >= sum(
        letter.isalnum() for cell in whole for letter in cell
    )


@pytest.mark.parametrize("reason", ["", REASON])
def test_an_empty_column_of_reasons_is_not_shown(reason: str) -> None:
    """It would take the place that the others need."""
    accounts = accounts_of(BulkReport(run="r"), Matched(skipped={GSTIN: ImsError()}), words=lambda *_: reason)
    headings = [str(column.header) for column in accounts_table(accounts).columns]
    assert headings == ["GSTIN", *COUNTS, *(["reason"] if reason else [])]


@pytest.mark.parametrize(
    ("reduction", "itc"),
    [
        (None, "-180.52"),
        (ItcReduction.full(), "-180.52"),
        (ItcReduction.partial(igst=Decimal("80.02")), "-80.02"),
        (ItcReduction.none(), "0"),
    ],
)
def test_an_accepted_credit_note_lowers_the_credit_by_what_it_gives_up(
    reduction: ItcReduction | None, itc: str
) -> None:
    """One that is rejected or pending shows its tax; an amendment counts whole."""
    note = make_invoice(section=Section.B2BCN)
    accepted = note.accept(itc_reduction=reduction)
    assert itc_by_action([accepted])["accept"] == Decimal(itc)
    both: list[Decision] = [accepted, make_invoice().accept(), note.reject(remarks="x")]
    assert itc_by_action(both) == {
        "accept": Decimal(itc) + Decimal("180.52"),
        "reject": Decimal("-180.52"),
        "pending": Decimal(0),
    }
    amended = make_invoice(section=Section.B2BA).accept()
    assert itc_by_action([amended])["accept"] == Decimal("180.52")
    assert "amendments count whole" in str(itc_table([amended]).title)
    assert "amendments" not in str(itc_table(both).title)

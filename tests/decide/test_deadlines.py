"""The dates of a period, against the public texts that set them."""

from __future__ import annotations

import datetime as dt

import pytest

from ims_async import InvalidInput, RulePolicy
from ims_async.decide import deadlines

from .books import ACME, day

# Rule 61(1) of the CGST Rules: monthly 20; quarterly 22 in the states of group 1 (codes 22 to 37), 24 in
# those of group 2. The draft on the 14th: rule 60(7). Pending: GSTN FAQ of 17-10-2025, with the first line.
TABLE = [
    ("102025", False, None, "14-11-25", "20-11-25", "20-12-25"),
    ("112026", False, None, "14-12-26", "20-12-26", "20-01-27"),
    ("122026", False, None, "14-01-27", "20-01-27", "20-02-27"),
    ("102026", False, "07", "14-11-26", "20-11-26", "20-12-26"),
    ("122025", True, "29", "14-01-26", "22-01-26", "22-04-26"),
    ("122025", True, ACME, "14-01-26", "22-01-26", "22-04-26"),
    ("032026", True, "22", "14-04-26", "22-04-26", "22-07-26"),
    ("032026", True, "37", "14-04-26", "22-04-26", "22-07-26"),
    ("062026", True, "01", "14-07-26", "24-07-26", "24-10-26"),
    ("062026", True, "21", "14-07-26", "24-07-26", "24-10-26"),
    ("092026", True, "38", "14-10-26", "24-10-26", "24-01-27"),
    ("092026", True, "07", "14-10-26", "24-10-26", "24-01-27"),
]


@pytest.mark.parametrize(("period", "quarterly", "state", "draft", "due", "until"), TABLE)
def test_the_dates_of_a_period(
    period: str, quarterly: bool, state: str | None, draft: str, due: str, until: str
) -> None:
    """Monthly and quarterly, by the group of the state."""
    found = deadlines(period, quarterly, state)
    assert found.pending_until is not None
    assert [found.draft.date, found.gstr3b.date, found.last_day.date, found.pending_until.date] == [
        day(draft), day(due), day(due), day(until),
    ]  # fmt: skip
    assert all(one.source for one in (found.draft, found.gstr3b, found.last_day, found.pending_until))
    assert ("61(1)(ii)" in found.gstr3b.source) == quarterly


def test_notes_could_not_be_pending_before_october_2025() -> None:
    """It is the period of GSTR-2B that decides."""
    assert deadlines("092025").pending_until is None


def test_days_are_counted_to_the_last_one() -> None:
    """And on after it."""
    found = deadlines("102026")
    assert [found.days_left(dt.date(2026, 11, one)) for one in (14, 20, 21)] == [6, 0, -1]


def test_a_notification_may_move_each_date() -> None:
    """The last day goes with GSTR-3B."""
    there = dt.date(2026, 11, 25)
    assert deadlines("102026", moved={"gstr3b": there}).last_day.date == there
    assert deadlines("102026", moved={"draft": there}).draft.date == there
    found = deadlines("102026", moved={"pending_until": there}).pending_until
    assert found is not None
    assert found.date == there
    assert deadlines("102026", moved={"gstr1": there}).gstr1.date == there
    assert deadlines("102026", moved={"gstr1_quarterly": there}).gstr1_quarterly.date == there
    with pytest.raises(InvalidInput, match="moved: 'gstr9' is unknown"):
        deadlines("102026", moved={"gstr9": there})
    with pytest.raises(InvalidInput, match="moved, draft: '25-11-2026' is no date"):
        deadlines("102026", moved={"draft": "25-11-2026"})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("period", "monthly", "quarterly"),
    [("102026", "11-11-26", "13-11-26"), ("122026", "11-01-27", "13-01-27")],
)
def test_suppliers_file_in_the_next_month(period: str, monthly: str, quarterly: str) -> None:
    """Notification 83/2020: GSTR-1 until the 11th, that of quarterly filers and IFF until the 13th."""
    found = deadlines(period)
    assert (found.gstr1.date, found.gstr1_quarterly.date) == (day(monthly), day(quarterly))


def test_once_gstr3b_is_filed_no_action_counts() -> None:
    """The same fact closes a period for the offline checks; it may be filed early or late."""
    filed = {"102026": dt.date(2026, 11, 18), "092026": dt.date(2026, 10, 25)}
    found = deadlines("102026", filed=filed)
    assert (found.last_day.date, found.gstr3b.date) == (filed["102026"], dt.date(2026, 11, 20))
    assert found.days_left(dt.date(2026, 11, 19)) == -1
    assert deadlines("092026", filed=filed).last_day.date == filed["092026"]
    assert deadlines("112026", filed=filed).last_day.date == dt.date(2026, 12, 20)
    assert RulePolicy(filed=filed).filed == set(filed)


@pytest.mark.parametrize(
    ("period", "state", "said"),
    [
        ("132026", "29", "is not a return period"),
        ("092024", "29", "is before IMS"),
        ("102026", "29", "is not the end of a quarter"),
        ("122026", None, "depends on it"),
        ("122026", "97", "depends on it"),
        ("122026", "99", "depends on it"),
        ("122026", ACME[:-1] + "A", "checksum"),
    ],
)
def test_what_has_no_dates_is_refused(period: str, state: str | None, said: str) -> None:
    """A wrong period, a month within a quarter, a state that is not known."""
    with pytest.raises(InvalidInput, match=said):
        deadlines(period, quarterly=True, state=state)

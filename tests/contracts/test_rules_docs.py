"""The document of the offline checks says what the rules say."""

from __future__ import annotations

import re
from pathlib import Path

from ims_async.rules import RULE_CHANGES, RULES

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")


def table(heading: str) -> list[str]:
    """The rows of the table under a heading of columns."""
    rows = TEXT.partition(f"{heading}\n|---")[2].partition("\n\n")[0].splitlines()[1:]
    assert rows
    return rows


def test_the_document_lists_all_rules_as_they_are() -> None:
    """Code, level, what should be so and source, in the order of the findings."""
    expected = [f"| `{rule.code}` | {rule.level} | {rule.summary} | {rule.source} |" for rule in RULES]
    assert table("| code | level | what should be so | source |") == expected


def test_the_document_lists_the_rules_that_came_later() -> None:
    """With the first GSTR-2B period that they hold for."""
    codes = [", ".join(f"`{code}`" for code in change.codes) for change in RULE_CHANGES]
    expected = [
        f"| {named} | {change.first_period} | {change.source} |"
        for named, change in zip(codes, RULE_CHANGES, strict=True)
    ]
    assert table("| rules | first period | source |") == expected


def test_each_of_the_25_checks_is_said_to_be_done_somewhere() -> None:
    """Every rule but the library's own belongs to one of them, and none is named that is not there."""
    rows = table("| check | where |")
    assert len(rows) == 25
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row.split("|")[2])}
    known = {rule.code for rule in RULES}
    own = {"record", "other-fields", "credit-note-rejected", "credit-note-and-invoice"}
    assert known - named == own
    assert named - known <= {"check", "push"}

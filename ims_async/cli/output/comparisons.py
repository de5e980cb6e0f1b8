"""What the comparison of IMS records with GSTR-2B found, of one taxpayer or of many: tables and facts."""

from __future__ import annotations

from typing import Any, Final

import attrs
from rich.table import Table

from ...decide import Compared, ComparedKind, ComparedTotal, Comparison
from ...decide.comparison.kinds import FOR_A_PERSON
from .grouping import MOST_OF_A_KIND, and_more, first_of_each
from .tables import MOST_ROWS, rupees, table

_SUMS: Final = ("tax", "credit", "expected", "difference")


@attrs.define
class ComparedTally:
    """The sums of comparisons, of which none is kept: by kind, by taxpayer, and the first findings."""

    totals: dict[ComparedKind, ComparedTotal] = attrs.field(factory=dict)
    first: dict[ComparedKind, list[tuple[str, Compared]]] = attrs.field(factory=dict)
    """Of each kind that needs a person, the first three of each taxpayer."""
    rows: dict[str, tuple[object, ...]] = attrs.field(factory=dict)
    due: list[str] = attrs.field(factory=list)
    """Whose GSTR-2B is older than the actions."""
    to_ask: dict[str, list[str]] = attrs.field(factory=dict)
    """By earlier period, for whom its GSTR-3B decides about what is missing, and is not known to be filed."""
    findings: int = 0
    """How many need a person."""

    def add(self, gstin: str, comparison: Comparison) -> dict[str, Any]:
        """Add one taxpayer's; return its facts."""
        findings, totals = comparison.findings, comparison.totals
        for kind, total in totals.items():
            own = self.totals.get(kind, ComparedTotal())
            self.totals[kind] = ComparedTotal(
                count=own.count + total.count,
                tax=own.tax + total.tax,
                credit=own.credit + total.credit,
                expected=own.expected + total.expected,
            )
        for own_kind, _ in first_of_each(findings, lambda one: one.kind):
            self.first.setdefault(own_kind[0].kind, []).extend((gstin, one) for one in own_kind)
        self.findings += len(findings)
        self.due += [gstin] if comparison.recompute_due else []
        if (period := comparison.filing_to_ask) is not None:
            self.to_ask.setdefault(period, []).append(gstin)
        sums = (comparison.credit, comparison.expected, comparison.difference)
        due = "due" if comparison.recompute_due else ""
        before = "" if comparison.credit_before is None else rupees(comparison.credit_before.total)
        self.rows[gstin] = (gstin, len(findings), before, *(rupees(one.total) for one in sums), due)
        facts = {name: value for name, value in comparison.to_dict().items() if name != "compared"}
        return {**facts, "findings": [one.to_dict() for one in findings]}

    def by_kind(self) -> Table:
        """Show how many there are of each kind, in rupees; those for a person first."""
        rows: list[tuple[object, ...]] = []
        for kind, total in self.totals.items():
            if total.count:
                who = "a person" if kind in FOR_A_PERSON else ""
                rows.append((str(kind), who, total.count, *_sums(total)))
        whole = sum(total.count for total in self.totals.values())
        sums = ComparedTotal()
        for total in self.totals.values():
            sums = attrs.evolve(
                sums,
                tax=sums.tax + total.tax,
                credit=sums.credit + total.credit,
                expected=sums.expected + total.expected,
            )
        columns = ("kind", "needs", "count", *_SUMS)
        total_row = ("all", "", whole, *_sums(sums))
        return table("records of IMS and documents of GSTR-2B, in rupees", columns, rows, total=total_row)

    def by_taxpayer(self) -> Table:
        """Show each taxpayer's credit; of very many those where something needs a person."""
        rows = sorted(self.rows.values(), key=lambda row: (not row[1], str(row[0])))
        cut = f", the first {MOST_ROWS} of {len(rows):,}" if len(rows) > MOST_ROWS else ""
        columns = ["GSTIN", "for a person", "before", "credit", "expected", "difference", "recompute"]
        if not any(row[2] for row in rows):
            columns, rows = columns[:2] + columns[3:], [row[:2] + row[3:] for row in rows]
        return table(f"by taxpayer, in rupees{cut}", columns, rows[:MOST_ROWS])

    def what_was_found(self) -> Table | None:
        """Show the first three of each kind that needs a person, with the reason."""
        many = len(self.rows) > 1
        rows: list[tuple[object, ...]] = []
        for kind in sorted(self.first, key=list(ComparedKind).index):
            named = sorted(self.first[kind], key=lambda one: one[0])[:MOST_OF_A_KIND]
            rows += ((*((gstin,) if many else ()), *_cells(one)) for gstin, one in named)
            if more := self.totals[kind].count - len(named):
                rows.append((*(("",) if many else ()), str(kind), "", "", and_more(more)))
        columns = (*(("GSTIN",) if many else ()), "kind", "supplier", "number", "reason")
        return table("for a person", columns, rows) if rows else None


def _sums(total: ComparedTotal) -> tuple[object, ...]:
    difference = total.credit - total.expected
    return tuple(rupees(one.total) for one in (total.tax, total.credit, total.expected, difference))


def _cells(one: Compared) -> tuple[object, ...]:
    its = one.invoice or one.document
    supplier, number = ("", "") if its is None else (its.supplier, its.number)
    return str(one.kind), supplier, number, one.reason

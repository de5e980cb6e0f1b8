"""The list of rules, each with its code, default level and public source.

The order is that of the findings. The first line of a rule's docstring is its summary: what should be so.
"GSTN" in a source is the Goods and Services Tax Network's own text, as re-published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from . import batch, reduction
from . import decision as decided
from . import document as forms
from . import identifiers as ids
from .context import Rule
from .finding import Level, Problem

_SAVE: Final = "GST API documentation, IMS - Save IMS Action"
_STATUS: Final = "GST API documentation, IMS - Get IMS Request Status"
_FAQ_2024: Final = "GSTN FAQ of 23-09-2024"
_FAQ_2025: Final = "GSTN FAQ of 17-10-2025"
_FAQ_CREDIT_NOTES: Final = "GSTN Additional FAQ of 17-10-2024; GSTN FAQ of 19-06-2025"
_OFFLINE_TOOL: Final = "GSTN IMS Offline Utility V1.1"
_ACT: Final = "CGST Act 2017, in force from 01-07-2017"
_OURS: Final = "no document: reasoning"


@attrs.frozen
class RuleChange:
    """Rules that apply from a GSTR-2B period (`MMYYYY`) on."""

    first_period: str
    codes: tuple[str, ...]
    source: str


RULE_CHANGES: Final = (
    RuleChange(
        "102025",
        ("pending-limit", "itc-reduction-missing", "itc-reduction-unsaid"),
        "GSTN advisory of 23-09-2025",
    ),
)
"""The rules with a first period; they do not apply to records of earlier GSTR-2B periods."""

_SINCE: Final = {code: change.first_period for change in RULE_CHANGES for code in change.codes}


def _rules(*rows: tuple[str, Level, str, Callable[[Any], Iterable[Problem | None]]]) -> tuple[Rule, ...]:
    return tuple(
        Rule(code, level, source, (see.__doc__ or "").partition("\n")[0], see, _SINCE.get(code))
        for code, level, source, see in rows
    )


_R, _W = Level.REFUSE, Level.WARN

# Rules are grouped by the fields that they read: `cache` keeps one result per group and set of fields.

FORM_RULES: Final = _rules(
    ("record", _R, _OURS, forms.record),
    ("section", _R, _SAVE, forms.section),
    ("previous-action", _R, _STATUS, forms.previous_action),
    ("date", _R, _SAVE, forms.date),
    ("amount", _R, _SAVE, forms.amount),
    ("tax-heads", _W, "IGST Act 2017, section 5; CGST Act 2017, section 9", forms.tax_heads),
    ("number", _R, _SAVE, forms.number),
    ("original", _R, _SAVE, forms.original),
    ("other-fields", _R, _OURS, forms.other_fields),
)

SUPPLIER_RULES: Final = _rules(
    ("supplier", _R, _SAVE, ids.supplier),
    ("own-supplier", _W, _OURS, ids.own_supplier),
)

RECIPIENT_RULES: Final = _rules(
    ("recipient", _R, _OURS, ids.recipient),
)

ID_RULES: Final = _rules(
    ("return-period", _R, _SAVE, ids.return_period),
    ("period-range", _R, _ACT, ids.period_range),
    ("place-of-supply", _R, _SAVE, ids.place_of_supply),
    ("source-form", _R, f"{_SAVE}; {_OFFLINE_TOOL} (R5)", ids.source_form),
    ("type", _R, _SAVE, ids.invoice_type),
)

DECISION_RULES: Final = _rules(
    ("action", _R, _SAVE, decided.action),
    ("reset-of-no-action", _W, _OURS, decided.reset_of_no_action),
    ("no-change", _W, f"{_OFFLINE_TOOL}, whose file is empty if nothing changed", decided.no_change),
    (
        "pending-blocked",
        _R,
        "GST API documentation, IMS - Get Invoice (ispendactblocked)",
        decided.pending_blocked,
    ),
    ("pending-limit", _W, _FAQ_2025, decided.pending_limit),
    ("not-filed", _W, "GSTN FAQ of 23-09-2024; India Compliance issue #3103", decided.not_filed),
    ("period-closed", _W, f"{_FAQ_2024}, question 5", decided.period_closed),
    ("credit-note-rejected", _W, _FAQ_CREDIT_NOTES, decided.credit_note_rejected),
    ("remarks", _R, _SAVE, decided.remarks),
    ("remarks-control", _W, _OURS, decided.remarks_control),
    ("remarks-garbled", _W, _OURS, decided.remarks_garbled),
    ("remarks-too-long", _R, _OFFLINE_TOOL, decided.remarks_too_long),
    ("remarks-blocked", _R, f"{_OFFLINE_TOOL}; India Compliance (isRemarksBlocked)", decided.remarks_blocked),
    ("remarks-on-accept", _W, _FAQ_2025, decided.remarks_on_accept),
    ("remarks-missing", _W, _FAQ_2025, decided.remarks_missing),
    ("itc-reduction", _R, f"{_SAVE}; India Compliance PR #4473", reduction.itc_reduction),
    (
        "itc-reduction-missing",
        _R,
        "IMSSAV0054: India Compliance issue #4228",
        reduction.itc_reduction_missing,
    ),
    ("itc-reduction-unsaid", _W, _FAQ_2025, reduction.itc_reduction_unsaid),
    ("itc-reduction-none", _R, "India Compliance PR #4473", reduction.itc_reduction_none),
    ("itc-reduction-amounts", _R, "India Compliance PR #4473", reduction.itc_reduction_amounts),
)

EARLIER_RULES: Final = _rules(
    ("duplicate", _R, f"{_STATUS}: errors name a record by its ids", batch.duplicate),
)

BATCH_RULES: Final = _rules(
    ("amendment-order", _W, "fintaxblog, 2026; not confirmed by GSTN", batch.amendment_order),
    ("credit-note-and-invoice", _W, _FAQ_CREDIT_NOTES, batch.credit_note_and_invoice),
    ("stale-read", _W, f"{_STATUS} (IMSSAV0010)", batch.stale_read),
    ("recompute", _W, _FAQ_2024, batch.recompute),
)

OWN_RULES: Final = FORM_RULES + RECIPIENT_RULES + SUPPLIER_RULES + ID_RULES + DECISION_RULES
"""The rules on a record that need no other record."""
RECORD_RULES: Final = OWN_RULES + EARLIER_RULES
RULES: Final = RECORD_RULES + BATCH_RULES
"""All rules, in the order of their findings."""

"""The list of rules, each with its code, default level, public source and a one-sentence summary.

The order is that of the findings. "GSTN" in a source is the Goods and Services Tax Network's own text, as
re-published.
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


def _rules(*rows: tuple[str, Level, str, str, Callable[[Any], Iterable[Problem]]]) -> tuple[Rule, ...]:
    return tuple(
        Rule(code, level, source, summary, see, _SINCE.get(code))
        for code, level, source, summary, see in rows
    )


_R, _W = Level.REFUSE, Level.WARN

# Rules are grouped by the fields that they read: `cache` keeps one result per group and set of fields.

FORM_RULES: Final = _rules(
    ("record", _R, _OURS, "It is a decision on an invoice, or for a reset an invoice.", forms.record),
    ("section", _R, _SAVE, "Its section is one of the eight; imports are not among them.", forms.section),
    ("previous-action", _R, _STATUS, "It has an action as last read (IMSSAV0010).", forms.previous_action),
    ("date", _R, _SAVE, "Its date is a `datetime.date`.", forms.date),
    (
        "amount",
        _R,
        _SAVE,
        "Amounts are finite, not negative, in whole paise and not too large.",
        forms.amount,
    ),
    (
        "tax-heads",
        _W,
        "IGST Act 2017, section 5; CGST Act 2017, section 9",
        "It bears IGST, or CGST and SGST in equal parts.",
        forms.tax_heads,
    ),
    ("number", _R, _SAVE, "Its number has 1 to 16 letters, digits, - and /, not zeros alone.", forms.number),
    ("original", _R, _SAVE, "An amendment has the number and date of what it amends.", forms.original),
    (
        "other-fields",
        _R,
        _OURS,
        "Fields that are kept and not sent have the right type; `extra` holds JSON values.",
        forms.other_fields,
    ),
)

SUPPLIER_RULES: Final = _rules(
    ("supplier", _R, _SAVE, "The supplier's GSTIN has the pattern and the check digit of one.", ids.supplier),
    ("own-supplier", _W, _OURS, "The supplier is not the taxpayer itself.", ids.own_supplier),
)

RECIPIENT_RULES: Final = _rules(
    ("recipient", _R, _OURS, "The record was read for this taxpayer, or made by hand.", ids.recipient),
)

ID_RULES: Final = _rules(
    ("return-period", _R, _SAVE, "The return period is MMYYYY.", ids.return_period),
    ("period-range", _R, _ACT, "The return period is not before 07-2017 and has begun.", ids.period_range),
    ("place-of-supply", _R, _SAVE, "The place of supply is a two-digit state code.", ids.place_of_supply),
    (
        "source-form",
        _R,
        f"{_SAVE}; {_OFFLINE_TOOL} (R5)",
        "The source form is R1, R1A, IFF or R5.",
        ids.source_form,
    ),
    ("type", _R, _SAVE, "The type is R, DE, SEWP, SEWOP or CBW, but for e-commerce.", ids.invoice_type),
)

DECISION_RULES: Final = _rules(
    ("action", _R, _SAVE, "The action saved is A, R or P; back to N is a reset.", decided.action),
    ("reset-of-no-action", _W, _OURS, "A record that is reset has an action.", decided.reset_of_no_action),
    (
        "no-change",
        _W,
        f"{_OFFLINE_TOOL}, whose file is empty if nothing changed",
        "A decision changes the action, the remarks or the ITC reduction.",
        decided.no_change,
    ),
    (
        "pending-blocked",
        _R,
        "GST API documentation, IMS - Get Invoice (ispendactblocked)",
        "A record kept pending is one for which the gateway allows it.",
        decided.pending_blocked,
    ),
    (
        "pending-limit",
        _W,
        _FAQ_2025,
        "What lowers credit is kept pending for one tax period at most.",
        decided.pending_limit,
    ),
    (
        "not-filed",
        _W,
        "GSTN FAQ of 23-09-2024; India Compliance issue #3103",
        "An accepted record has been filed by its supplier.",
        decided.not_filed,
    ),
    (
        "period-closed",
        _W,
        f"{_FAQ_2024}, question 5",
        "Its period is not one whose GSTR-3B is known as filed.",
        decided.period_closed,
    ),
    ("remarks", _R, _SAVE, "Remarks are text of whole characters.", decided.remarks),
    ("remarks-control", _W, _OURS, "Remarks hold no control characters.", decided.remarks_control),
    ("remarks-too-long", _R, _OFFLINE_TOOL, "Remarks have 250 characters at most.", decided.remarks_too_long),
    (
        "remarks-blocked",
        _R,
        f"{_OFFLINE_TOOL}; India Compliance (isRemarksBlocked)",
        "Remarks are given only for records that allow them.",
        decided.remarks_blocked,
    ),
    (
        "remarks-on-accept",
        _W,
        _FAQ_2025,
        "Remarks go with R and P, or with a reversal in part or none.",
        decided.remarks_on_accept,
    ),
    (
        "remarks-missing",
        _W,
        _FAQ_2025,
        "A rejection, and a reversal in part or none, says why.",
        decided.remarks_missing,
    ),
    (
        "itc-reduction",
        _R,
        f"{_SAVE}; India Compliance PR #4473",
        "An ITC reduction goes with A, in sections that take one, unless the record does not.",
        reduction.itc_reduction,
    ),
    (
        "itc-reduction-missing",
        _R,
        "IMSSAV0054: India Compliance issue #4228",
        "Accepting a credit note says how much credit it gives up, unless the record takes no word on it.",
        reduction.itc_reduction_missing,
    ),
    (
        "itc-reduction-unsaid",
        _W,
        _FAQ_2025,
        "Accepting an amendment that lowers credit says by how much.",
        reduction.itc_reduction_unsaid,
    ),
    (
        "itc-reduction-none",
        _R,
        "India Compliance PR #4473",
        "No reversal declares no amounts; a reversal declares more than zeros.",
        reduction.itc_reduction_none,
    ),
    (
        "itc-reduction-amounts",
        _R,
        "India Compliance PR #4473",
        "Each head declared is between 0 and the record's tax; CGST equals SGST.",
        reduction.itc_reduction_amounts,
    ),
)

EARLIER_RULES: Final = _rules(
    (
        "duplicate",
        _R,
        f"{_STATUS}: errors name a record by its ids",
        "A record is in the batch once.",
        batch.duplicate,
    ),
)

BATCH_RULES: Final = _rules(
    (
        "amendment-order",
        _W,
        "fintaxblog, 2026; not confirmed by GSTN",
        "An amendment and its original are not in the same batch.",
        batch.amendment_order,
    ),
    (
        "stale-read",
        _W,
        f"{_STATUS} (IMSSAV0010)",
        "The records were read a short time ago.",
        batch.stale_read,
    ),
    (
        "recompute",
        _W,
        _FAQ_2024,
        "After the 14th of the next month a change counts once GSTR-2B is recomputed.",
        batch.recompute,
    ),
)

RECORD_RULES: Final = (
    FORM_RULES + RECIPIENT_RULES + SUPPLIER_RULES + ID_RULES + DECISION_RULES + EARLIER_RULES
)
RULES: Final = RECORD_RULES + BATCH_RULES
"""All rules, in the order of their findings."""

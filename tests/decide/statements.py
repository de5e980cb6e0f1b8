"""Records of IMS and documents of a GSTR-2B in few words: of October 2026, amounts as in `books`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from ims_async import Action, Invoice, Section
from ims_async.model.gstr2b import (
    Filing,
    Gstr2b,
    Gstr2bDocument,
    Gstr2bPlace,
    Gstr2bSection,
    ItcAvailable,
    TaxAmounts,
)

from .books import ACME, OTHER, day, heads, record

PERIOD: Final = "102026"
FIRM: Final = OTHER
"""The recipient."""


def ims(number: str = "S-1", action: str = "A", section: str = "b2b", **facts: Any) -> Invoice:
    """Return a record that its supplier has filed."""
    its = {"date": "05-10-26", "return_period": PERIOD, "supplier_filed": True, **facts}
    return record(number, action=Action(action), section=Section(section), **its)


def document(
    number: str = "S-1",
    section: str = "b2b",
    place: str = "credit",
    amounts: str = "1000+180",
    date: str = "05-10-26",
    **facts: Any,
) -> Gstr2bDocument:
    """Return a document; `section` may be `cdnr/C`, with the type of the note; "Y", "N", "T" are `itc`."""
    name, _, note = section.partition("/")
    rupees = heads(amounts)
    taxable, status, itc = rupees.pop("taxable_value"), facts.pop("status", None), facts.pop("itc", "Y")
    its: dict[str, Any] = {
        "supplier": ACME,
        "supplier_period": PERIOD,
        "taxable_value": taxable,
        "value": sum(rupees.values(), taxable),
        **facts,
    }
    return Gstr2bDocument(
        section=Gstr2bSection(name),
        place=Gstr2bPlace(place),
        number=number,
        date=day(date),
        note_type=note or None,
        tax=TaxAmounts(**rupees),
        itc_available=itc and ItcAvailable(itc),
        ims_status=status and Action(status),
        **its,
    )


def statement(*documents: Gstr2bDocument, **facts: Any) -> Gstr2b:
    """Return a GSTR-2B."""
    its: dict[str, Any] = {"gstin": FIRM, "period": PERIOD, "generated_on": dt.date(2026, 11, 14), **facts}
    return Gstr2b(documents=documents, **its)


def filed(gstin: Any = FIRM, **facts: Any) -> Filing:
    """Return what is filed of a period: `gstr1="10-11-26"`, `gstr3b="19-11-26"`."""
    days = {f"{form}_filed_on": day(facts.pop(form)) for form in ("gstr1", "gstr3b") if form in facts}
    return Filing(gstin=gstin, **{"period": PERIOD, **facts, **days})


def igst(rupees: str | int) -> TaxAmounts:
    """Return so much IGST."""
    return TaxAmounts(igst=Decimal(rupees))

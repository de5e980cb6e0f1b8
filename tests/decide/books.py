"""Records and entries in few words: dates as `05-10-26`, amounts as `1000+180` or `1000+90+90`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

from ims_async import Invoice, Section
from ims_async.decide import Entry

ACME: Final = "29AAACQ3770E1ZF"
ACME_IN_DELHI: Final = "07AAACQ3770E1ZL"
OTHER: Final = "27AAPFU0939F1ZV"


def day(text: str) -> dt.date:
    """Return a date from `DD-MM-YY`."""
    one, month, year = map(int, text.split("-"))
    return dt.date(2000 + year, month, one)


def heads(amounts: str) -> dict[str, Decimal]:
    """Return taxable value and IGST, or CGST and SGST, and cess, from `1000+180`, `1000+90+90+5`."""
    taxable, *taxes = map(Decimal, amounts.split("+"))
    igst, cgst, sgst, cess = (
        (taxes + [Decimal(0)] * 3 if len(taxes) < 2 else [Decimal(0), *taxes, Decimal(0)])[:4]
        if taxes
        else [Decimal(0)] * 4
    )
    return {"taxable_value": taxable, "igst": igst, "cgst": cgst, "sgst": sgst, "cess": cess}


def record(number: str, date: str = "05-05-26", amounts: str = "1000+180", **facts: Any) -> Invoice:
    """Return a record of the gateway."""
    its = {"section": Section.B2B, "supplier": ACME, "return_period": "052026", **heads(amounts), **facts}
    return Invoice(number=number, date=day(date), value=sum(heads(amounts).values(), Decimal(0)), **its)


def entry(number: str, date: str = "05-05-26", amounts: str = "1000+180", **facts: Any) -> Entry:
    """Return an entry of the books."""
    return Entry(number=number, date=day(date), **{"supplier": ACME, **heads(amounts), **facts})

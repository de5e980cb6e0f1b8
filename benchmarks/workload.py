"""Plausible invoices of section b2b, the same for the same seed, in the documented envelope.

https://developer.sandbox.co.in/api-reference/gst/compliance/endpoints/taxpayer/invoices/invoices
"""

from __future__ import annotations

import json
import random
import string
from typing import Any

from ims_async.model.vocabulary import gstin_checksum

GSTIN = "29AAACQ3770E1ZF"  # the taxpayer whose inward supplies these are
_PERIODS = ("102024", "112024", "122024", "012025")


def _gstin(rng: random.Random, state: int) -> str:
    letters = "".join(rng.choices(string.ascii_uppercase, k=5))
    first14 = f"{state:02d}{letters}{rng.randrange(10_000):04d}{rng.choice('CFHP')}1Z"
    return first14 + gstin_checksum(first14)


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Make rows as the gateway shows them; money has paise in most of them, as real amounts do."""
    rng = random.Random(seed)
    home = int(GSTIN[:2])  # every other supplier is of the taxpayer's own state: CGST and SGST, not IGST
    suppliers = [_gstin(rng, home if n % 2 else rng.randrange(1, 38)) for n in range(max(3, count // 50))]
    return [_row(rng, rng.choice(suppliers), serial) for serial in range(count)]


def _row(rng: random.Random, supplier: str, serial: int) -> dict[str, Any]:
    period = rng.choice(_PERIODS)
    paise = rng.randrange(10_000, 25_000_000)
    rate = rng.choice((5, 12, 18, 28))
    half = 0 if supplier[:2] != GSTIN[:2] else round(paise * rate / 200)
    whole = 0 if half else round(paise * rate / 100)
    return {
        "stin": supplier,
        "inum": f"INV/24-25/{serial:06d}",
        "inv_typ": rng.choices(("R", "DE"), (95, 5))[0],
        "action": "N",
        "srcform": rng.choices(("R1", "IFF", "R1A"), (90, 6, 4))[0],
        "rtnprd": period,
        "val": _rupees(paise + whole + 2 * half),
        "idt": f"{rng.randrange(1, 29):02d}-{period[:2]}-{period[2:]}",
        "pos": GSTIN[:2],
        "txval": _rupees(paise),
        "iamt": _rupees(whole),
        "camt": _rupees(half),
        "samt": _rupees(half),
        "cess": 0,
        "srcfilstatus": rng.choices(("Filed", "Not Filed"), (7, 3))[0],
        "ispendactblocked": rng.choices(("N", "Y"), (95, 5))[0],
        "hash": rng.randbytes(32).hex(),
    }


_REMARKS = ("checked with the books", "amount differs", "goods came back", "not ours")


def as_live(of: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Add what live gateways send and no document has, to every other row: the supplier's name, remarks."""
    rng = random.Random(seed)
    words = ("Shree", "Ganesh", "Steel", "Traders", "Industries", "& Sons", "Enterprises", "Private Limited")
    names = {supplier: " ".join(rng.sample(words, 4)) for supplier in {row["stin"]: None for row in of}}
    return [
        row | {"tradenm": names[row["stin"]], "remarks": rng.choice(_REMARKS)} if place % 2 else row
        for place, row in enumerate(of)
    ]


def _rupees(paise: int) -> int | float:
    return paise // 100 if paise % 100 == 0 else paise / 100


def answer(of: list[dict[str, Any]]) -> bytes:
    """Write rows as the whole body of an answer."""
    payload = {"status_cd": "1", "data": {"b2b": of}}
    envelope = {"code": 200, "timestamp": 1_732_000_000_000, "transaction_id": "6a5f7c1e", "data": payload}
    return json.dumps(envelope, separators=(",", ":")).encode()


def save_rows(of: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turn rows into those of a save: the documented properties, every fifth rejected, the rest accepted."""
    read_only = ("srcfilstatus", "ispendactblocked", "hash", "action")
    return [
        {key: value for key, value in row.items() if key not in read_only}
        | {"action": "A" if place % 5 else "R", "prev_status": row["action"]}
        for place, row in enumerate(of)
    ]

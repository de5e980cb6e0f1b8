"""GSTR-2B statements as the GSPs answer with them: each documented kind, with invented data."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

GSTIN: Final = "27AAAAA0000A1Z5"
PERIOD: Final = "102026"
SUPPLIER: Final = {
    "ctin": "29BBBBB0000B1Z5",
    "trdnm": "Supplier One",
    "supprd": PERIOD,
    "supfildt": "11-11-2026",
}
OTHER: Final = {**SUPPLIER, "ctin": "29CCCCC0000C1Z5", "trdnm": "Supplier Two", "supfildt": "10-11-2026"}
IRN: Final = "0f" * 32
FRAME: Final = {"gstin": GSTIN, "rtnprd": PERIOD, "version": "1.0", "gendt": "16-11-2026"}

INVOICE: Final[dict[str, Any]] = {
    "inum": "S/26-27/001",
    "typ": "R",
    "dt": "03-10-2026",
    "val": 11800,
    "pos": "27",
    "rev": "N",
    "itcavl": "Y",
    "rsn": "",
    "diffprcnt": 1,
    "txval": 10000,
    "igst": 1800,
    "cgst": 0,
    "sgst": 0,
    "cess": 0,
    "imsStatus": "A",
    "srctyp": "e-Invoice",
    "irn": IRN,
    "irngendate": "03-10-2026",
}
NOTE: Final[dict[str, Any]] = {
    "ntnum": "CN/9",
    "typ": "C",
    "suptyp": "R",
    "dt": "20-10-2026",
    "val": 1180,
    "pos": "27",
    "rev": "N",
    "itcavl": "Y",
    "rsn": "",
    "txval": 1000,
    "igst": Decimal("180.50"),
    "cgst": 0,
    "sgst": 0,
    "cess": 0,
    "imsStatus": "N",
    "itcRedReq": "Y",
    "declIgst": 90,
}
REJECTED: Final[dict[str, Any]] = {
    "inum": "77",
    "typ": "R",
    "dt": "05-10-2026",
    "val": 5900,
    "pos": "27",
    "txval": 5000,
    "igst": 900,
    "cgst": 0,
    "sgst": 0,
    "cess": 0,
    "remarks": "not ours",
}
ISD_DOCUMENT: Final[dict[str, Any]] = {
    "doctyp": "ISDI",
    "docnum": "I/1",
    "docdt": "04-10-2026",
    "oinvnum": "S/1",
    "oinvdt": "01-10-2026",
    "igst": 0,
    "cgst": 50,
    "sgst": 50,
    "cess": 0,
    "itcelg": "N",
}
BILL: Final[dict[str, Any]] = {
    "refdt": "21-10-2026",
    "recdt": "22-10-2026",
    "portcode": "INNSA1",
    "boenum": 2566282,
    "boedt": "20-10-2026",
    "isamd": "N",
    "txval": 8000,
    "igst": 1440,
    "cess": 10,
}


def heads(igst: int, cgst: int = 0, sgst: int = 0, cess: int = 0) -> dict[str, int]:
    """The four tax heads of a level of a summary."""
    return {"igst": igst, "cgst": cgst, "sgst": sgst, "cess": cess}


ITC_SUMMARY: Final[dict[str, Any]] = {
    "itcavl": {
        "nonrevsup": {**heads(1800), "b2b": {"txval": 10000, **heads(1800)}},
        "othersup": {**heads(180), "cdnr": {"txval": 1000, **heads(180)}},
        "imports": {"impg": heads(1440, cess=10)},
    },
    "itcunavl": {"isdsup": heads(0, 50, 50)},
    "itcRejected": {"nonrevsup": {**heads(900), "b2b": {"txval": 5000, **heads(900)}}},
}
CP_SUMMARY: Final[dict[str, Any]] = {
    "b2b": [{**SUPPLIER, "ttldocs": 1, "txval": 10000, **heads(1800)}],
    "cdnr": [{**SUPPLIER, "nttyp": "C", "ttldocs": 1, "txval": 1000, **heads(180)}],
}
DOCUMENTS: Final[dict[str, Any]] = {
    "b2b": [{**SUPPLIER, "inv": [INVOICE]}],
    "b2ba": [
        {**SUPPLIER, "supprd": "092026", "inv": [{**INVOICE, "oinum": "S/26-27/000", "oidt": "01-09-2026"}]}
    ],
    "cdnr": [{**SUPPLIER, "nt": [NOTE]}],
    "cdnra": [
        {
            **SUPPLIER,
            "nt": [{**NOTE, "typ": "D", "onttyp": "C", "ontnum": "CN/8", "ontdt": "19-09-2026"}],
        }
    ],
    "ecom": [{**OTHER, "inv": [INVOICE]}],
    "ecoma": [{**OTHER, "inv": [{**INVOICE, "oinum": "E/1", "oidt": "02-09-2026"}]}],
    "isd": [{**SUPPLIER, "doclist": [ISD_DOCUMENT]}],
    "isda": [
        {
            **SUPPLIER,
            "doclist": [
                {
                    **ISD_DOCUMENT,
                    "doctyp": "ISDC",
                    "odoctyp": "ISDI",
                    "odocnum": "I/0",
                    "odocdt": "03-09-2026",
                }
            ],
        }
    ],
    "impg": [BILL],
    "impgsez": [{"ctin": OTHER["ctin"], "trdnm": "Zone", "boe": [{**BILL, "isamd": "Y", "boenum": "77"}]}],
}
ITEMS: Final = [
    {
        "num": 1,
        "rt": 18,
        "txval": 400,
        "igst": 0,
        "cgst": Decimal("36.05"),
        "sgst": Decimal("36.05"),
        "cess": 0,
    },
    {
        "num": 2,
        "rt": 5,
        "txval": Decimal("100.10"),
        "igst": 0,
        "cgst": Decimal("2.50"),
        "sgst": Decimal("2.50"),
    },
]
REVERSALS: Final[dict[str, Any]] = {
    "b2b": [{**SUPPLIER, "inv": [{"inum": "9", "typ": "R", "dt": "03-04-2026", "val": 500, "items": ITEMS}]}],
    "cdnr": [{**SUPPLIER, "nt": [{"ntnum": "8", "typ": "C", "dt": "03-04-2026", "items": ITEMS}]}],
}

WHOLE: Final[dict[str, Any]] = {
    **FRAME,
    "itcsumm": ITC_SUMMARY,
    "cpsumm": CP_SUMMARY,
    "docdata": {**DOCUMENTS, "itcrev": REVERSALS},
    "docRejdata": {"b2b": [{**OTHER, "inv": [REJECTED]}]},
}
"""All sections, and all places."""
BEFORE_OCTOBER: Final[dict[str, Any]] = {
    "gstin": GSTIN,
    "rtnprd": "032024",
    "version": "1.0",
    "gendt": "14-04-2024",
    "itcsumm": ITC_SUMMARY,
    "cpsumm": CP_SUMMARY,
    "b2b": [
        {
            **SUPPLIER,
            "supprd": period,
            "inv": [
                {
                    "inum": "S/1",
                    "typ": "R",
                    "dt": "03-02-2024",
                    "val": 577,
                    "pos": "27",
                    "rev": "N",
                    "itcavl": "N",
                    "rsn": "P",
                    "diffprcnt": Decimal("0.65"),
                    "items": ITEMS,
                }
            ],
        }
        for period in ("022024", "032024")
    ],
    "impg": [BILL],
}
"""The layout before October 2024: no `docdata`, amounts by rate, one supplier twice."""
SUMMARY: Final[dict[str, Any]] = {**FRAME, "itcsumm": ITC_SUMMARY, "cpsumm": CP_SUMMARY, "fc": 2}
"""The first answer for a statement that is split."""
FILES: Final[tuple[dict[str, Any], ...]] = (
    {"gstin": GSTIN, "rtnprd": PERIOD, "version": "1.0", "docdata": {"b2b": DOCUMENTS["b2b"]}},
    {"gstin": GSTIN, "rtnprd": PERIOD, "docRejdata": WHOLE["docRejdata"]},
)


def at_sandbox(statement: object, checksum: str = "0a1b2c3d4e5f") -> dict[str, Any]:
    """Sandbox's answer: three nested members `data`."""
    inner = {"chksum": checksum, "data": statement}
    return {"code": 200, "data": {"data": inner, "status_cd": "1"}, "transaction_id": "1ad1d698"}


def at_vayana(statement: object, checksum: str = "0a1b2c3d4e5f") -> dict[str, Any]:
    """Vayana's answer: two."""
    rest = {"error": None, "info": None, "additionalInfo": None, "alert": None}
    return {"status": "1", "data": {"chksum": checksum, "data": statement}, **rest}

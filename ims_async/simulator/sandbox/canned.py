"""The answers of Sandbox's test host: a documented example for every operation. Nothing takes effect.

https://developer.sandbox.co.in/guides/developer-resources/test_environment
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..payloads import count_of
from ..rules import NO_LIABILITY, NO_SALES, GstnError
from .invoices import success

if TYPE_CHECKING:
    from ..http import Request

EXPIRY = 1712947711000
"""The end of every token, in epoch milliseconds: in April 2024."""

# Supplier, number, date, value, taxable value, IGST, CGST (and SGST), action, hash.
_ROWS = (
    ("33ABCCZ0123M2YZ", "1024250260344", "02-11-2024", 1888, 1600, 288, 0, "N",
     "5614d4073380ec8b4ed4613846b18d18d5ee7ce4727e5f5a4d238fe96aaf8600"),
    ("06ABCCG0123D1YZ", "5096411148", "31-10-2024", 2605.44, 2208, 397.44, 0, "N",
     "c5e0ba76b757d78b441a6b419118b44f0777cfe939abe5559fe3d088ce715d1e"),
    ("24ABCCC0123E1YZ", "AMD2-1463535", "16-10-2024", 401.02, 339.84, 0, 30.59, "N",
     "9662a16203363ad199a8ed76bd90601002438db7927350c4cd8a715c1d76b674"),
    ("24ABCCR0123M1YZ", "AMD2-3993079", "13-11-2024", 3390.73, 2873.53, 0, 258.6, "N",
     "ab52176cfb3c7ea983838c9f9cf702752b37851b699825785b135d62f00e9aba"),
    ("24ABCCU0123M1YZ", "AO2SA2425002517", "05-11-2024", 142700, 120932.18, 0, 10883.91, "A",
     "dbd0f1c65631f9fdbfd3ab8d56c2949c3354b688ea53dee44e42768c07b676e2"),
    ("24ABCCI0123G1YZ", "C24E242500143276", "05-11-2024", 8498.12, 7201.8, 0, 648.16, "N",
     "907abd1862e141926d6c8dfa2df1b5c8be3120bc71eebfcbdb26d8b08b4bb0bd"),
    ("08ABCPP0123E2YZ", "IN-21576", "13-11-2024", 394, 375.24, 18.76, 0, "N",
     "c4b056cd71d63c2984da8f5f85f35e6532978d8bce1381a2ef9958ce7002bc95"),
    ("24ABCFI0123L1YZ", "IT/24-25/978", "08-11-2024", 2600, 2203.39, 0, 198.31, "N",
     "4355e6c758ea876ea7981ccf2fe4d7de4546ad63cfcc2f7f04779583d4bb207b"),
    ("06ABCCG0123M1YZ", "LE/25/1/07976", "19-11-2024", 177, 150, 27, 0, "N",
     "4ce89032a00c068641b9e188c2a041be1416adb0c145d2a53a3af401a4bce95a"),
    ("32ABCPM0123R1YZ", "OI-30587/24-25", "16-10-2024", 458.15, 408.79, 49.36, 0, "N",
     "4562950e81948d6c2a295d8a83f3f3c4687fe5e53fef4eba0a4390d6f24744b6"),
    ("24ABCFG0123H1YZ", "PRN-1050", "17-10-2024", 28600, 24237.29, 0, 2181.36, "N",
     "bfb71f250650a449db0073b838f9e821c26c87f67f91dd03c85c2b9656d96b9f"),
    ("24ABCFG0123H1YZ", "PRN-1094", "25-10-2024", 2000, 1694.92, 0, 152.54, "N",
     "8d0187738366d5a26d81ac75a716d293d4ab799d51aafea7af57348715b0b265"),
)  # fmt: skip


def data(operation: str, request: Request) -> dict[str, Any]:
    """Return the `data` of the example of an operation."""
    if operation in {"verify", "refresh"}:
        # The example is a template that contains the caller's own header.
        token = request.headers.get("authorization", "")
        return {"access_token": token, "token_expiry": EXPIRY, "session_expiry": EXPIRY, "status_cd": "1"}
    if operation in _NOTHING_FOUND:
        raise GstnError(*_NOTHING_FOUND[operation])
    return _ANSWERS[operation]


def _row(row: tuple[Any, ...]) -> dict[str, Any]:
    supplier, number, date, value, taxable, igst, half, action, checksum = row
    period = f"{date[3:5]}{date[6:]}"
    return {
        "stin": supplier,
        "rtnprd": period,
        "srcform": "R1",
        "inum": number,
        "idt": date,
        "inv_typ": "R",
        "pos": "24",
        "val": value,
        "txval": taxable,
        "iamt": igst,
        "camt": half,
        "samt": half,
        "cess": 0,
        "action": action,
        "ispendactblocked": "N",
        "srcfilstatus": "Filed" if period == "102024" else "Not Filed",
        "hash": checksum,
    }


_AMOUNTS = {"txval": 400, "igst": 0, "cgst": 36, "sgst": 36, "cess": 0}
_CREDIT = {name: amount for name, amount in _AMOUNTS.items() if name != "txval"}
_SUPPLIER = {
    "ctin": "24ABCCC0123E1YZ",
    "trdnm": "Demo Supplier",
    "supprd": "032024",
    "supfildt": "11-04-2024",
}
_INVOICE = {
    "inum": "S/0123",
    "typ": "R",
    "dt": "20-03-2024",
    "val": 472,
    "pos": "24",
    "rev": "N",
    "itcavl": "Y",
    "rsn": "",
    "diffprcnt": 1,
    "items": [{"num": 1, "rt": 18, **_AMOUNTS}],
}
_STATEMENT = {
    "chksum": "0a1b2c3d4e5f",
    "data": {
        "gstin": "24ABCCD0123E1YZ",
        "rtnprd": "032024",
        "version": "1.0",
        "gendt": "14-04-2024",
        "itcsumm": {"itcavl": {"nonrevsup": {**_CREDIT, "b2b": _AMOUNTS}}},
        "cpsumm": {"b2b": [{**_SUPPLIER, "ttldocs": 1, **_AMOUNTS}]},
        "b2b": [{**_SUPPLIER, "inv": [_INVOICE]}],
    },
}
"""In the layout of before October 2024; the documents' own sample has the same fields, and more suppliers."""

_FILED = {
    "arn": "AA240324000001X",
    "ret_prd": "032024",
    "mof": "ONLINE",
    "dof": "20-04-2024",
    "rtntype": "GSTR3B",
    "status": "Filed",
    "valid": "Y",
}

_ANSWERS: dict[str, dict[str, Any]] = {
    "authenticate": {"access_token": "eyJ0e...."},
    "otp": {"status_cd": "1"},
    "logout": {"status_cd": "1"},
    "count": success(count_of("others", [("b2b", row[7]) for row in _ROWS])),
    "invoices": success({"b2b": [_row(row) for row in _ROWS]}),
    "save": success({"reference_id": "0032e479bcb644c"}),
    "reset": success({"reference_id": "b34b5a43e4b1"}),
    "status": success({"err_cd": "", "err_msg": "", "proc_cnt": "8", "status_cd": "P", "transTypCd": "SAV"}),
    "regenerate": success({"reference_id": "0123456789abcde"}),
    "regeneration": success({"status_cd": "P", "err_cd": "", "err_msg": ""}),
    "gstr2b": success(_STATEMENT),
    "track": success({"EFiledlist": [_FILED]}),
    "preference": success({"response": [{"quarter": f"Q{n}", "preference": "M"} for n in range(1, 5)]}),
}
_NOTHING_FOUND = {"sales": NO_SALES, "added_back": NO_LIABILITY}

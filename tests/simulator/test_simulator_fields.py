"""The simulator's field table: what the vendor's request schemas let through and what they do not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from ims_async.simulator.fields import SHAPES, Kind, problems

# The vendor's own example of a save, one row for each section.
_ROW = {
    "stin": "24MAYAS0100J1JD",
    "srcform": "R1",
    "rtnprd": "012023",
    "val": 1000.1,
    "pos": "07",
    "txval": 1000.1,
    "iamt": 20,
    "camt": 20,
    "samt": 20,
    "cess": 0,
    "prev_status": "A",
}
_INVOICE = {"inum": "b1", "idt": "23-01-2023"}
_NOTE = {"nt_num": "dn2", "nt_dt": "24-02-2023"}
_OF_INVOICE = {"oinum": "ab2", "oidt": "24-02-2023"}
_OF_NOTE = {"ont_num": "ca2", "ont_dt": "24-02-2023"}
_TYPE = {"inv_typ": "R"}
_ROWS: dict[str, dict[str, Any]] = {
    "b2b": {**_ROW, **_INVOICE, **_TYPE},
    "b2ba": {**_ROW, **_INVOICE, **_OF_INVOICE, **_TYPE},
    "b2bdn": {**_ROW, **_NOTE, **_TYPE},
    "b2bdna": {**_ROW, **_NOTE, **_OF_NOTE, **_TYPE},
    "b2bcn": {**_ROW, **_NOTE, **_TYPE},
    "b2bcna": {**_ROW, **_NOTE, **_OF_NOTE, **_TYPE},
    "ecom": {**_ROW, **_INVOICE},
    "ecoma": {**_ROW, **_INVOICE, **_OF_INVOICE},
}
_REDUCTION = {"itcRedReq": "Y", "declIgst": 2000, "declSgst": 500, "declCgst": 500.5, "declCess": 100}


def _body(lines: object, kind: Kind = "save") -> dict[str, Any]:
    body = {"rtin": "24SHUBH3221U1Z1", "reqtyp": kind.upper(), "invdata": lines}
    read = json.loads(json.dumps(body), parse_float=Decimal)
    assert isinstance(read, dict)
    return read


def _found(section: str, **changes: object) -> list[str]:
    return problems(_body({section: [{**_ROWS[section], "action": "A", **changes}]}), kind="save")


@pytest.mark.parametrize("section", SHAPES)
def test_the_documented_example_of_each_section_passes(section: str) -> None:
    """Let the vendor's own rows through, in a save and in a reset."""
    assert _found(section, remarks="as in the example") == []
    assert problems(_body({section: [_ROWS[section]]}, "reset"), kind="reset") == []


@pytest.mark.parametrize("section", SHAPES)
def test_every_documented_field_is_required(section: str) -> None:
    """Miss each field of a row in turn."""
    row = {**_ROWS[section], "action": "A"}
    for name in row:
        rest = {other: value for other, value in row.items() if other != name}
        assert problems(_body({section: [rest]}), kind="save") == [f"invdata.{section}[0].{name}: is missing"]


@pytest.mark.parametrize("section", SHAPES)
def test_itc_reduction_is_taken_only_where_the_example_has_it(section: str) -> None:
    """Refuse the declared amounts on invoices, debit notes and e-commerce supplies that amend nothing."""
    found = _found(section, **_REDUCTION)
    assert bool(found) == (section in {"b2b", "b2bdn", "ecom"})


def test_a_reset_carries_neither_action_nor_remarks() -> None:
    """Refuse in a reset what belongs to a save."""
    row = {**_ROWS["b2b"], "action": "A", "remarks": "no"}
    assert problems(_body({"b2b": [row]}, "reset"), kind="reset") == [
        "invdata.b2b[0].action: is not known",
        "invdata.b2b[0].remarks: is not known",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stin", "29AAACQ3770E000"),
        ("stin", "24MAYAS0100J1J"),
        ("stin", 24),
        ("rtnprd", "132023"),
        ("rtnprd", "202301"),
        ("srcform", "GSTR1"),
        ("inum", ""),
        ("inum", "000"),
        ("inum", "-/0"),
        ("inum", "a b"),
        ("inum", "a_b"),
        ("inum", "a\n"),
        ("inum", "12345678901234567"),
        ("inum", 42),
        ("idt", "29-02-2023"),
        ("idt", "31-04-2024"),
        ("idt", "1-04-2024"),
        ("idt", "2024-04-01"),
        ("inv_typ", "B2B"),
        ("pos", "39"),
        ("pos", "7"),
        ("val", "1000"),
        ("val", True),
        ("val", None),
        ("val", -1),
        ("val", 10000000000000),
        ("txval", 100000000000),
        ("txval", 0.001),
        ("cess", 1e-9),
        ("action", "N"),
        ("action", "a"),
        ("prev_status", ""),
        ("prev_status", None),
        ("hash", "abc"),
        ("itcRedReq", "Y"),
        ("remarks", 1),
    ],
)
def test_a_wrong_value_is_named_with_its_path(name: str, value: object) -> None:
    """Say which field of which row is wrong, and nothing else."""
    (found,) = _found("b2b", **{name: value})
    assert found.startswith(f"invdata.b2b[0].{name}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inum", "0/1"),
        ("inum", "INV/24-25/000001"),
        ("inum", "-a"),
        ("idt", "29-02-2024"),
        ("pos", "97"),
        ("val", 9999999999999.99),
        ("txval", 648.16),
        ("txval", 120932.18),
        ("txval", 1e3),
        ("cess", 0.0),
        ("prev_status", "N"),
        ("inv_typ", "CBW"),
        ("srcform", "IFF"),
    ],
)
def test_the_edges_of_what_is_allowed_pass(name: str, value: object) -> None:
    """Count decimals exactly, also of amounts that are no binary fraction."""
    assert _found("b2b", **{name: value}) == []


def test_a_float_is_refused_because_its_decimals_cannot_be_counted() -> None:
    """Insist on numbers that were read exactly."""
    body = _body({"b2b": [{**_ROWS["b2b"], "action": "A"}]})
    body["invdata"]["b2b"][0]["val"] = 1.5
    assert problems(body, kind="save") == ["invdata.b2b[0].val: is not a number"]


def test_the_frame_of_the_body_is_checked_too() -> None:
    """Find what is wrong around the rows."""
    assert problems({}, kind="save") == [
        "rtin: is missing",
        "reqtyp: is missing",
        "invdata: is missing or not an object",
    ]
    assert problems(_body({}), kind="save") == ["invdata: has none of the sections"]
    assert problems(_body({"b2b": {}}), kind="save") == ["invdata.b2b: is not an array"]
    assert problems(_body({"b2b": [1]}), kind="save") == ["invdata.b2b[0]: is not an object"]
    assert problems(_body({"b2b": [], "cn": []}), kind="save") == ["invdata.cn: is not known"]
    assert problems({**_body({"b2b": []}), "x": 1}, kind="save") == ["x: is not known"]
    assert problems(_body({"b2b": []}), kind="reset") == ["reqtyp: is not one of RESET"]

"""Files of the IMS offline tool, for tests: invented after public descriptions, no real one was seen."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ims_async import Section
from ims_async.gsp.codec.json import json_text
from ims_async.gsp.codec.rows import wire_names

GSTIN: Final = "27AAPFU0939F1ZV"
SUPPLIER: Final = "29AAACQ3770E1ZF"


def row(section: Section = Section.B2B, **changes: Any) -> dict[str, Any]:
    """One record as the portal's download has it; a change to None takes a key away."""
    names = wire_names(section)
    made: dict[str, Any] = {
        "stin": SUPPLIER,
        "tradenm": "Supplier One",
        names["number"]: "0012345678901234",
        "inv_typ": "R",
        names["date"]: "03-10-2026",
        "val": 11800,
        "action": "N",
        "pos": "27",
        "txval": 10000,
        "iamt": 1800,
        "camt": 0,
        "samt": 0,
        "cess": 0,
        "srcform": "R1",
        "rtnprd": "10",
        "srcfilstatus": "FILED",
        "ispendactblocked": "N",
        "isRemarksBlocked": "N",
        "itcRedReqBlocked": "N" if section is Section.B2BCN else "Y",
    }
    if section.is_amendment:
        made |= {names["original_number"]: "INV-0", names["original_date"]: "01-09-2026"}
    if section.is_ecommerce:
        del made["inv_typ"]
    made |= changes
    return {key: value for key, value in made.items() if value is not None}


def details(**sections: Any) -> dict[str, Any]:
    """The document of a download."""
    return {"imsDetails": sections}


def written(file: Path, document: object, *, bom: bool = False) -> Path:
    """Write a document as JSON, its amounts exact."""
    file.write_text(json_text(document), encoding="utf-8-sig" if bom else "utf-8")
    return file


def loaded(file: Path) -> Any:
    """Read a JSON file with exact amounts."""
    return json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)

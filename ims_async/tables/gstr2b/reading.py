"""Read a GSTR-2B from a file: one that we wrote, or GSTN's own JSON."""

from __future__ import annotations

import json
from typing import Any, Final

from ...errors import InvalidInput, UnexpectedAnswer
from ...gsp import codec
from ...model.gstr2b import Gstr2b
from ..formats import format_of
from ..problems import unusable
from ..source import Source, text_of

_NONE: Final = "is no GSTR-2B: name the .json file that `gstr2b pull` wrote, or GSTN's own"
_AGAIN: Final = "pull the GSTR-2B into it again, with `gstr2b pull`"


def read_gstr2b(source: Source) -> Gstr2b:
    """Read a statement from a JSON file: one of `write_gstr2b`, or GSTN's own (`{"chksum", "data"}`).

    Raises `InvalidInput`, which names each wrong value, for any other.
    """
    if format_of(source) is not None:  # a workbook of `gstr2b pull`, say
        raise unusable(source, _NONE)
    name, text = text_of(source, empty=_AGAIN, no_text=_AGAIN)
    try:
        facts: Any = json.loads(text)
    except (ValueError, RecursionError):
        damaged = text.lstrip().startswith("{")
        raise unusable(name, f"is damaged: {_AGAIN}" if damaged else _NONE) from None
    if not isinstance(facts, dict) or not ({"data", "gstin"} & facts.keys()):
        raise unusable(name, _NONE)
    try:
        return Gstr2b.from_dict(facts) if "gstin" in facts else _gstns_own(text)
    except UnexpectedAnswer as error:
        raise unusable(name, f"cannot be read: {'; '.join(error.problems[:3]) or error}") from None
    except InvalidInput as error:
        raise unusable(name, f"cannot be read: {error.without_advice()}") from None


def _gstns_own(text: str) -> Gstr2b:
    reading = codec.read_gstr2b(text.encode("utf-8", "surrogatepass"), ("data",))
    while True:
        try:
            next(reading)
        except StopIteration as stop:
            found: Gstr2b = stop.value
            return found

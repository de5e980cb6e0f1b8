"""The same rows by other libraries, each the way its own documents show it.

The typed ones make a class with readable names, `Decimal` money, a `date` and an enum, as ours does; they
differ from ours in keeping Y and N as text and in not checking return periods. Optional libraries come in
as `Any`: whoever checks types here need not have installed them.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import GenericAlias
from typing import Annotated, Any, Final, cast

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from ims_async import Action
from ims_async.gsp.codec import read_invoices

from .workload import GSTIN

FLOOR: Final = "orjson.loads, plain dicts (floor)"
OURS: Final = "ims_async, as the client reads"
PLAIN: Final = "as everyone writes it"
ENCODE_FLOOR: Final = "orjson.dumps of ready dicts (floor)"

Decode = Callable[[bytes], Any]

# attribute: its name on the wire, its type
FIELDS: Final[dict[str, tuple[str, type]]] = {
    "supplier": ("stin", str),
    "number": ("inum", str),
    "type": ("inv_typ", str),
    "action": ("action", Action),
    "source_form": ("srcform", str),
    "return_period": ("rtnprd", str),
    "value": ("val", Decimal),
    "date": ("idt", dt.date),
    "place_of_supply": ("pos", str),
    "taxable_value": ("txval", Decimal),
    "igst": ("iamt", Decimal),
    "cgst": ("camt", Decimal),
    "sgst": ("samt", Decimal),
    "cess": ("cess", Decimal),
    "supplier_filed": ("srcfilstatus", str),
    "pending_blocked": ("ispendactblocked", str),
    "hash": ("hash", str),
}
SAVED_FIELDS: Final = {
    name: field for name, field in FIELDS.items() if name not in ("supplier_filed", "pending_blocked", "hash")
} | {"previous_action": ("prev_status", Action)}
# Texts that a row may lack: None then.
LIVE_FIELDS: Final = {"supplier_name": "tradenm", "remarks": "remarks"}


NOTHING: Final[Mapping[str, str]] = {}


def optional(name: str) -> Any:
    """Return a module, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


orjson, msgspec, pydantic = (optional(name) for name in ("orjson", "msgspec", "pydantic"))


def missing() -> list[str]:
    """Name the peers that are not installed."""
    found = {"orjson": orjson, "msgspec": msgspec, "pydantic": pydantic}
    return [name for name, module in found.items() if module is None]


# -- reading -------------------------------------------------------------------------------------------


def decoders(optional_fields: Mapping[str, str] = NOTHING) -> dict[str, Decode]:
    """Return every way to read an answer that is installed here: from its bytes to a list of rows.

    `optional_fields` are texts that a row may lack, by attribute with their names on the wire. Ours has them
    always.
    """
    more = optional_fields
    found: dict[str, Decode] = {}
    if orjson is not None:
        found[FLOOR] = lambda body: orjson.loads(body)["data"]["data"]["b2b"]
    found["json.loads, plain dicts"] = lambda body: json.loads(body)["data"]["data"]["b2b"]
    found[OURS] = ours
    if msgspec is not None:
        found["msgspec Struct, Decimal, enum; date left as text"] = msgspec_decoder(more, typed_date=False)
        found["msgspec Struct, Decimal, enum; date by dec_hook"] = msgspec_decoder(more, typed_date=True)
    if pydantic is not None:
        found["pydantic v2 model_validate_json, renamed, typed"] = pydantic_decoder(more)
    cattrs_and = f"cattrs + {'orjson' if orjson else 'json'}"
    found[f"{cattrs_and}, {PLAIN}"] = cattrs_decoder(more, _parsed)
    found[f"{cattrs_and}, dates without strptime"] = cattrs_decoder(more, _date)
    return found


def ours(body: bytes) -> Any:
    """Drain the reader at once; the client gives others a turn at each of its pauses."""
    reading = read_invoices(body, ("data", "data"))
    while True:
        try:
            next(reading)
        except StopIteration as stop:
            return stop.value


class Day(dt.date):
    """A date as GSTN writes it. msgspec reads `date` as ISO only; a type that it does not know is hooked."""


def _day(_: type, text: str) -> Day:
    return Day(int(text[6:]), int(text[3:5]), int(text[:2]))


def _date(text: str) -> dt.date:
    """Read a day without `strptime`, which takes a quarter of the time of a row."""
    return dt.date(int(text[6:]), int(text[3:5]), int(text[:2]))


def _parsed(text: str) -> dt.date:
    """Read a day as everyone writes it first."""
    return dt.datetime.strptime(text, "%d-%m-%Y").date()  # noqa: DTZ007 # a day, not a moment


def _msgspec_struct(
    fields: dict[str, tuple[str, type]], day: type, optional_fields: Mapping[str, str] = NOTHING
) -> Any:
    typed: list[Any] = [(name, day if kind is dt.date else kind) for name, (_, kind) in fields.items()]
    typed += [(name, str | None, None) for name in optional_fields]
    names = {name: wire for name, (wire, _) in fields.items()} | {**optional_fields}
    return msgspec.defstruct("Row", typed, rename=names, frozen=True)


def msgspec_decoder(optional_fields: Mapping[str, str], *, typed_date: bool) -> Decode:
    """Decode the envelope in one call; money is exact, read as `Decimal` from the text of the number."""
    row = _msgspec_struct(FIELDS, Day if typed_date else str, optional_fields)
    sections = msgspec.defstruct("Sections", [("b2b", GenericAlias(list, (row,)))])
    data = msgspec.defstruct("Data", [("data", sections)])
    decoder = msgspec.json.Decoder(msgspec.defstruct("Answer", [("data", data)]), dec_hook=_day)
    return lambda body: decoder.decode(body).data.data.b2b


def pydantic_decoder(optional_fields: Mapping[str, str]) -> Decode:
    """Validate the envelope in one call; money goes through `float`, so that long amounts lose paise."""
    day: Any = Annotated[dt.date, pydantic.BeforeValidator(_date)]
    fields: dict[str, Any] = {
        name: (day if kind is dt.date else kind, pydantic.Field(alias=wire))
        for name, (wire, kind) in FIELDS.items()
    }
    fields |= {
        name: (str | None, pydantic.Field(default=None, alias=wire)) for name, wire in optional_fields.items()
    }
    config = pydantic.ConfigDict(frozen=True)
    row = pydantic.create_model("Row", __config__=config, **fields)
    sections = pydantic.create_model("Sections", b2b=(GenericAlias(list, (row,)), ...))
    data = pydantic.create_model("Data", data=(sections, ...))
    answer = pydantic.create_model("Answer", data=(data, ...))
    return lambda body: answer.model_validate_json(body).data.data.b2b


def _attrs_class(fields: dict[str, tuple[str, type]], optional_fields: Mapping[str, str] = NOTHING) -> Any:
    typed: dict[str, Any] = {name: attrs.field(type=kind) for name, (_, kind) in fields.items()}
    may_be: Any = str | None
    typed |= {name: attrs.field(type=may_be, default=None) for name in optional_fields}
    return attrs.make_class("Row", typed, frozen=True, slots=True)


def cattrs_decoder(optional_fields: Mapping[str, str], day: Callable[[str], dt.date]) -> Decode:
    """Structure after parsing, with the hooks that everyone writes first."""
    row = _attrs_class(FIELDS, optional_fields)
    converter = cattrs.Converter()
    converter.register_structure_hook(Decimal, lambda number, _: Decimal(str(number)))
    converter.register_structure_hook(dt.date, lambda text, _: day(text))
    names = {name: wire for name, (wire, _) in FIELDS.items()} | {**optional_fields}
    renamed: dict[str, Any] = {name: override(rename=wire) for name, wire in names.items()}
    converter.register_structure_hook(row, make_dict_structure_fn(row, converter, **renamed))
    loads = orjson.loads if orjson is not None else json.loads
    rows = cast("Any", GenericAlias(list, (row,)))
    return lambda body: converter.structure(loads(body)["data"]["data"]["b2b"], rows)


# -- writing -------------------------------------------------------------------------------------------


def encoders(rows: list[dict[str, Any]]) -> dict[str, Callable[[], bytes]]:
    """Return every way to write these rows of a save as a body; typed records are made beforehand."""
    ready = {"rtin": GSTIN, "reqtyp": "SAVE", "invdata": {"b2b": rows}}
    found: dict[str, Callable[[], bytes]] = {}
    if orjson is not None:
        found[ENCODE_FLOOR] = lambda: orjson.dumps(ready)
    found["json.dumps of ready dicts"] = lambda: json.dumps(ready, separators=(",", ":")).encode()
    if msgspec is not None:
        found["msgspec Struct, Decimal as number, date by enc_hook"] = msgspec_encoder(rows)
    found |= cattrs_encoders(rows)
    return found


def typed(row: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a row of a save as typed values."""
    kinds: dict[type, Callable[[Any], Any]] = {
        Decimal: lambda number: Decimal(str(number)),
        dt.date: lambda text: _day(Day, text),
    }
    return {name: kinds.get(kind, kind)(row[wire]) for name, (wire, kind) in SAVED_FIELDS.items()}


def msgspec_encoder(rows: list[dict[str, Any]]) -> Callable[[], bytes]:
    """Encode structs in one call."""
    struct = _msgspec_struct(SAVED_FIELDS, Day)
    records = [struct(**typed(row)) for row in rows]
    body = {"rtin": GSTIN, "reqtyp": "SAVE", "invdata": {"b2b": records}}
    encoder = msgspec.json.Encoder(enc_hook=_day_text, decimal_format="number")
    return lambda: bytes(encoder.encode(body))


def _day_text(day: dt.date) -> str:
    return f"{day.day:02d}-{day.month:02d}-{day.year:04d}"


def cattrs_encoders(rows: list[dict[str, Any]]) -> dict[str, Callable[[], bytes]]:
    """Unstructure, then dump; money goes through `float`: neither encoder writes a Decimal as a number."""
    kind = _attrs_class(SAVED_FIELDS)
    records = [kind(**typed(row)) for row in rows]
    converter = cattrs.Converter()
    converter.register_unstructure_hook(Decimal, float)
    converter.register_unstructure_hook(dt.date, _day_text)
    renamed: dict[str, Any] = {name: override(rename=wire) for name, (wire, _) in SAVED_FIELDS.items()}
    converter.register_unstructure_hook(kind, make_dict_unstructure_fn(kind, converter, **renamed))

    def ready() -> dict[str, Any]:
        listed = converter.unstructure(records)
        return {"rtin": GSTIN, "reqtyp": "SAVE", "invdata": {"b2b": listed}}

    found: dict[str, Callable[[], bytes]] = {
        "cattrs + json": lambda: json.dumps(ready(), separators=(",", ":")).encode()
    }
    if orjson is not None:
        found["cattrs + orjson"] = lambda: orjson.dumps(ready())
    return found

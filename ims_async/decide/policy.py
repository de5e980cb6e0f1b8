"""A firm's policy: what is done with a record for what the books say of it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, get_args

import attrs

from ..errors import InvalidInput
from .entry import HEADS
from .kinds import MatchKind
from .tolerance import Rupees, Tolerance, Tolerances, amount_of, is_a


class Outcome(StrEnum):
    """What is done with a record."""

    ACCEPT = "accept"
    REJECT = "reject"
    PENDING = "pending"
    LEAVE = "leave"


Outcomes = Mapping[MatchKind, Outcome]
Reduction = Literal["full", "none", "leave"]

_DEFAULTS: Final[Outcomes] = {
    kind: Outcome.ACCEPT if kind in (MatchKind.MATCHED, MatchKind.WITHIN_TOLERANCE) else Outcome.LEAVE
    for kind in MatchKind
}


def outcome_of(word: object, what: str) -> Outcome:
    """Return an outcome by its word. Raises `InvalidInput`, which says what it is of."""
    try:
        return Outcome(str(word).strip().lower())
    except ValueError:
        raise InvalidInput(f"{what}: {word!r:.40} is unknown; use one of: {', '.join(Outcome)}") from None


def _outcomes(given: object, what: str = "kinds") -> dict[MatchKind, Outcome]:
    """Read outcomes by kind; a kind may be spelled with blanks or underscores."""
    if not isinstance(given, Mapping):
        raise InvalidInput(f'{what}: write outcomes by kind, such as "not in books" = "pending"')
    found: dict[MatchKind, Outcome] = {}
    for name, word in given.items():
        try:
            kind = MatchKind(str(name).strip().lower().replace("_", " "))
        except ValueError:
            known = ", ".join(MatchKind)
            raise InvalidInput(f"{what}: kind {name!r:.40} is unknown; the kinds are: {known}") from None
        if kind in found:
            raise InvalidInput(f"{what}: {kind} is there twice; keep one")
        found[kind] = outcome_of(word, f"{what}, {kind}")
    return found


def _all_outcomes(given: Mapping[Any, Any]) -> Outcomes:
    return {**_DEFAULTS, **_outcomes(given)}


def _by_supplier(given: Mapping[str, Mapping[Any, Any]]) -> dict[str, Outcomes]:
    if not isinstance(given, Mapping):
        raise InvalidInput("suppliers: write a table for each GSTIN or PAN")
    found: dict[str, Outcomes] = {}
    for text, kinds in given.items():
        name = _registration(text, "suppliers")
        if name in found:
            raise InvalidInput(f"suppliers: {name} is there twice; keep one")
        found[name] = _outcomes(kinds, f"suppliers, {text}")
    return found


def _allowed(given: Collection[str]) -> frozenset[str]:
    return _registrations(given, "allow")


def _blocked(given: Collection[str]) -> frozenset[str]:
    return _registrations(given, "block")


def _registrations(given: Collection[str], what: str) -> frozenset[str]:
    if isinstance(given, str) or not isinstance(given, Collection):
        raise InvalidInput(f"{what}: {given!r:.40} is not a list of GSTINs or PANs")
    return frozenset(_registration(one, what) for one in given)


def _registration(text: object, what: str) -> str:
    name = str(text).strip().upper()
    if len(name) not in (10, 15) or not (name.isascii() and name.isalnum()):
        raise InvalidInput(
            f"{what}: {text!r:.40} is neither a GSTIN (15 characters) nor a PAN (10 characters)"
        )
    return name


def _threshold(value: Rupees | None) -> Decimal | None:
    return None if value is None else _named("leave_above", lambda: amount_of(value))


def _named(what: str, read: Any) -> Any:
    """Read a value; an error says which."""
    try:
        return read()
    except InvalidInput as error:
        raise InvalidInput(f"{what}: {error}") from None


def _not_filed(word: Outcome | str) -> Outcome:
    return outcome_of(word, "not_filed")


def _pending_not_allowed(word: Outcome | str) -> Outcome:
    outcome = outcome_of(word, "pending_not_allowed")
    if outcome is Outcome.PENDING:
        raise InvalidInput("pending_not_allowed: pending is what is not allowed; use accept, reject or leave")
    return outcome


def _is_reduction(_: object, field: attrs.Attribute[Reduction], value: object) -> None:
    if value not in (known := get_args(Reduction)):
        raise InvalidInput(f"{field.name}: {value!r:.40} is unknown; use one of: {', '.join(known)}")


@attrs.frozen(kw_only=True)
class Policy:
    """Set what is done with a record; the default accepts only what matches, and leaves the rest to a person.

    `kinds` maps a `MatchKind` to `accept`, `reject`, `pending` or `leave`. What is not `automatic` (other
    registration, probable, ambiguous) is never accepted or rejected, whatever it says. `suppliers` does the
    same for one GSTIN or PAN; a GSTIN goes before its PAN. Suppliers in `allow` are accepted although the
    books have nothing, unless `suppliers` says what is done with that; of those in `block` nothing is
    accepted. Records with a value above `leave_above` rupees are left. `not_filed` is done with what would
    be accepted although its supplier has not filed, `pending_not_allowed` where the gateway refuses pending.
    `itc_reduction` is declared when a credit note is accepted: `full`, `none`, or `leave`, which leaves
    credit notes to a person.

    Raises `InvalidInput` for an unknown kind, outcome or registration.
    """

    kinds: Outcomes = attrs.field(factory=dict, converter=_all_outcomes, hash=False)
    tolerances: Tolerances = attrs.field(factory=Tolerances, validator=is_a(Tolerances))
    suppliers: Mapping[str, Outcomes] = attrs.field(factory=dict, converter=_by_supplier, hash=False)
    allow: frozenset[str] = attrs.field(default=(), converter=_allowed)
    block: frozenset[str] = attrs.field(default=(), converter=_blocked)
    leave_above: Decimal | None = attrs.field(default=None, converter=_threshold)
    not_filed: Outcome = attrs.field(default=Outcome.LEAVE, converter=_not_filed)
    pending_not_allowed: Outcome = attrs.field(default=Outcome.LEAVE, converter=_pending_not_allowed)
    itc_reduction: Reduction = attrs.field(default="full", validator=_is_reduction)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Policy:
        """Read a policy from a TOML file. Raises `InvalidInput`, which names the file and the key."""
        table = read_toml(path)
        return _named(os.fspath(path), lambda: cls._of(table))  # type: ignore[no-any-return]

    @classmethod
    def _of(cls, table: dict[str, Any]) -> Policy:
        known = {field.name for field in attrs.fields(cls)} - {"tolerances"} | {"tolerance"}
        if unknown := sorted(table.keys() - known):
            raise InvalidInput(f"{unknown[0]!r} is unknown; the keys are: {', '.join(sorted(known))}")
        settings = dict(table)
        return cls(tolerances=_tolerances(settings.pop("tolerance", {})), **settings)

    def outcome(self, kind: MatchKind, supplier: str) -> Outcome:
        """Return what is done with a record of a kind from a supplier, by the tables alone."""
        own = self._own_outcome(kind, supplier)
        return self.kinds[kind] if own is None else own

    def _own_outcome(self, kind: MatchKind, supplier: str) -> Outcome | None:
        for name in (supplier, supplier[2:12]):
            if kind in (kinds := self.suppliers.get(name, {})):
                return kinds[kind]
        return None

    def allows(self, supplier: str) -> bool:
        """Whether what the books do not have is accepted: `allow` has the supplier or its PAN.

        What `suppliers` says of a supplier goes before that.
        """
        listed = supplier in self.allow or supplier[2:12] in self.allow
        return listed and self._own_outcome(MatchKind.NOT_IN_BOOKS, supplier) is None

    def blocks(self, supplier: str) -> bool:
        """Whether a supplier, or its PAN, is in `block`."""
        return supplier in self.block or supplier[2:12] in self.block


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a TOML file. Raises `InvalidInput`."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{os.fspath(path)} is not UTF-8 text: save it as UTF-8") from error
    except ValueError as error:  # a name that no file can have
        raise InvalidInput(f"{os.fspath(path)!r} cannot be read: {error}") from error
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for a number that is too long, or too many levels
        raise InvalidInput(f"{os.fspath(path)} is not TOML: {error}") from error


_SHARED: Final = ("rupees", "percent", "below")


def _tolerances(table: object) -> Tolerances:
    """Read `[tolerance]`: rupees, percent, below and days, and a table for one amount: `[tolerance.igst]`."""
    known = (*_SHARED, "days", *HEADS)
    shared = {key: value for key, value in _table(table, "tolerance", known).items() if key in _SHARED}
    given = dict(_table(table, "tolerance", known))
    heads = {
        head: _tolerance({**shared, **_table(given.get(head, {}), f"tolerance, {head}", _SHARED)}, head)
        for head in HEADS
    }
    days = given.get("days", Tolerances().days)
    return _named("tolerance", lambda: Tolerances(**heads, days=days))  # type: ignore[no-any-return]


def _tolerance(table: Mapping[str, Any], head: str) -> Tolerance:
    settings = dict(table)
    if "below" in settings:
        below = _table(settings["below"], f"tolerance, {head}, below", _SHARED[:2])
        settings["below"] = _tolerance(below, f"{head}, below")
    return _named(f"tolerance, {head}", lambda: Tolerance(**settings))  # type: ignore[no-any-return]


def _table(given: object, what: str, known: Collection[str]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{what}: write a table, such as {{rupees = 1, percent = 0}}")
    if unknown := sorted(given.keys() - set(known)):
        raise InvalidInput(f"{what}: {unknown[0]!r} is unknown; the keys are: {', '.join(known)}")
    return given

"""The findings of a check: what is wrong, with which record, its level, and the public source."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Self

import attrs

from ..errors import InvalidDecision
from ..model.records import Decision, Invoice, RecordKey

Record = Decision | Invoice

_LONGEST_SHOWN: Final = 60  # characters of a value that a message quotes


class Level(StrEnum):
    """The effect of a finding: `REFUSE` keeps the batch from being sent, `WARN` does not, `OFF` drops it."""

    REFUSE = "refuse"
    WARN = "warn"
    OFF = "off"


@attrs.frozen
class Problem:
    """What a rule reports, before the policy gives it a level.

    With `typed_only`, a value that a person typed is refused, and one that the gateway sent is warned about.
    With `in_kind`, it is refused whatever a policy says, because it cannot be written. `place` and `record`
    are set by rules on a whole batch that report one record of it.
    """

    message: str
    typed_only: bool = False
    in_kind: bool = False
    place: int | None = None
    record: Record | None = None

    @classmethod
    def of_form(cls, message: str, *, sendable: bool) -> Self:
        """Make the problem of a value that has the wrong form, and can or cannot be written all the same."""
        return cls(message, typed_only=sendable, in_kind=not sendable)


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that is wrong with one record, or with the batch as a whole (`place` is then None).

    `place` counts from 0 in the batch. `source` names the public document that says so.
    """

    code: str
    level: Level
    message: str
    source: str
    place: int | None
    key: RecordKey | None
    record: Record | None = attrs.field(repr=False)

    def __str__(self) -> str:
        if self.place is None:
            return f"the batch: {self.message}"
        return f"record {self.place + 1} ({_named(self.key)}): {self.message}"


def _named(key: RecordKey | None) -> str:
    try:
        return str(key)
    except Exception:  # noqa: BLE001 # ids may be of any type; the message says what is wrong with them
        return "whose ids cannot be shown"


def shown(value: object) -> str:
    """Return a value as a message quotes it: shortened, and never raising."""
    try:
        return repr(value)[:_LONGEST_SHOWN]
    except Exception:  # noqa: BLE001 # an int of 5,000 digits, a caller's class
        return f"of type {type(value).__name__}"


def writable_text(value: object) -> bool:
    """Return True for text without lone surrogates, which UTF-8 cannot encode."""
    if not isinstance(value, str):
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse(findings: Sequence[Finding]) -> None:
    """Raise `InvalidDecision` with all findings, warnings too, if any of them refuses."""
    refusing = Level.REFUSE
    refused = [finding for finding in findings if finding.level is refusing]
    if refused:
        named = "; ".join(str(finding) for finding in refused[:3])
        more = f"; and {len(refused) - 3} more (see .findings)" if len(refused) > 3 else ""
        raise InvalidDecision(f"nothing was sent: {named}{more}", findings=findings)

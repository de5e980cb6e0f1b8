"""Settings of the offline checks: the level of each rule, and facts that only the caller knows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from ..errors import InvalidInput
from ..model.vocabulary import period_problem
from .catalogue import RULES
from .finding import Level, shown

_DEFAULTS: Final = {rule.code: rule.level for rule in RULES}


def _levels(given: Mapping[str, Level | str]) -> dict[str, Level]:
    """Read levels by rule code. Raises `InvalidInput`, which names the known codes or levels."""
    if not isinstance(given, Mapping):
        raise InvalidInput(f"levels {shown(given)} are not levels by code, such as {{'not-filed': 'off'}}")
    found: dict[str, Level] = {}
    for code, level in given.items():
        if code not in _DEFAULTS:
            raise InvalidInput(f"rule {shown(code)} is unknown; the rules are: {', '.join(_DEFAULTS)}")
        try:
            found[code] = Level(level.strip().lower())
        except (ValueError, AttributeError):
            known = ", ".join(Level)
            raise InvalidInput(
                f"level {shown(level)} of rule {code} is unknown; use one of: {known}"
            ) from None
    return found


def _periods(given: Collection[str]) -> frozenset[str]:
    """Read return periods. Raises `InvalidInput` for an invalid one."""
    if isinstance(given, str) or not isinstance(given, Collection):
        raise InvalidInput(f"filed {shown(given)} is not a list of periods, such as ['102025']")
    for period in given:
        if problem := period_problem(period):
            raise InvalidInput(f"filed: {problem}")
    return frozenset(given)


def _seconds(_: object, field: attrs.Attribute[Any], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0 or math.isnan(value):
        raise InvalidInput(f"{field.name} {shown(value)} is not a number of seconds above 0")


def _all_levels(policy: RulePolicy) -> dict[str, Level]:
    return {**_DEFAULTS, **_levels(policy.levels)}


@attrs.frozen(kw_only=True)
class RulePolicy:
    """Set how strict the offline checks are.

    `levels` sets a rule's level by its code: `{"not-filed": "off", "period-closed": "refuse"}`; all codes
    are in `ims_async.rules.RULES`. Two cases do not depend on a level: a value that cannot be written (a
    float for an amount, text for a date) is refused, and ids and amounts that the gateway itself reported
    are warned about at most, because they go back unchanged.

    `filed` names the GSTR-2B periods (`MMYYYY`) for which GSTR-3B is known to be filed. `stale_after` is the
    age, in seconds, above which a save warns about the records that were read; the default is an hour.
    Raises `InvalidInput` for an unknown code, level or period.
    """

    levels: Mapping[str, Level | str] = attrs.field(factory=dict, converter=_levels, hash=False)
    filed: Collection[str] = attrs.field(default=(), converter=_periods)
    stale_after: float = attrs.field(default=3600.0, validator=_seconds)

    _level_by_code: dict[str, Level] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_all_levels, takes_self=True)
    )

    def level_of(self, code: str) -> Level:
        """Return the level of a rule."""
        return self._level_by_code[code]

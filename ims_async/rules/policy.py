"""Settings of the offline checks: the level of each rule, and facts that only the caller knows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from ..errors import InvalidInput
from ..model.gstr2b import Filing
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


def _filed(given: Collection[str | Filing]) -> frozenset[str | Filing]:
    """Read return periods, and answers of `taxpayer.filing`. Raises `InvalidInput` for anything else."""
    if isinstance(given, str) or not isinstance(given, Collection):
        raise InvalidInput(
            f"filed {shown(given)} is not a list of periods, such as ['102025'], or of what taxpayer.filing "
            "returned"
        )
    for one in given:
        if not isinstance(one, Filing) and (problem := period_problem(one)):
            raise InvalidInput(f"filed: {problem}")
    return frozenset(given)


def _seconds(_: object, field: attrs.Attribute[Any], value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0 or math.isnan(value):
        raise InvalidInput(f"{field.name} {shown(value)} is not a number of seconds above 0")


def _by_gstin(policy: RulePolicy) -> dict[str | None, set[str]]:
    found: dict[str | None, set[str]] = {None: set()}  # what counts for every taxpayer
    for one in policy.filed:
        if isinstance(one, Filing):
            found.setdefault(one.gstin, set()).update(one.filed)
        else:
            found[None].add(one)
    return found


def _all_levels(policy: RulePolicy) -> dict[str, Level]:
    return {**_DEFAULTS, **_levels(policy.levels)}


@attrs.frozen(kw_only=True)
class RulePolicy:
    """Set how strict the offline checks are.

    `levels` sets a rule's level by its code: `{"not-filed": "off", "period-closed": "refuse"}`; all codes
    are in `ims_async.rules.RULES`. Two cases do not depend on a level: a value that cannot be written (a
    float for an amount, text for a date) is refused, and ids and amounts that the gateway itself reported
    are warned about at most, because they go back unchanged.

    `filed` says for which GSTR-2B periods GSTR-3B is known to be filed: answers of `taxpayer.filing`, each of
    which counts for its own taxpayer only, and periods (`MMYYYY`), which count for every taxpayer that is
    checked. `stale_after` is the age, in seconds, above which a save warns about the records that were read;
    the default is an hour. Raises `InvalidInput` for an unknown code, level or period.
    """

    levels: Mapping[str, Level | str] = attrs.field(factory=dict, converter=_levels, hash=False)
    filed: Collection[str | Filing] = attrs.field(default=(), converter=_filed)
    stale_after: float = attrs.field(default=3600.0, validator=_seconds)

    _level_by_code: dict[str, Level] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_all_levels, takes_self=True)
    )

    _filed_by_gstin: dict[str | None, set[str]] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_by_gstin, takes_self=True)
    )

    def filed_by(self, gstin: str | None) -> frozenset[str]:
        """Return the periods whose GSTR-3B a taxpayer is known to have filed; None if it is not known who."""
        return frozenset(self._filed_by_gstin[None] | self._filed_by_gstin.get(gstin, set()))

    def level_of(self, code: str) -> Level:
        """Return the level of a rule."""
        return self._level_by_code[code]

"""Many like things said briefly: the first three of each kind, and how many more there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Final, TypeVar

import attrs

from ...errors import GatewayError

T = TypeVar("T")

MOST_OF_A_KIND: Final = 3


def and_more(count: int) -> str:
    """Say how many more there are than are shown."""
    return f"… and {count:,} more"


def first_of_each(things: Iterable[T], kind_of: Callable[[T], Hashable]) -> list[tuple[list[T], int]]:
    """Return the first three things of each kind, in the order of the kinds, each with how many more."""
    kinds: dict[Hashable, list[T]] = {}
    for thing in things:
        kinds.setdefault(kind_of(thing), []).append(thing)
    return [(own[:MOST_OF_A_KIND], max(len(own) - MOST_OF_A_KIND, 0)) for own in kinds.values()]


@attrs.define
class Grouped:
    """Says sentences as they come, of each kind the first three; `end` says how many more there were."""

    tell: Callable[[str], None]
    counts: Counter[str] = attrs.field(factory=Counter)

    def add(self, kind: str, *sentences: str) -> None:
        """Say something of this kind, unless three of it were said."""
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_OF_A_KIND:
            for sentence in sentences:
                self.tell(sentence)

    def end(self) -> None:
        """Say how many were not said, of each kind."""
        for kind, count in self.counts.items():
            if count > MOST_OF_A_KIND:
                self.tell(f"{and_more(count - MOST_OF_A_KIND)} ({kind})")


def kind_of(error: Exception) -> str:
    """Return what an error has in common with others like it: the gateway's code, else its class."""
    code = error.code if isinstance(error, GatewayError) else ""
    return code or type(error).__name__


def by_kind(kinds: Iterable[str]) -> str:
    """Count kinds, the most frequent first: `edited 4,350, acted-on 7`."""
    return ", ".join(f"{kind} {count:,}" for kind, count in Counter(kinds).most_common())

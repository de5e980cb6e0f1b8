"""How much of a sweep is run: a sample in `make test`, every step with IMS_ENDURANCE=long (`make nightly`).

A sample is the same each time. Of a product whose inner values are odd in number, each second case has all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, TypeVar

T = TypeVar("T")

LONG: Final = os.environ.get("IMS_ENDURANCE") == "long"


def stride(every: int) -> int:
    """Return the step of a sweep: of so many steps the sample takes one."""
    return 1 if LONG else every


def sample(cases: Iterable[T], every: int) -> list[T]:
    """Return all cases, or the first of each so many."""
    return [*cases][:: stride(every)]


def examples(number: int) -> int:
    """Return how many examples Hypothesis tries: the number, or a third of it."""
    return -(-number // stride(3))

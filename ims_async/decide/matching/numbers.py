"""Compare the numbers of documents as two people write them: `INV/26-27/0012`, `inv-12`, `12`.

A supplier prints a number, its accountant reports it, and the recipient's accountant types it again: case,
separators, leading zeros and the financial year come and go on the way.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

try:
    from rapidfuzz.distance.OSA import distance as _distance
except ImportError:  # the extra `match` is not installed
    _distance = None  # type: ignore[assignment]

# 26-27, 2026-27, 2026-2027, FY26-27, FY 26/27: a financial year, if the second year follows the first.
_YEARS: Final = re.compile(
    r"(?<![0-9])(?:F\.?Y\.?[ /-]?)?(?P<first>(?:20)?[0-9]{2})[-/](?P<second>(?:20)?[0-9]{2})(?![0-9])"
)
_RUNS: Final = re.compile(r"[0-9]+|[^\W0-9_]+")
_CALENDAR_YEAR: Final = re.compile(r"20[0-9]{2}")
_ALIKE: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "S": "5", "B": "8", "Z": "2"})
_FOR_ONE_ERROR: Final = 4  # characters of the shorter number: shorter ones are alike by chance
_FOR_TWO_ERRORS: Final = 6


@functools.lru_cache(maxsize=4096)  # a record and its entry often have it alike, one soon after the other
def runs_of(number: str, about: int) -> tuple[str, int]:
    """Return a number's runs of letters and of digits, and the financial year in it, -1 for none.

    `inv/26-27/0012` of 2026 gives `("INV 12", 26)`: upper case, without the year, separators and leading
    zeros. The runs are empty if there is neither a letter nor a digit. A financial year stays where nothing
    else is, and is none if it is not that of the document, `about`, or one beside it: `GST/04/05` of 2026 is
    number 5 of April.
    """
    text, year = _plain(number), -1
    if "-" in text or "/" in text:
        left, named = _without_years(text, about)
        if any(map(str.isalnum, left)):
            text, year = left, named
    return " ".join(map(_without_zeros, _RUNS.findall(text))), year


def joined(number: str) -> str:
    """Return a number with its years and without separators: `INV/26-27/0012` gives `INV26270012`."""
    return "".join(map(_without_zeros, _RUNS.findall("".join(filter(str.isalnum, _plain(number))))))


def cut_alike(one: str, other: str) -> bool:
    """Whether one number has its separators where the other has them, or none: not `1/23` and `12/3`."""
    mine, theirs = _cuts(one), _cuts(other)
    return mine <= theirs or theirs <= mine


def digits_of(runs: str) -> set[str]:
    """Return the last and the longest digits of a number, a calendar year only if it has no others.

    Of digits that are equally long the last: the first may be a month.
    """
    digits = [run for run in runs.split() if run.isdigit()]
    digits = [run for run in digits if not _CALENDAR_YEAR.fullmatch(run)] or digits
    return {digits[-1], max(digits[::-1], key=len)} if digits else set()


def is_part(runs: str, of: str) -> bool:
    """Whether a number is what is left of another without a prefix or a suffix."""
    return bool(runs) and f" {runs} " in f" {of} "


def alike(number: str) -> str:
    """Return a number with the letters that are taken for digits (O and 0, I and 1, …) as these digits."""
    return joined(number).translate(_ALIKE)


def is_close(one: str, other: str) -> bool:
    """Whether two numbers differ by one typing error, or in longer ones by two. Needs rapidfuzz.

    Of numbers, or of their runs. An error is a character left out, put in or changed, or two that are
    exchanged. Without rapidfuzz, the extra `match`, no two numbers are close.
    """
    mine, theirs = alike(one), alike(other)
    return _distance is not None and (
        _distance(mine, theirs, score_cutoff=2) <= _errors(min(len(mine), len(theirs)))
    )


def _plain(number: str) -> str:
    """Return a number stripped, in upper case, with the digits and letters of other scripts in Latin form."""
    text = number.strip().upper()
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(one)) if one.isdigit() else one for one in text)


def _without_years(text: str, about: int) -> tuple[str, int]:
    """Return a number without its financial year, and the year, -1 for none.

    Of `25/26-27` it is the document's own year if that is there, else the one before, else the one after.
    """
    for wanted in (about, about - 1, about + 1):
        place, left = 0, text
        while years := _YEARS.search(left, place):
            place = years.start() + 1  # of `14/2026-27` the first two are none, and the last two are one
            if _begins(years) == wanted % 100:
                left = f"{left[: years.start()]} {left[years.end() :]}"
        if left != text:
            return left, wanted % 100
    return text, -1


def _begins(years: re.Match[str]) -> int:
    """Return the first of two years, -1 if the second does not follow it."""
    first, second = int(years["first"]) % 100, int(years["second"]) % 100
    return first if second == (first + 1) % 100 else -1


def _without_zeros(run: str) -> str:
    return run.lstrip("0") or "0" if run.isdigit() else run


def _cuts(number: str) -> set[int]:
    """Return where a number has separators: after how many letters and digits."""
    cuts, length = set(), 0
    for part in re.split(r"[\W_]+", _plain(number))[:-1]:
        length += len(part)
        cuts.add(length)
    return cuts


def _errors(length: int) -> int:
    return 0 if length < _FOR_ONE_ERROR else 1 if length < _FOR_TWO_ERRORS else 2

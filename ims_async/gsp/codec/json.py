"""Read JSON value by value, with one row in memory at a time, by the standard library's C scanner.

`json_text` writes any value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from decimal import Decimal
from enum import Enum, auto
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final

from ...errors import UnexpectedAnswer
from ...lazy import pattern


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
# The C scanner behind the decoder: reads one value at a place and says where it ended.
SCAN: Final[Callable[[str, int], tuple[Any, int]]] = vars(DECODER)["scan_once"]


def parse_json(body: bytes) -> Any:
    """Parse JSON with exact decimals. Raises `UnexpectedAnswer` that shows how the body begins."""
    try:
        return DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise UnexpectedAnswer(
            f"the answer is not JSON ({type(error).__name__}: {error}); it begins {body[:60]!r}",
            problems=["$: not JSON"],
            body=body,
        ) from None


class Pause(Enum):
    """Yielded by a conversation in long work: nothing is sent, other tasks get a turn."""

    PAUSE = auto()


PAUSE: Final = Pause.PAUSE

_SPACE: Final = pattern(r"[ \t\r\n]*")
DEEPEST: Final = 64  # levels of one value; a deeper one could be read, but not shown or written


def check_depth(value: Any) -> None:
    """Raise `ValueError` for a value with too many levels."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for node in level
            if isinstance(node, dict | list)
            for inner in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise ValueError(f"a value of more than {DEEPEST} levels")


def json_text(value: Any, depth: int = 0) -> str:
    """Write any JSON value with exact decimals.

    Raises `TypeError` for another type, `ValueError` for too many levels or a number too long to read back.
    """
    if depth > DEEPEST:  # also a value that contains itself
        raise ValueError(f"a value of more than {DEEPEST} levels")
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)  # with its exponent, if it has one: JSON allows it, and it avoids endless zeros
    if isinstance(value, dict):
        members = (f"{_key_text(key)}:{json_text(item, depth + 1)}" for key, item in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([json_text(item, depth + 1) for item in value]) + "]"
    raise TypeError(f"{value!r:.60} ({type(value).__name__}) is not a JSON value")


def _key_text(key: object) -> str:
    if not isinstance(key, str):  # converted to text it would be another key
        raise TypeError(f"the key {key!r:.60} ({type(key).__name__}) is not text")
    return quote(key)


class Scanner:
    """A cursor over JSON text that reads one value at a time with the standard library's C scanner."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def value(self) -> Any:
        """Read the next value, of any type."""
        start = self._skip()
        found, self.at = DECODER.raw_decode(self.text, start)
        self._look(found, start)
        return found

    def members(self, *, once: bool = False) -> Iterator[str]:
        """Yield an object's keys; the caller must read each value before the next key.

        `once` refuses a key that is there twice, of which a parser would drop one, and two readings add up.
        """
        keys = set()
        for _ in self._each("{", "}"):
            key = self.value()
            if not isinstance(key, str):
                raise ValueError(f"a key that is not text at character {self.at}")  # noqa: TRY004 # as JSON errors are
            if once and key in keys:
                raise ValueError(f"the key {key!r:.60} is there twice, at character {self.at}")
            keys.add(key)
            self._expect(":")
            yield key

    def elements(self) -> Iterator[Any]:
        """Yield an array's elements, each read on demand."""
        scan, text = SCAN, self.text
        for _ in self.steps():
            start = self._skip()
            found, self.at = scan(text, start)
            self._look(found, start)
            yield found

    def steps(self) -> Iterator[None]:
        """Step through an array; the caller must read each element before the next step."""
        return self._each("[", "]")

    def _each(self, opening: str, closing: str) -> Iterator[None]:
        """Step from one member or element to the next; the caller reads each."""
        self._expect(opening)
        more = not self.begins(closing)
        if not more:
            self.at += 1
        while more:
            yield
            start = self._skip()
            more = self.text.startswith(",", start)
            if not (more or self.text.startswith(closing, start)):
                raise ValueError(f"',' expected at character {start}")
            self.at = start + 1

    def _look(self, found: Any, start: int) -> None:
        """Check the depth of a value, if it has enough brackets to be too deep."""
        if self.text.count("{", start, self.at) + self.text.count("[", start, self.at) > DEEPEST:
            check_depth(found)

    def begins(self, character: str) -> bool:
        """Return whether the next value begins with this character."""
        return self.text.startswith(character, self._skip())

    def end(self) -> None:
        """Check that nothing follows."""
        if self._skip() != len(self.text):
            raise ValueError(f"more text after the end, at character {self.at}")

    def _skip(self) -> int:
        if self.text[self.at : self.at + 1] > " ":
            return self.at  # always, except in pretty-printed answers
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.at

    def _expect(self, character: str) -> None:
        if not self.begins(character):
            raise ValueError(f"{character!r} expected at character {self.at}")
        self.at += 1


def scanned(
    body: bytes, walk: Callable[[Scanner], Generator[Pause, Any, None]]
) -> Generator[Pause, Any, None]:
    """Let `walk` read a body to its end. Raises `UnexpectedAnswer` if it is cut short or not JSON."""
    try:
        scanner = Scanner(body.decode("utf-8-sig"))
        yield from walk(scanner)
        scanner.end()
    except (ValueError, ArithmeticError, RecursionError, StopIteration, RuntimeError) as error:
        place = f"answer of {len(body)} bytes is cut short or not JSON: {str(error) or type(error).__name__}"
        raise UnexpectedAnswer(f"the {place}", problems=[f"$: {place}"], body=body) from None

"""Read JSON value by value, with one row in memory at a time, by the standard library's C scanner.

`json_text` writes any value.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from decimal import Decimal
from enum import Enum, auto
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final, Protocol, cast

from ...errors import UnexpectedAnswer
from ...lazy import pattern


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
# The C scanner behind the decoder: reads one value at a place and says where it ended.
SCAN: Final[Callable[[str, int], tuple[Any, int]]] = vars(DECODER)["scan_once"]
NO_JSON: Final = (ValueError, ArithmeticError, RecursionError, StopIteration)  # what it raises


def parse_json(body: bytes) -> Any:
    """Parse JSON with exact decimals. Raises `UnexpectedAnswer` that shows how the body begins."""
    try:
        return DECODER.decode(body.decode().removeprefix("\ufeff"))
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

_SLICE: Final = 16_384  # characters: some forty rows
_LONGEST_KEY: Final = 40
_SPACE: Final = pattern(r"[ \t\r\n]*")
LARGE: Final = 65_536  # bytes: a longer body is parsed in steps (`stepwise`), where it is needed as a whole
DEEPEST: Final = 64  # levels of one value; a deeper one could be read, but not shown or written


def check_depth(value: Any, levels: int = DEEPEST) -> None:
    """Raise `ValueError` for a value with too many levels."""
    level = [value]
    for _ in range(levels):
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


def _opened(text: str, start: int, end: int) -> int:
    """Return how many brackets open: to look for none or the only one is faster than to count."""
    first = text.find("[", start, end)
    if first >= 0 and first != text.rfind("[", start, end):
        return text.count("{", start, end) + text.count("[", start, end)
    return text.count("{", start, end) + (first >= 0)


class Cursor(Protocol):
    """What the members of an object are read by, value by value."""

    def begins(self, character: str) -> bool:
        """Return whether the next value begins with this character, `{` or `[`."""

    def value(self) -> Any:
        """Read the next value, of any type."""

    def members(self) -> Iterable[str]:
        """Yield an object's keys; the caller must read each value before the next key."""

    def batches(self) -> Iterable[list[Any]]:
        """Yield an array's elements, some at a time."""


class Parsed:
    """A cursor over an object that was parsed in one piece."""

    __slots__ = ("_facts", "_value")

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._value: Any = None

    def begins(self, character: str) -> bool:
        """Return whether the next value is an object, or an array."""
        return type(self._value) is (dict if character == "{" else list)

    def value(self) -> Any:
        """Return the next value."""
        return self._value

    def members(self) -> Iterable[str]:
        """Yield the object's keys."""
        for key, value in self._facts.items():
            self._value = value
            yield key

    def batches(self) -> Iterable[list[Any]]:
        """Return an array's elements, all at once."""
        return (self._value,) if self._value else ()


_SMALL: Final = 4096  # bytes; the rows of a larger answer are read sooner by the scanner below
_MOST_KEYS: Final = 16


def parse_small(body: bytes, path: Sequence[str]) -> Parsed | None:
    """Parse a small answer in one piece, for its object at a path of keys.

    None if anything is not as it should be: the scanner will say what. A parser drops the first of two equal
    keys. So those of the path and of the object must not be found a second time, be it within another text;
    nor a `\\u`, by which a key may be spelled in another way.
    """
    if len(body) > _SMALL:
        return None
    try:
        text = body.decode()
        facts, end = SCAN(text, 0)
        for key in path:
            facts = facts[key]
        keys = (*path, *facts)
    except (*NO_JSON, LookupError, TypeError):
        return None
    if type(facts) is not dict or end < len(text) or _opened(text, 0, end) > DEEPEST:
        return None
    if len(keys) > _MOST_KEYS or ("\\" in text and "\\u" in text):
        return None
    for key in {*keys}:
        if text.count(f'"{key}"') != keys.count(key):
            return None
    return Parsed(facts)


class Scanner:
    """A cursor over JSON text that reads one value at a time with the standard library's C scanner."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.levels = DEEPEST  # of the values that are read next
        self._between = "},{"  # how an element ends and the next one begins, as last seen

    def value(self) -> Any:
        """Read the next value, of any type."""
        start = self._skip()
        found, self.at = DECODER.raw_decode(self.text, start)
        self._look(found, start)
        return found

    def short_value(self) -> list[Any]:
        """Read the next value if it is short, and return it in a list, which is empty otherwise."""
        if not (self.begins("{") or self.begins("[")):
            return [self.value()]
        start = self.at
        try:
            found, length = SCAN(self.text[start : start + _SLICE], 0)
        except NO_JSON:
            return []
        self.at = start + length
        self._look(found, start)
        return [found]

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

    def objects(self, path: Sequence[str]) -> Iterator[None]:
        """Step to each object at a path of keys; the caller must read it before the next step."""
        if not path:
            yield
            return
        for key in self.members():
            if key == path[0] and self.begins("{"):
                yield from self.objects(path[1:])
            else:
                self.value()

    def batches(self) -> Iterator[list[Any]]:
        """Yield an array's elements, those of 16 kB by one call of the scanner.

        Where that fails, as many characters are read element by element, and what is no JSON has its place in
        the error; so nothing is read more than twice.
        """
        for found in self.slices():
            if not found:
                start = self.at
                one, self.at = SCAN(self.text, start)
                self._look(one, start)
                found.append(one)
            yield found

    def slices(self) -> Iterator[list[Any]]:
        """Yield an array's elements as `batches` does; an empty list has the caller read the next one."""
        alone, end = 0, 0  # read element by element up to here; where the last one so read ended
        for _ in self.steps():
            start = self._skip()
            if end:  # up to the first key: within an element another one may follow its like, too
                key = self.text.find(":", start, start + _LONGEST_KEY)
                self._between = self.text[end - 1 : max(start, key) + 1]
            found, end = [], 0
            if start >= alone:
                found = self._slice(start)
                alone = start if found else start + _SLICE
            alone_now = not found
            yield found
            if alone_now:
                end = self.at

    def _slice(self, start: int) -> list[Any]:
        """Read the elements of the next 16 kB; none if they do not end where one seems to end."""
        cut = self.text.rfind(self._between, start, start + _SLICE)
        if cut < 0:
            return []
        try:
            found, end = SCAN(f"[{self.text[start : cut + 1]}]", 0)
            end += start - 2  # at a comma, or where the array ends if that is nearer
            if _opened(self.text, start, end) - len(found) >= self.levels or {*map(type, found)} != {dict}:
                check_depth(found, self.levels + 1)  # which of them fails is said where each is read alone
        except NO_JSON:
            return []
        self.at = end
        return cast("list[Any]", found)

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
        if _opened(self.text, start, self.at) > self.levels:
            check_depth(found, self.levels)

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
    except (*NO_JSON, RuntimeError) as error:
        place = f"answer of {len(body)} bytes is cut short or not JSON: {str(error) or type(error).__name__}"
        raise UnexpectedAnswer(f"the {place}", problems=[f"$: {place}"], body=body) from None

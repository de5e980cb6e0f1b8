"""Packed answers, unpacked in bounded steps: a few kilobytes can hold gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from ..errors import UnexpectedAnswer

_AT_ONCE: Final = 1024 * 1024  # bytes; a bomb goes off in steps of this size
_TAKEN: Final = 64 * 1024  # bytes; zlib copies what is left of them after each of many small members
_IDLE: Final = 64 * 1024  # bytes that may come to little: beyond them, packing makes smaller


def _as_it_is(part: bytes) -> tuple[bytes]:
    return (part,)


class Gunzip:
    """Unpacks gzip as it arrives, in pieces of bounded size. https://www.rfc-editor.org/rfc/rfc1952"""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False
        self._taken = self._given = 0

    def __call__(self, data: bytes) -> Iterator[bytes]:
        """Unpack what came. Raises `UnexpectedAnswer` for packing without content, which need never end."""
        self._begun = True
        for start in range(0, len(data), _TAKEN):
            packed = data[start : start + _TAKEN]
            for part in self._unpack(packed):
                self._given += len(part)
                if part:
                    yield part
            self._taken += len(packed)
            if self._taken > _IDLE + 2 * self._given:
                raise UnexpectedAnswer("the packed answer is larger than what is in it")

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        while True:
            yield self._member.decompress(data, _AT_ONCE)
            data = self._member.unconsumed_tail
            if self._member.eof:
                data = self._member.unused_data
                if not data:
                    return
                self._member = zlib.decompressobj(wbits=31)
            elif not data:
                return

    @property
    def complete(self) -> bool:
        """Whether nothing is missing; zlib itself does not mind an end in the middle."""
        return self._member.eof or not self._begun


def unpacker(encoding: str) -> Callable[[bytes], Iterator[bytes] | tuple[bytes]]:
    """Return what unpacks an answer of this `Content-Encoding`. Raises `UnexpectedAnswer` for another."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _as_it_is
    if name in ("gzip", "x-gzip"):
        return Gunzip()
    raise UnexpectedAnswer(f"the answer is packed as {name[:20]!r}, which was not asked for")

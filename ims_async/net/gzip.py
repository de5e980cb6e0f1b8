"""Decompress gzip answers in bounded steps: a few kilobytes can hold gigabytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

from ..errors import UnexpectedAnswer

_AT_ONCE: Final = 1024 * 1024  # bytes; the most that one step decompresses
_TAKEN: Final = (
    64 * 1024
)  # bytes of input per step; zlib copies the rest of them after each of many small members
_IDLE: Final = (
    64 * 1024
)  # bytes of input that may give little output; beyond them compression must save space


def _as_it_is(part: bytes) -> tuple[bytes]:
    return (part,)


class Gunzip:
    """Decompress gzip as it arrives, in pieces of bounded size. https://www.rfc-editor.org/rfc/rfc1952"""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False
        self._taken = self._given = 0

    def __call__(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next bytes. Raises `UnexpectedAnswer` for gzip with almost no content."""
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
        """Whether nothing is missing; zlib itself does not report a truncated stream."""
        return self._member.eof or not self._begun


def unpacker(encoding: str) -> Callable[[bytes], Iterator[bytes] | tuple[bytes]]:
    """Return the decompressor for a `Content-Encoding`. Raises `UnexpectedAnswer` for an unknown one."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _as_it_is
    if name in ("gzip", "x-gzip"):
        return Gunzip()
    raise UnexpectedAnswer(f"the answer is packed as {name[:20]!r}, which was not asked for")

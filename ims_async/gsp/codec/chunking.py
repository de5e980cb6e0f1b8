"""Split batches that are too large for one request, by the size of their bodies in bytes.

Each record is written once, and the sizes are added up; to find the size of a chunk by trying would write
each record several times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from ...errors import PayloadTooLarge
from ...model.records import Decision, Invoice
from ...model.status import JobKind
from ...model.vocabulary import Section
from .json import PAUSE, Pause
from .writing import TAIL, PackedBody, content_of, head_of, reset_row, save_row

Record = Decision | Invoice

_ROWS_PER_TURN: Final = 200


@attrs.frozen
class Chunk:
    """Records that are sent in one request, and their body."""

    records: tuple[Record, ...] = attrs.field(repr=lambda records: f"<{len(records):,}>")
    body: PackedBody


class _Open:
    """A chunk that is being filled. `size` is that of its body, in bytes."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self.records: list[Record] = []
        self.size = len(head) + len(TAIL)
        self._fresh: dict[Section, list[str]] = {}
        self._written: dict[Section, list[bytes]] = {}

    def grows_by(self, section: Section, row: str) -> int:
        """Return by how many bytes one more row enlarges the body."""
        if section in self._fresh or section in self._written:
            return len(row) + 1
        return len(row) + len(section) + _BRACKETS + (1 if self.records else 0)

    def add(self, record: Record, row: str, growth: int) -> None:
        self.records.append(record)
        self._fresh.setdefault(record.section, []).append(row)
        self.size += growth

    def settle(self) -> None:
        """Encode the last rows; to encode one long text at the end would block the event loop."""
        for section, rows in self._fresh.items():
            self._written.setdefault(section, []).append(",".join(rows).encode("ascii"))
        self._fresh.clear()

    def close(self) -> Chunk:
        """Make the chunk, and drop all references to its records."""
        self.settle()
        body = PackedBody(content_of(self._head, self._written), len(self.records))
        records, self.records, self._written = tuple(self.records), [], {}
        return Chunk(records, body)


_BRACKETS: Final = len('"":[]')


def pack_chunks(
    gstin: str,
    kind: JobKind,
    records: Sequence[Record],
    *,
    limit: int,
    aim: int | None = None,
    most: int | None = None,
) -> Iterator[Chunk | Pause]:
    """Split records into chunks of at most `limit` bytes and `most` records; yields `PAUSE` in between.

    The order is kept, no record is split or lost, and each chunk but the last is as full as possible. Chunks
    are made on demand. A smaller `aim` (bytes) is exceeded by chunks of a single record only. Raises
    `PayloadTooLarge` for a single record over the limit.
    """
    aim = limit if aim is None else min(aim, limit)
    head = head_of(gstin, kind)
    chunk = _Open(head)
    for place, record in enumerate(records):
        if place % _ROWS_PER_TURN == _ROWS_PER_TURN - 1:
            chunk.settle()
            yield PAUSE
        row = save_row(record) if isinstance(record, Decision) else reset_row(record)
        growth = chunk.grows_by(record.section, row)
        if chunk.records and (chunk.size + growth > aim or len(chunk.records) == most):
            yield chunk.close()
            chunk = _Open(head)
            growth = chunk.grows_by(record.section, row)
        if chunk.size + growth > limit:
            raise PayloadTooLarge(
                f"record {place + 1} ({record.key}) alone makes a body of {chunk.size + growth:,} bytes, "
                f"over the limit of {limit:,}; it was not sent, nor was any behind it",
                size=chunk.size + growth,
                limit=limit,
            )
        chunk.add(record, row, growth)
    if chunk.records:
        yield chunk.close()

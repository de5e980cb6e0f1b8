"""Split batches that are too large for one request, by the size of their bodies in bytes.

Each record is written once, and the sizes are added up; to find the size of a chunk by trying would write
each record several times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from ...errors import PayloadTooLarge
from ...model.records import Record
from ...model.status import JobKind
from ...model.vocabulary import Section
from .json import PAUSE, Pause
from .writing import ROWS_PER_TURN, OpenBody, PackedBody, write_row

_BRACKETS: Final = len('"":[]')


@attrs.frozen
class Chunk:
    """Records that are sent in one request, and their body."""

    records: tuple[Record, ...] = attrs.field(repr=lambda records: f"<{len(records):,}>")
    body: PackedBody


class _Open(OpenBody):
    """A chunk that is being filled. `size` is that of its body, in bytes."""

    def __init__(self, gstin: str, kind: JobKind) -> None:
        super().__init__(gstin, kind)
        self.records: list[Record] = []
        self.size = len(self.content())

    def grows_by(self, section: Section, row: str) -> int:
        """Return by how many bytes one more row enlarges the body."""
        if section in self.rows or section in self.settled:
            return len(row) + 1
        return len(row) + len(section) + _BRACKETS + (1 if self.records else 0)

    def close(self) -> Chunk:
        """Make the chunk, and drop all references to its records."""
        body = PackedBody(self.content(), len(self.records))
        records, self.records, self.settled = tuple(self.records), [], {}
        return Chunk(records, body)


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
    chunk = _Open(gstin, kind)
    for place, record in enumerate(records):
        if place % ROWS_PER_TURN == ROWS_PER_TURN - 1:
            chunk.settle()
            yield PAUSE
        section, row = write_row(record)
        size = chunk.size + chunk.grows_by(section, row)
        if chunk.records and (size > aim or len(chunk.records) == most):
            yield chunk.close()
            chunk = _Open(gstin, kind)
            size = chunk.size + chunk.grows_by(section, row)
        if size > limit:
            raise PayloadTooLarge(
                f"record {place + 1} ({record.key}) alone makes a body of {size:,} bytes, "
                f"over the limit of {limit:,}; it was not sent, nor was any behind it",
                size=size,
                limit=limit,
            )
        chunk.rows[section].append(row)
        chunk.records.append(record)
        chunk.size = size
    if chunk.records:
        yield chunk.close()

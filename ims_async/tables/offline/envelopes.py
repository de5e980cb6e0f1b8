"""Open a JSON file of the offline tool; any other file gets a sentence that says which one is wanted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from json import JSONDecoder
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs

from ...gsp.codec.json import check_depth
from ...model.vocabulary import SECTION_ALIASES, Section
from ..problems import FILE_KIND, InvalidFile, Problem
from ..source import LONGEST_FILE


class Kind(StrEnum):
    """The three files of the offline tool; the values are how messages name them."""

    DOWNLOAD = "the portal's download of IMS"
    UPLOAD = "a file to be uploaded"
    ERRORS = "the portal's error file"

    @property
    def key(self) -> str:
        """The key below which its sections are."""
        return _KEYS[self]


_KEYS: Final = {Kind.DOWNLOAD: "imsDetails", Kind.UPLOAD: "invdata", Kind.ERRORS: "imsDetailsErr"}
_WHENCE: Final = {
    Kind.DOWNLOAD: "take the JSON that the portal's IMS dashboard gives under 'Offline', 'Download'",
    Kind.UPLOAD: "take the file that `push --to` wrote and that was uploaded",
    Kind.ERRORS: "take the error file that the portal offers for an upload 'processed with error'",
}
_INSTEAD: Final = {
    Kind.UPLOAD: "name the download that it was made from",
    Kind.ERRORS: "`ims-async outcome upload.json --errors errors.json` (read_outcome) shows what one says",
}
"""What is to be done with a file where a download is wanted."""
# One public tool writes `eco` and `ecoa`, after the names of the Excel tool's sheets.
_SECTIONS: Final = {**SECTION_ALIASES, "eco": Section.ECOM, "ecoa": Section.ECOMA}


@attrs.frozen(kw_only=True)
class Envelope:
    """A file's sections as they are in it, by the section that each is; `other` has all else, by key."""

    file: str
    key: str
    """Below which the sections are."""
    gstin: str | None
    """The recipient's, unchecked, if the file names one."""
    sections: Sequence[tuple[Section, str, list[Any]]]
    other: Mapping[str, Any]


def opened(path: str | os.PathLike[str], wanted: Kind) -> Envelope:
    """Read a file of one kind. Raises `InvalidFile` for any other, which says what to do."""
    name = str(path)
    document = _document(name, _content(name, path))
    found = next((kind for kind in Kind if isinstance(document.get(kind.key), dict)), None)
    if found is not wanted:
        advice = (
            _INSTEAD.get(found, _WHENCE[wanted]) if found and wanted is Kind.DOWNLOAD else _WHENCE[wanted]
        )
        _refuse(name, f"is {found or _what_else(document)}, and not {wanted}: {advice}")
    details: dict[str, Any] = document[wanted.key]
    rtin = document.get("rtin") or details.get("rtin")
    sections: list[tuple[Section, str, list[Any]]] = []
    other = {key: value for key, value in document.items() if key not in (wanted.key, "rtin", "reqtyp")}
    for key, rows in details.items():
        section = _SECTIONS.get(key.lower())
        if section is None:
            other |= {} if key == "rtin" else {key: rows}
        elif isinstance(rows, list):
            sections.append((section, key, rows))
        elif rows is not None:
            _refuse(name, f"holds {wanted.key}.{key} that is not a list of records: {_ANEW}")
    if not isinstance(rtin, str | None):
        _refuse(name, f"names a recipient (rtin) that is not text: {_ANEW}")
    gstin = rtin.strip().upper() if rtin else None
    return Envelope(file=name, key=wanted.key, gstin=gstin or None, sections=sections, other=other)


_ANEW: Final = "download it anew, and leave it as it is"


def _content(name: str, path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LONGEST_FILE + 1)
    except OSError as error:
        _refuse(name, f"cannot be read: {(error.strerror or str(error)).lower()}")
    except ValueError as error:  # a NUL in the name
        _refuse(repr(name), f"cannot be read: {error}")
    if len(content) > LONGEST_FILE:
        _refuse(name, f"is larger than {LONGEST_FILE:,} bytes, which no download is")
    if content.startswith((b"PK\x03\x04", b"\x1f\x8b")):
        _refuse(name, "is packed (a ZIP archive, or a workbook): unpack it, and name the .json file in it")
    if not content.strip():
        _refuse(name, f"is empty: {_ANEW}")
    return content


def _document(name: str, content: bytes) -> dict[str, Any]:
    """Parse a JSON object with exact decimals; a key that stands twice would hide what the first one has."""
    try:
        document = _DECODER.decode(content.decode("utf-8-sig"))
        check_depth(document)
    except _TwiceError as error:
        _refuse(
            name,
            f"has the key {error.args[0]!r:.60} twice in one object, of which one would be lost: {_ANEW}",
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        _refuse(name, f"is not JSON ({error}): {_ANEW}")
    if not isinstance(document, dict):
        _refuse(name, f"is JSON, but not {Kind.DOWNLOAD}: {_WHENCE[Kind.DOWNLOAD]}")
    return document


class _TwiceError(Exception):
    """A key stands twice in one object."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER: Final = JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_members
)


def _what_else(document: Mapping[str, Any]) -> str:
    """Name a JSON file that is none of the offline tool's."""
    data = document.get("data")
    keys = {*document, *(data if isinstance(data, dict) else ())}
    if keys & {"docdata", "itcsumm", "cpsumm", "docRejdata"}:
        return "a GSTR-2B"
    if keys & {"status_cd", "transaction_id", "error_cd"} or any(key.lower() in _SECTIONS for key in keys):
        return "an answer of an API, or of a page of the portal"
    return f"a JSON file of another kind (it has: {', '.join(document)[:100] or 'nothing'})"


def _refuse(name: str, what: str) -> NoReturn:
    message = f"{name} {what}"
    raise InvalidFile(message, problems=[Problem(message, kind=FILE_KIND, file=name)]) from None

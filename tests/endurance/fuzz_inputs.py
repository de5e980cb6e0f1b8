"""Strange inputs for `tests.endurance.fuzz`: samples changed byte by byte, and JSON changed node by node."""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

Bytes = Callable[[bytes, random.Random], bytes]

# What JSON cannot hold as a value, written in place of a string when the text is made.
_RAW: Final = {
    "«raw0»": b"NaN", "«raw1»": b"Infinity", "«raw2»": b"-Infinity", "«raw3»": b"1e999", "«raw4»": b"-0",
    "«raw5»": b"1E+999999999", "«raw6»": b"1e-999999999", "«raw7»": b"9" * 4300, "«raw8»": b"9" * 5000,
    "«raw9»": b"1e99999999999999999999", "«rawA»": b"-0.0e-0", "«rawB»": b'"\\ud800"',
    "«rawC»": b'"\\udc00x"',
    "«rawD»": b"0." + b"3" * 3000, "«rawE»": b'"\xff\xfe"', "«rawF»": b'"\x00"', "«rawG»": b"01",
    "«rawH»": b'{"a":1,"a":2}', "«rawI»": b"1" * 19, "«rawJ»": b"-1", "«rawK»": b"12345678901234567.891",
    "«rawL»": b'"a\nb"', "«rawM»": b"1e400", "«rawN»": b'"\\ud83d\\ude00"',
}  # fmt: skip
_RAW_PLACE: Final = re.compile("|".join(f'"{re.escape(json.dumps(name)[1:-1])}"' for name in _RAW).encode())
_RAW_TEXTS: Final = {json.dumps(name).encode(): text for name, text in _RAW.items()}

_WORDS: Final = (
    *("S", "PE", "ER", "P", "IP", "REC", "s", " S ", "\u017f", "\u017f\u017f", "SS", "PS"),
    *("\uff33", "pe", "S\0"),
    *("completed", "processing", "failed", "Completed", "rejected", "timed_out", "0", "1", "00", "success"),
    *("RTN_24", "IMSSAV0015", "IMSSAV0010", "RET11416", "RET11402", "AUTH4033", "RETOTPREQUEST", "TEC4001"),
    *("err-expired-token", "err-invalid-token", "err-gstn-returned-error", "err-invalid-org", "IMS0027"),
    *("err-active-tokens-limit-exceeded", "err-gateway-timed-out", "err-too-many-requests"),
    *("Access token expired", "Insufficient balance", "Invalid session", "API key expired"),
    *("05-11-2024", "31-02-2024", "112024", "132024", "A", "N", "Y", "Filed", "b2b", "B2BCN", "cn", "ecom"),
    *("task-id", "reference_id", "token", "est", "status_cd", "error", "gstn-err", "data"),
    *("a.b.c", "x" * 5000),
    *("eyJ.eyJleHAiOjFlOTk5fQ.x", "e30.eyJleHAiOiAxfQ.s", "29AAACQ3770E1ZF", "1731000000000"),
    *("//[", "http://[::1"),
    *("=1+1", "@x", "../..", "%", "a b", "\t"),
    *("\u2028", "\u0130", "\U0001f600", "\r\nx-evil: 1"),
)  # fmt: skip
STRANGE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 10**30, -(10**18), 0.5, 1e308, "", [], {}, [[]], [{}], {"": ""}),
    *({"a": None}, [1, "a"], ["Y"], {"data": {}}, {"status_cd": "S"}, [{"data": {"status_cd": "S"}}]),
    *({"message": {"message": {}}}, {"gstn-err": {"error-code": 5}}, {"task": {"status": []}}, [0] * 300),
    *_RAW,
    *_WORDS,
)  # fmt: skip
_PIECES: Final = (
    *(b"NaN", b"1e999", b"-0", b"9" * 5000, b'"\\ud800"', b"\xff\xfe", b"\xef\xbb\xbf", b"\0", b"\\"),
    *(b'"', b"\\u"),
    *(b"{", b"}", b"[", b"]", b",", b":", b"[[[[", b'{"a":', b"null", b"true", b"\xc3"),
    *(b"\xe2\x80\xa8", b"\xed\xa0\x80"),
    *(b"1E+999999999", b"=", b"'", b";", b"\t", b"\r", b"\n", b"\r\n", b'""', b",,"),
    *(b"\x1f\x8b", b"PK\x03\x04"),
)  # fmt: skip
_NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")


def _flip(text: bytearray, chance: random.Random, _: bytes) -> None:
    text[chance.randrange(len(text))] ^= 1 << chance.randrange(8)


def _put(text: bytearray, chance: random.Random, _: bytes) -> None:
    text[chance.randrange(len(text))] = chance.randrange(256)


def _cut(text: bytearray, chance: random.Random, _: bytes) -> None:
    start = chance.randrange(len(text))
    del text[start : start + chance.choice((1, 2, 5, 20, len(text)))]


def _insert(text: bytearray, chance: random.Random, _: bytes) -> None:
    start = chance.randrange(len(text) + 1)
    text[start:start] = chance.choice(_PIECES)


def _double(text: bytearray, chance: random.Random, _: bytes) -> None:
    start = chance.randrange(len(text))
    piece = text[start : start + chance.choice((1, 8, 60, 300))]
    text[start:start] = piece * chance.choice((1, 2, 30))


def _splice(text: bytearray, chance: random.Random, other: bytes) -> None:
    text[chance.randrange(len(text)) :] = other[chance.randrange(len(other) + 1) :]


def _number(text: bytearray, chance: random.Random, _: bytes) -> None:
    start = chance.randrange(len(text))
    if found := _NUMBER.search(text, start):
        text[found.start() : found.end()] = chance.choice(list(_RAW_TEXTS.values()))


_CHANGES: Final = (_flip, _put, _cut, _insert, _insert, _double, _splice, _number)


def changed_bytes(body: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Change bytes in one to four places."""
    text = bytearray(body)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not text:
            break
        chance.choice(_CHANGES)(text, chance, chance.choice(others))
    return bytes(text)


_CELLS: Final = re.compile(rb"([,;\t\r\n]+)")


def _changed_cells(body: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Put something strange, or a cell from elsewhere, into one to three cells of a table."""
    pieces = _CELLS.split(body)
    for _ in range(chance.choice((1, 1, 2, 3))):
        word = chance.choice((*_WORDS, *_CSV_WORDS)).encode("utf-8", "surrogatepass")
        elsewhere = chance.choice(_CELLS.split(chance.choice(others)))
        strange = chance.choice((word, word, elsewhere, chance.choice(list(_RAW_TEXTS.values()))))
        pieces[chance.randrange(len(pieces))] = strange
    return b"".join(pieces)


_CSV_WORDS: Final = (
    *("igst=1", "igst=1;igst=2", "igst=1e5", "none", "full", "cess=00000.10", "=1+1", "'=1", "''"),
    *('"', '"a"', "x" * 40_000),
    *("2024-11-05", "5.11.24", "45601", "05-11-2024\n", "\ud800", "\u0661\u0662-11-2024"),
    *("\u00b2", " ", "a" * 17, "00"),
)  # fmt: skip


# -- JSON, node by node ----------------------------------------------------------------------------------

_Path = tuple[str | int, ...]


@functools.lru_cache(maxsize=4096)
def _tree(body: bytes) -> tuple[Any, list[_Path]] | None:
    """The value of a sample and the path of every node in it; None for what is no JSON."""
    try:
        value = json.loads(body)
    except ValueError:
        return None
    paths: list[_Path] = [()]
    for path in paths:  # it grows meanwhile
        node = _at(value, path)
        keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        paths.extend((*path, key) for key in keys)
    return value, paths


def _at(value: Any, path: _Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _replaced(value: Any, path: _Path, change: Callable[[Any], Any]) -> Any:
    """A copy with one node changed; the rest is shared."""
    if not path:
        return change(value)
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if path[0] not in keys:
        return value  # an earlier change has taken it away
    copy = value.copy()
    copy[path[0]] = _replaced(copy[path[0]], path[1:], change)
    return copy


def _without(node: Any, chance: random.Random) -> Any:
    copy = node.copy()
    if not copy:
        return copy
    del copy[chance.choice(list(copy)) if isinstance(copy, dict) else chance.randrange(len(copy))]
    return copy


def _renamed(node: Any, chance: random.Random) -> Any:
    if isinstance(node, list) or not node:
        return [*node, *node]
    old = chance.choice(list(node))
    new = chance.choice((old.upper(), f"{old} ", "", "«hash»", chance.choice(_WORDS)))
    return {new if key == old else key: value for key, value in node.items()}


def _changed_node(node: Any, chance: random.Random, others: Sequence[bytes]) -> Any:
    way = chance.random()
    if isinstance(node, dict | list) and way < 0.4:
        return (_without if way < 0.2 else _renamed)(node, chance)
    if way < 0.5:
        return chance.choice(([node], {"a": node}, [node] * 3, {"data": node}))
    if way < 0.6 and (tree := _tree(chance.choice(others))):
        return _at(tree[0], chance.choice(tree[1]))
    return chance.choice(STRANGE)


def changed_json(body: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Replace one to three nodes by something strange; what is no JSON is changed byte by byte."""
    tree = _tree(body)
    if tree is None:
        return (_changed_cells if chance.random() < 0.6 else changed_bytes)(body, others, chance)
    value, paths = tree
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        value = _replaced(value, chance.choice(paths), lambda node: _changed_node(node, chance, others))
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
    text = text.replace("«".encode(), b"\\u00ab").replace("»".encode(), b"\\u00bb")
    strange: bytes = _RAW_PLACE.sub(_raw_text, text)
    return strange


def _raw_text(found: re.Match[bytes]) -> bytes:
    return _RAW_TEXTS[found.group()]


_DEPTHS: Final = (20, 100, 200, 320, 480, *range(880, 1000, 4), 5_000)


def deep(body: bytes, chance: random.Random) -> bytes:
    """Bury a node of a sample, or put something deep in its place."""
    depth, (opening, closing) = chance.choice(_DEPTHS), chance.choice(((b"[", b"]"), (b'{"a":', b"}")))
    buried: bytes = opening * depth + b"1" + closing * depth
    tree = _tree(body)
    if tree is None:
        return buried
    marked = _replaced(tree[0], chance.choice(tree[1]), lambda _: "«deep»")
    text = json.dumps(marked).encode()
    return text.replace(json.dumps("«deep»").encode(), buried)


def changed(body: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """Change a sample in any of these ways."""
    way = chance.random()
    if way < 0.02:
        return deep(body, chance)
    text = changed_json(body, others, chance) if way < 0.65 else changed_bytes(body, others, chance)
    return changed_bytes(text, others, chance) if way > 0.97 or 0.6 < way < 0.65 else text


# -- a megabyte of it --------------------------------------------------------------------------------------


def _grown(body: bytes, content: bytes) -> bytes:
    """Put content in the place of the outermost list, or else of something deep inside."""
    tree = _tree(body)
    if tree is None:
        return content
    lists = [path for path in tree[1] if isinstance(_at(tree[0], path), list)]
    path = min(lists, key=len) if lists else max(tree[1], key=len)
    text: bytes = json.dumps(_replaced(tree[0], path, lambda _: "«big»")).encode()
    return text.replace(json.dumps("«big»").encode(), content)


_ELEMENTS: Final = {
    "numbers": b"1",
    "long numbers": b"9" * 4200,
    "exponents": b"1e999999999",
    "texts": b'"a"',
    "nulls": b"null",
    "empty lists": b"[]",
    "empty objects": b"{}",
    "objects": b'{"a":{"b":[1]}}',
}


def _rows_of(body: bytes) -> dict[str, bytes]:
    """The first row of a sample, whole and with a field missing."""
    value, paths = _tree(body) or ({}, [()])
    lists = [node for path in paths if isinstance(node := _at(value, path), list) and node]
    row = next((node[0] for node in lists if isinstance(node[0], dict) and node[0]), None)
    if row is None:
        return {}
    kinds = {"rows": row, "rows without a field": dict(list(row.items())[1:])}
    return {name: json.dumps(kind).encode() for name, kind in kinds.items()}


def _many(element: bytes, size: int) -> bytes:
    return b"[" + b",".join([element] * (size // (len(element) + 1))) + b"]"


def big(body: bytes, size: int) -> dict[str, bytes]:
    """Long inputs of about `size` bytes, by what is long in them."""
    found = {name: _grown(body, _many(row, size)) for name, row in (_ELEMENTS | _rows_of(body)).items()}
    keys = b"{" + b",".join(b'"k%d":%d' % (place, place) for place in range(size // 14)) + b"}"
    same = b"{" + b",".join([b'"b2b":[]'] * (size // 9)) + b"}"
    found |= {
        "digits": _grown(body, b"9" * size),
        "decimals": _grown(body, b"0." + b"7" * size),
        "one text": _grown(body, b'"' + b"x" * size + b'"'),
        "escapes": _grown(body, b'"' + b"\\ud800" * (size // 6) + b'"'),
        "keys": _grown(body, keys),
        "the same key": _grown(body, same),
        "depth": _grown(body, b"[" * size),
        "depth of objects": _grown(body, b'{"a":' * (size // 5)),
        "space": body + b" " * size,
        "space before": b"\n" * size + body,
        "quotes": b'"' * size,
        "backslashes": b'{"a":"' + b"\\" * size,
        "commas": b"," * size,
        "lines": body + b"\n" * size,
        "NULs": b"\0" * size,
        "itself": body * max(size // max(len(body), 1), 1),
    }
    return found

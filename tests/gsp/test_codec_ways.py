"""Invoices of one answer read in different ways: in one piece, in slices, row by row. All say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ims_async import DownloadQueued, Invoice, Section, UnexpectedAnswer
from ims_async.gsp.codec import invoices as codec_invoices
from ims_async.gsp.codec import json as codec_json
from ims_async.gsp.codec import read_invoices
from ims_async.gsp.codec.json import DEEPEST, Scanner, json_text, parse_small
from tests.support import strategies

from ..support.sweeps import examples
from .test_codec_rows import PATH, answer, finish

NEVER: Final = -1


@contextmanager
def limits(*, small: int, slice_: int) -> Iterator[None]:
    """Parse answers of so many bytes in one piece, and longer ones in slices of so many characters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_json, "_SMALL", small)
        patch.setattr(codec_json, "_SLICE", slice_)
        yield


def outcome(
    body: bytes,
    *,
    small: int = NEVER,
    slice_: int = NEVER,
    strict: bool = False,
    taken: list[Invoice] | None = None,
) -> str:
    """Return all that is read of an answer, or all that its error says; rows may be `taken` meanwhile."""
    with limits(small=small, slice_=slice_):
        take = None if taken is None else taken.extend
        reading = read_invoices(body, PATH, strict=strict, recipient="29AAACQ3770E1ZF", take=take)
        try:
            rows, pauses = finish(reading)
        except (UnexpectedAnswer, DownloadQueued) as error:
            return f"{error!r} {getattr(error, 'problems', None)} {vars(error)}"
        return f"{[*(taken or ()), *rows]} {rows.problems} {[*rows.other.items()]} {pauses}"


# -- strange answers ---------------------------------------------------------------------------------------

_SPACES: Final = st.sampled_from(["", "", "", " ", "\n  ", "\t\r\n"])


@st.composite
def written(draw: st.DrawFn, parts: list[str], brackets: str) -> str:
    """Write an array, or an object of members; with any space between them."""
    comma = draw(_SPACES) + "," + draw(_SPACES)
    return f"{brackets[0]}{draw(_SPACES)}{comma.join(parts)}{draw(_SPACES)}{brackets[1]}"


@st.composite
def objects(draw: st.DrawFn, keys: list[str], values: st.SearchStrategy[str]) -> str:
    """Write an object, some keys of which may be there twice."""
    names = draw(st.lists(st.sampled_from(keys), max_size=4))
    colon = draw(st.sampled_from([":", ":", ": ", " :"]))
    return draw(written([f'"{name}"{colon}{draw(values)}' for name in names], "{}"))


_ODD: Final = st.sampled_from(
    ["null", "1", '"data"', '"b2b"', '"a},{b"', '"\\"},{\\""', '"x]"', '"[{"', "[]", "{}",
     '[{"a":1},{"a":2}]',
     '{"val":1,"val":2}', "NaN", "1E+999999", "-", "", "[" * 66 + "]" * 66, '{"a":' * 40 + "1" + "}" * 40,
     '"\\u0064ata"', '"\\ud800"']
)  # fmt: skip
_SECTIONS: Final = ["b2b", "b2b", "B2B", "cn", "ecoma", "impg", "token", "est", "b2\\u0062", "data", "x\\/y"]
_ENVELOPE: Final = ["data", "data", "code", "status_cd", "d\\u0061ta"]


@st.composite
def rows_of(draw: st.DrawFn) -> str:
    """Write a row: one that fits, one that nearly does, or something else."""
    row = json_text(draw(strategies.mutated_rows(draw(strategies.sections()))))
    kind = draw(st.sampled_from(["row", "row", "row", "twice", "more", "odd"]))
    if kind == "odd":
        return draw(_ODD)
    added = {"row": "", "twice": ',"val":7', "more": f',"new":{draw(_ODD)}'}[kind]
    return f"{row[:-1]}{added}}}"


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Write an answer, nearly as it should be."""
    arrays = st.lists(rows_of(), max_size=6).flatmap(lambda rows: written(rows, "[]"))
    inner = objects(_SECTIONS, arrays | arrays | _ODD)
    data = objects(["data", "status_cd"], inner | inner | _ODD)
    wrapped = inner.map(lambda text: f'{{"data":{text}}}')
    text = draw(objects(_ENVELOPE, wrapped | data | _ODD) | wrapped.map(lambda text: f'{{"data":{text}}}'))
    start = draw(st.sampled_from(["", "", "", " ", "\ufeff"]))
    end = draw(st.sampled_from(["", "", "", "\n", "]", "x"]))
    return f"{start}{text}{end}".encode()


_ROW: Final = json_text(strategies.documented_row(Section.B2B))
_DEEP: Final = f'{{"new":{"[" * 70}{"]" * 70}}}'


@settings(max_examples=examples(300))
@given(answers(), st.sampled_from([1, 30, 400, 800, 2000, 16_384]))
@example(
    f'{{"data":{{"data":{{"b2b":[{_ROW},{_ROW}]}}}},"data":{{"data":{{"b2b":[{_ROW}]}}}}}}'.encode(), 400
)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW}],"b2b":[{_ROW}]}}}}}}'.encode(), 400)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW}],"b2\\u0062":[{_ROW}]}}}}}}'.encode(), 400)
@example(f'{{"d\\u0061ta":{{"data":{{"b2b":[{_ROW}]}}}},"data":{{"data":{{}}}}}}'.encode(), 400)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW},{_ROW},]}}}}}}'.encode(), 800)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW},{_ROW}],"cn":[{{}},{{}}]}}}}}}'.encode(), 2000)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW},1,{_ROW}]}}}}}}'.encode(), 2000)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW}]}}}}}}x'.encode(), 400)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW},{_DEEP},{_ROW},{_ROW}]}}}}}}'.encode(), 2000)
@example(f'{{"data":{{"data":{{"b2b":[{"1," * 12}{_DEEP},{_ROW}]}}}}}}'.encode(), 2000)
def test_all_ways_of_reading_an_answer_say_the_same(body: bytes, slice_: int) -> None:
    """The same rows, problems, pauses and other members, or the same error, with any limits."""
    wanted = outcome(body)
    assert outcome(body, slice_=slice_) == wanted
    assert outcome(body, small=1 << 20) == wanted


@settings(max_examples=examples(300))
@given(answers(), st.booleans())
@example(f'{{"data":{{"data":{{"b2b":[{_ROW},{_ROW}],"token":"t"}}}}}}'.encode(), False)
@example(f'{{"data":{{"data":{{"b2b":[{_ROW},{_ROW},{{}}],"cn":[{_ROW}]}}}}}}'.encode(), True)
def test_rows_that_are_taken_as_they_are_read_are_the_same(body: bytes, strict: bool) -> None:
    """And so are problems, pauses and errors: they count what was taken, too."""
    taken: list[Invoice] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_invoices, "_ROWS_PER_TURN", 2)
        assert outcome(body, strict=strict, taken=taken) == outcome(body, strict=strict)


@pytest.mark.parametrize("small", [NEVER, 1_000_000])
def test_an_error_of_who_takes_rows_is_none_of_the_answer(small: int) -> None:
    """Whether that is scanned or read whole."""

    def take(rows: Sequence[Invoice]) -> None:
        raise ValueError(f"of {len(rows)}")

    body = answer(b2b=[strategies.documented_row(Section.B2B)] * 150).encode()
    with limits(small=small, slice_=1000), pytest.raises(ValueError, match=r"^of 100$"):
        finish(read_invoices(body, PATH, take=take))


def test_all_but_the_last_rows_are_taken() -> None:
    """A hundred at each pause."""
    numbered = [{**strategies.documented_row(Section.B2B), "inum": str(place)} for place in range(250)]
    taken: list[list[str]] = []
    reading = read_invoices(
        answer(b2b=numbered).encode(), PATH, take=lambda rows: taken.append([row.number for row in rows])
    )
    rows, _ = finish(reading)
    assert [len(few) for few in (*taken, rows)] == [100, 100, 50]
    assert [*taken[0], *taken[1], *(row.number for row in rows)] == [str(place) for place in range(250)]


def test_the_ways_compared_are_different_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary answer is parsed in one piece if it is small, and else in slices of some rows."""
    body = answer(b2b=[strategies.documented_row(Section.B2B)] * 3).encode()
    assert parse_small(body, PATH) is not None
    with limits(small=NEVER, slice_=1000):
        assert parse_small(body, PATH) is None
        assert [len(rows) for rows in _batches(b"[" + body.partition(b"[")[2].partition(b"]")[0] + b"]")] == [
            2,
            1,
        ]
    assert parse_small(body.replace(b"code", b"data"), PATH) is None
    assert parse_small(answer(b2b=[strategies.documented_row(Section.B2B)] * 20).encode(), PATH) is None


@pytest.mark.parametrize("count", [1, 2, 3, 60])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_a_row_of_the_most_levels_is_read_alone_and_among_others(brackets: str, count: int) -> None:
    """What the other rows are makes no difference to whether a row is too deep."""

    def levels(many: int) -> str:
        opening = "[" if brackets == "[]" else '{"a":'
        return f'{{"new":{opening * (many - 1)}1{brackets[1] * (many - 1)}}}'

    for small in (NEVER, 1 << 20):
        for deep, fits in ((DEEPEST, True), (DEEPEST + 1, False)):
            body = f'{{"data":{{"data":{{"b2b":[{",".join([levels(deep)] * count)}]}}}}}}'.encode()
            found = outcome(body, small=small, slice_=16_384)
            assert ("levels" in found) is not fits
            assert ("b2b[0].idt: missing" in found) is fits


# -- slices ------------------------------------------------------------------------------------------------


def _batches(body: bytes) -> list[list[Any]]:
    return list(Scanner(body.decode()).batches())


@pytest.mark.parametrize("comma", [",", ", ", ",\n      ", "\t,"])
def test_rows_are_read_in_slices_however_they_are_separated(comma: str) -> None:
    """What stands between rows is learned from the first ones."""
    row = '{"stin":"29AAACQ3770E1ZF","itms":[{"num":1},{"num":2},{"num":3}]}'
    batches = _batches(f"[{comma.join([row] * 2000)}]".encode())
    assert sum(map(len, batches)) == 2000
    assert len(batches) < 2 * (codec_json._SLICE // len(row)) + 20


@pytest.mark.parametrize(
    "element",
    ['{"a":"},{"}', '"},{"', '{"a":[{"a":1},{"a":[{"a":1},{"a":2}]}]}', '{"a":1}, {"b":1},\t{"a":1}', "1",
     "[[]]", '{"a":"' + "x" * 40_000 + '"}'],
)  # fmt: skip
def test_nothing_is_read_more_than_twice(element: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where slices fail, elements are read one by one for as long, so the time is that of the length."""
    text = f"[{','.join([element] * (200_000 // len(element)))}]"
    scanned, scan = 0, codec_json.SCAN

    def counting(text: str, start: int) -> tuple[Any, int]:
        nonlocal scanned
        try:
            found, end = scan(text, start)
        except ValueError:  # a slice that is no JSON: much of it may have been read
            scanned += len(text)
            raise
        scanned += end - start
        return found, end

    monkeypatch.setattr(codec_json, "SCAN", counting)
    elements = [one for batch in _batches(text.encode()) for one in batch]
    assert elements == codec_json.parse_json(text.encode())
    assert scanned <= 2 * len(text) + codec_json._SLICE

"""A large answer parsed in short steps: the same value as in one piece, or the same error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ims_async import UnexpectedAnswer
from ims_async.gsp.base import Response
from ims_async.gsp.codec import json as codec_json
from ims_async.gsp.codec import stepwise
from ims_async.gsp.codec.json import DEEPEST, check_depth, parse_json
from ims_async.gsp.verdicts import json_of
from ims_async.steps import run

from ..support.sweeps import examples

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | st.sampled_from(["},{", "[[[[", "}]", "\\"]),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=4),
    max_leaves=40,
)  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Write a value: with any space in it, keys that are there twice, many levels, or a damage."""
    text = json.dumps(draw(VALUES), indent=draw(st.sampled_from([None, 0, 2])))
    text = (
        draw(st.sampled_from(["{}", '{{"a":{0},"a":{0}}}', "[{0},{0},{0}]", " {} \n"])).replace("{0}", text)
        if (draw(st.booleans()))
        else text
    )
    if draw(st.integers(0, 4)) == 0:
        levels = draw(st.integers(DEEPEST - 6, DEEPEST + 3))
        text = draw(
            st.sampled_from(["[" * levels + text + "]" * levels, '{"a":' * levels + text + "}" * levels])
        )
    if draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(text)))
        text = (
            text[:place]
            + draw(st.sampled_from(["", ",", "}", "]", '"', "x", "NaN", "1e999999999"]))
            + text[place + 1 :]
        )
    return text


@contextmanager
def slices_of(characters: int) -> Iterator[None]:
    """Read arrays in slices of so many characters, and pause after each value."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec_json, "_SLICE", characters)
        patch.setattr(stepwise, "_STEP", 1)
        yield


def _said(response: Response) -> str:
    try:
        return repr(json_of(response))
    except UnexpectedAnswer as error:
        return f"{error!r} {error.problems} {error.body!r}"


@settings(max_examples=examples(400))
@given(texts(), st.sampled_from([1, 20, 60, 16_384]))
@example('[{"a":1},{"a":1},{"a":[{"a":1}]},1,{"a":1}]', 20)
@example('{"a":1,"b":2,"a":3}', 20)
@example("[" * (DEEPEST - 1) + "1,{}" + "]" * (DEEPEST - 1), 20)
@example("[" * DEEPEST + "1" + "]" * DEEPEST, 16_384)
@example('{"a":[' + '{"b":[{"c":1}]},' * 50 + "{}]}", 60)
def test_steps_return_what_one_piece_returns(text: str, characters: int) -> None:
    """The same value, keys in the same order, or the same error, whatever the size of a slice."""
    body = text.encode(errors="replace")
    wanted = _said(Response(status=200, headers={}, body=body))
    response = Response(status=200, headers={}, body=body)
    with slices_of(characters):
        run(response.parsing())
    if response.shallow:
        check_depth(parse_json(body))  # raises if there are too many levels
    assert _said(response) == wanted


def test_a_large_answer_is_read_in_steps() -> None:
    """Not by the other way, which is there for what is wrong; also where elements are large."""
    entry = {"stin": "29", "inv": [{"inum": "1"}, {"inum": "2"}]}
    for value in ({"data": {"b2b": [entry] * 5000}}, {"data": [{"data": {"b2b": [entry] * 2000}}] * 2}):
        response = Response(status=200, headers={}, body=json.dumps(value).encode())
        pauses = list(_pauses(response))
        assert response.shallow
        assert len(pauses) > len(response.body) / (2 * codec_json._SLICE)
        assert json_of(response) == value


def _pauses(response: Response) -> Iterator[Any]:
    yield from response.parsing()

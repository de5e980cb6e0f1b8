"""Vayana's conversations given broken and arbitrary answers: a value or one of our errors comes out."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import ImsError, Invoice, UnexpectedAnswer
from ims_async.gsp.codec.json import json_text
from tests.conftest import envelope, load
from tests.gsp.test_codec_rows import mutate
from tests.support import strategies
from tests.support.recorded import answer, first_request, samples
from tests.support.vayana_samples import EXPECTED, Read, Refused, Unreadable
from tests.support.vayana_talk import BY_NAME, GSP, RECIPIENT, converse, drive, recorded


def _answers() -> list[str]:
    return [name for name in samples("vayana") if isinstance(EXPECTED[name], Read | Refused | Unreadable)]


def _around(name: str) -> tuple[Any, tuple[str, ...]]:
    expected = EXPECTED[name]
    assert isinstance(expected, Read | Refused | Unreadable)
    return expected.conversation(), expected.before


@pytest.mark.parametrize("name", _answers())
def test_mutated_answers_raise_nothing_but_our_errors(name: str) -> None:
    """Change bytes of every recorded answer 200 times: a value or `ImsError` comes out."""
    chance = random.Random(20241105)  # noqa: S311 # the same each time
    sample = load(f"vayana/{name}")
    body, status = json_text(sample["body"]).encode(), sample["http_status"]
    for _ in range(200):
        said = answer(
            chance.choice([status, status, status, 200, 403, 429, 502]),
            mutate(body, chance),
            retry_after=mutate(b"30", chance).decode("latin-1"),
        )
        conversation, before = _around(name)
        try:
            drive(conversation, *map(recorded, before), said, *[recorded("reset-result-200")] * 2)
        except ImsError as error:
            assert str(error)


@given(strategies.json_values(), st.sampled_from(sorted(BY_NAME)), st.sampled_from([200, 302, 403, 429, 502]))
def test_any_json_at_all_is_a_value_or_one_of_our_errors(value: Any, name: str, status: int) -> None:
    """Answer every operation with any JSON under any HTTP status, at each depth and in each place."""
    error = {"message": value, "type": value, "args": value}
    for body in (
        value,
        envelope(value),
        envelope([value]),
        {"data": {"task": value}},
        {**envelope(value), "status": value, "error": error},
        {"error": {"message": "err-gstn-returned-error", "args": {"gstn-err": value}}},
        envelope({"ek": "k", "urls": [{"ul": value}], "pages": value, "status": value, "status_cd": value}),
    ):
        said = answer(status, body)
        try:
            drive(BY_NAME[name](), said, said, said)
        except ImsError as raised:
            assert str(raised)


@given(st.text())
def test_any_address_of_a_file_is_a_path_or_one_of_our_errors(url: str) -> None:
    """Read whatever may be an address."""
    try:
        converse(BY_NAME["filedet"](), answer(200, envelope({"ek": "k", "urls": [{"ul": url}]})))
    except UnexpectedAnswer as error:
        assert error.problems == ("data.urls[0].ul",)


def test_an_invoice_that_was_read_is_sent_back_verbatim() -> None:
    """Send the ids and amounts of the page's rows as they came."""
    rows, _ = converse(BY_NAME["getinv"](), recorded("getinv-200"))
    assert all(isinstance(row, Invoice) for row in rows)
    request = first_request(GSP.save(RECIPIENT, [row.reject() for row in rows]))
    sent = json.loads(request.body or b"", parse_float=str, parse_int=str)
    plain = json.loads(json_text(load("vayana/getinv-200")["body"]), parse_float=str, parse_int=str)
    assert (sent["rtin"], sent["reqtyp"]) == (RECIPIENT, "SAVE")
    read_only = ("hash", "ispendactnallwd", "srcfilstatus")
    for key, originals in plain["data"].items():
        (row,), (original,) = sent["invdata"][key], originals
        kept = {name: value for name, value in original.items() if name not in read_only}
        assert row == {**kept, "action": "R", "prev_status": original["action"]}

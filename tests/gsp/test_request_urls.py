"""The URL of a request, and a request that is signed."""

from __future__ import annotations

import urllib.parse

import attrs
from hypothesis import given
from hypothesis import strategies as st

from ims_async.gsp.base import Needs, Request, encoded
from ims_async.gsp.verdicts import with_secrets
from ims_async.model.secret import Secret

TEXT = st.text(st.sampled_from("aZ09_.~-&=+% ?#/é€\n") | st.characters(exclude_categories=["Cs"]), max_size=6)


@given(query=st.dictionaries(TEXT, TEXT, max_size=4))
def test_a_query_is_written_as_urllib_writes_it(query: dict[str, str]) -> None:
    """Whether or not anything in it has to be escaped."""
    assert encoded(query) == urllib.parse.urlencode(query)
    assert urllib.parse.parse_qsl(encoded(query), keep_blank_values=True) == list(query.items())


def test_a_signed_request_differs_in_its_headers_and_secrets_only() -> None:
    """Each other field is kept, also one that is not as it is by default."""
    facts = {
        "operation": "status",
        "method": "PUT",
        "url": "https://h/p",
        "query": {"a": "b"},
        "headers": {"accept": "x"},
        "body": b"{}",
        "needs": Needs.ACCOUNT,
        "changes": True,
        "fresh": True,
        "secrets": (),
        "grants": True,
        "repeatable": True,
    }
    request = Request(**facts)  # type: ignore[arg-type] # of several types
    assert set(facts) == {field.name for field in attrs.fields(Request)}
    key, other = Secret("k"), Secret("o")
    signed = with_secrets(request, {"key": key, "none": None}, unsent=(other, None))
    headers = {"accept": "x", "key": "k"}
    assert signed == attrs.evolve(request, headers=headers, secrets=(key, other))

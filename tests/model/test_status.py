"""Job tokens and states: found again anywhere, by text without secrets."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ims_async import Action, Download, InvalidInput, JobKind, JobState, JobStatus, JobToken, Section
from tests.support import strategies

TOKEN = JobToken(
    gsp="sandbox",
    host="api.sandbox.co.in",
    gstin="29AAACQ3770E1ZF",
    kind=JobKind.SAVE,
    reference_id="0032e479bcb644c",
    submitted=8,
    submitted_at=dt.datetime(2025, 5, 6, 11, 28, 52, tzinfo=dt.UTC),
)


@given(
    gstin=strategies.gstins(),
    kind=st.sampled_from(JobKind),
    reference_id=st.none() | st.text(max_size=60),
    submitted=st.none() | st.integers(0, 10**9),
    submitted_at=st.none() | st.datetimes(timezones=st.just(dt.UTC)),
    results_until=st.none() | st.datetimes(timezones=st.just(dt.UTC)),
)
def test_a_token_reads_back_what_it_wrote(gstin: str, kind: JobKind, **facts: Any) -> None:
    """Round trip through versioned JSON under 1 kB, for every token there can be."""
    token = JobToken(gsp="vayana", host="x" * 100, gstin=gstin, kind=kind, **facts)
    text = token.dumps()
    assert JobToken.loads(text) == token
    assert len(text.encode()) < 1000
    assert json.loads(text)["v"] == 1


def test_a_token_holds_ids_only() -> None:
    """Write exactly the allow-listed facts, none of them a credential."""
    assert sorted(json.loads(TOKEN.dumps())) == ["at", "gsp", "gstin", "host", "kind", "n", "ref", "v"]


def test_a_token_has_the_end_of_the_retention_if_it_is_known() -> None:
    """Write it where it is known, and read a token without it, as the first release wrote them."""
    until = dt.datetime(2025, 5, 13, 11, 28, 52, tzinfo=dt.UTC)
    text = attrs.evolve(TOKEN, results_until=until).dumps()
    assert json.loads(text)["until"] == "2025-05-13T11:28:52+00:00"
    assert JobToken.loads(text).results_until == until
    assert JobToken.loads(TOKEN.dumps()).results_until is None
    for wrong in ("soon", 5, {"at": "soon"}):
        with pytest.raises(InvalidInput, match="not a job token"):
            JobToken.loads(json.dumps({**json.loads(text), "until": wrong}))


def test_a_token_that_the_first_release_wrote_is_still_read() -> None:
    """Keep its very text here: tokens lie in databases for years."""
    text = (
        '{"v":1,"gsp":"sandbox","host":"api.sandbox.co.in","gstin":"29AAACQ3770E1ZF","kind":"SAVE",'
        '"ref":"0032e479bcb644c","n":8,"at":"2025-05-06T11:28:52+00:00"}'
    )
    assert JobToken.loads(text) == TOKEN
    assert TOKEN.dumps() == text


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": "1"}, {"v": None}, {"gsp": 1}, {"host": None}, {"gstin": ["x"]},
        {"kind": "DELETE"}, {"kind": []}, {"ref": 5}, {"n": -1}, {"n": "8"}, {"n": 8.5}, {"n": True},
        {"at": "yesterday"}, {"at": 5},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_of_another_version_or_shape_is_refused(change: dict[str, Any]) -> None:
    """Raise `InvalidInput` for each wrong fact."""
    text = json.dumps({**json.loads(TOKEN.dumps()), **change})
    with pytest.raises(InvalidInput, match="not a job token"):
        JobToken.loads(text)


def test_the_error_names_each_wrong_fact() -> None:
    """Not the first of them only."""
    text = json.dumps({**json.loads(TOKEN.dumps()), "kind": "DELETE", "n": True})
    with pytest.raises(
        InvalidInput, match=r"kind: 'DELETE' is not .*; token\.submitted: True is not a count"
    ):
        JobToken.loads(text)


@pytest.mark.parametrize("name", ["v", "gsp", "host", "gstin", "kind", "ref", "n", "at"])
def test_a_token_without_one_of_its_facts_is_refused(name: str) -> None:
    """Miss each fact in turn."""
    facts = json.loads(TOKEN.dumps())
    del facts[name]
    with pytest.raises(InvalidInput, match=name):
        JobToken.loads(json.dumps(facts))


JUNK = pytest.mark.parametrize(
    "text",
    ["", "null", "7", '"text"', "[]", "{}", "{", "[" * 900, "<html>", "0032e479bcb644c", None, 7, "9" * 5000],
    ids=lambda text: repr(text)[:12],
)


@JUNK
def test_what_is_no_token_is_refused(text: Any) -> None:
    """Raise `InvalidInput` for junk of every kind."""
    with pytest.raises(InvalidInput, match="not a job token"):
        JobToken.loads(text)


def test_a_huge_token_is_refused_unread() -> None:
    """Bound what is parsed, also where it would be a token with something added."""
    text = json.dumps({**json.loads(TOKEN.dumps()), "more": "x" * 1000})
    with pytest.raises(InvalidInput, match="characters long"):
        JobToken.loads(text)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_at_all_makes_a_token_raise_anything_else(text: Any) -> None:
    """Raise `InvalidInput`, never another error, for any text or bytes."""
    with pytest.raises(InvalidInput):
        JobToken.loads(text)


# -- downloads -------------------------------------------------------------------------------------------

DOWNLOAD = Download(
    gsp="vayana",
    host="solo.enriched-api.vayana.com",
    gstin="29AAACQ3770E1ZF",
    section=Section.B2BCN,
    status=Action.ACCEPT,
    reference="task/2a51e392-529c-4b5a-bfd8-ca14d510a68d",
    estimate=1800.0,
)


@given(
    gstin=strategies.gstins(),
    section=st.sampled_from(Section),
    status=st.none() | st.sampled_from(Action),
    reference=st.text(max_size=60),
    estimate=st.none() | st.integers(0, 10**9) | st.floats(0, 1e9),
)
def test_a_download_reads_back_what_it_wrote(**facts: Any) -> None:
    """Round trip through versioned JSON, for every download there can be."""
    download = Download(gsp="vayana", host="x" * 100, **facts)
    text = download.dumps()
    assert Download.loads(text) == download
    assert json.loads(text)["v"] == 1


def test_each_fact_of_a_download_has_its_place_in_the_text() -> None:
    """Write exactly the allow-listed facts, none of them a credential, and lose none of them."""
    text = DOWNLOAD.dumps()
    assert json.loads(text) == {
        "v": 1,
        "gsp": "vayana",
        "host": "solo.enriched-api.vayana.com",
        "gstin": "29AAACQ3770E1ZF",
        "section": "b2bcn",
        "status": "A",
        "download": "task/2a51e392-529c-4b5a-bfd8-ca14d510a68d",
        "estimate": 1800.0,
    }
    assert attrs.asdict(Download.loads(text)) == attrs.asdict(DOWNLOAD)
    bare = attrs.evolve(DOWNLOAD, status=None, estimate=None)
    assert Download.loads(bare.dumps()) == bare


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": "1"}, {"v": None}, {"gsp": 1}, {"host": None}, {"gstin": ["x"]},
        {"section": "b2c"}, {"section": None}, {"section": []}, {"status": "Z"}, {"status": []},
        {"download": None}, {"download": 5}, {"estimate": "soon"}, {"estimate": True}, {"estimate": [5]},
        {"download": "x" * 1000},
    ],
    ids=lambda change: str(change)[:30],
)  # fmt: skip
def test_a_download_of_another_version_or_shape_is_refused(change: dict[str, Any]) -> None:
    """Raise `InvalidInput` for each wrong fact."""
    text = json.dumps({**json.loads(DOWNLOAD.dumps()), **change})
    with pytest.raises(InvalidInput, match=r"this is no download: .*: pass what Download\.dumps\(\) gave"):
        Download.loads(text)


@pytest.mark.parametrize("name", ["v", "gsp", "host", "gstin", "section", "status", "download", "estimate"])
def test_a_download_without_one_of_its_facts_is_refused(name: str) -> None:
    """Miss each fact in turn."""
    facts = json.loads(DOWNLOAD.dumps())
    del facts[name]
    with pytest.raises(InvalidInput, match=name):
        Download.loads(json.dumps(facts))


@JUNK
def test_what_is_no_download_is_refused(text: Any) -> None:
    """Raise `InvalidInput` for junk of every kind."""
    with pytest.raises(InvalidInput, match="this is no download"):
        Download.loads(text)


def test_a_job_is_no_download_and_a_download_is_no_job() -> None:
    """Refuse each where the other is read, though both name a GSTIN at a gateway."""
    later = attrs.evolve(TOKEN, results_until=dt.datetime(2025, 5, 13, tzinfo=dt.UTC))
    for token in (TOKEN, later):
        with pytest.raises(InvalidInput, match="this is no download"):
            Download.loads(token.dumps())
    with pytest.raises(InvalidInput, match="this is not a job token"):
        JobToken.loads(DOWNLOAD.dumps())


# -- states ----------------------------------------------------------------------------------------------


def test_three_states_are_final() -> None:
    """End with success, partial success and failure; an unknown outcome is still open."""
    assert [state for state in JobState if state.final] == ["succeeded", "partial", "failed"]
    assert JobStatus(state=JobState.PARTIAL).done
    assert not JobStatus(state=JobState.UNKNOWN).done


def test_a_status_is_the_same_whatever_else_the_gateway_wrote() -> None:
    """Leave the raw answer out of comparisons and out of sight."""
    status = JobStatus(state=JobState.SUCCEEDED, raw_code="S", raw={"status_cd": "S"})
    assert status == attrs.evolve(status, raw={})
    assert "status_cd" not in repr(status)

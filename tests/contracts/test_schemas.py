"""What we send, held against the vendor's own request schemas."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ims_async import Decision, Invoice, JobKind, Section, Vayana
from ims_async.gsp.codec import pack_body
from ims_async.rules import Level, check
from tests.conftest import HERE, load
from tests.support import strategies
from tests.support.sweeps import examples


def _validator(name: str) -> Draft202012Validator:
    """Load a schema with exact numbers: `multipleOf` 0.01 means nothing to binary fractions."""
    text = (HERE / "schemas" / f"{name}.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text, parse_float=Decimal))


SAVE = _validator("save")
SAVE_WITH_EXAMPLE_FIELDS = _validator("save-with-example-fields")
RESET = _validator("reset")
GSTIN = "29AAACQ3770E1ZF"
NEWER = {"remarks", "itcRedReq", "declIgst", "declCgst", "declSgst", "declCess"}


def body(kind: JobKind, records: list[Any]) -> Any:
    """Write a body and parse it with exact numbers."""
    packing = pack_body(GSTIN, kind, records)
    while True:
        try:
            next(packing)
        except StopIteration as stop:
            return json.loads(stop.value.content, parse_float=Decimal)


def faults(validator: Draft202012Validator, instance: Any) -> list[str]:
    """All that the schema has against a body."""
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]


@settings(max_examples=examples(30))
@pytest.mark.parametrize("section", Section)
@given(data=st.data())
def test_every_save_of_a_section_passes_the_schema(section: Section, data: st.DataObject) -> None:
    """Write nothing that the vendor's field table refuses, whatever was decided."""
    decisions = data.draw(st.lists(strategies.decisions(section), min_size=1, max_size=2))
    assert faults(SAVE_WITH_EXAMPLE_FIELDS, body(JobKind.SAVE, decisions)) == []


@settings(max_examples=examples(60))
@given(st.lists(strategies.decisions(), min_size=1, max_size=3))
def test_a_save_without_the_newer_fields_passes_the_strict_schema(decisions: list[Decision]) -> None:
    """Stay within the older field table wherever remarks and reductions are not set."""
    instance = body(JobKind.SAVE, decisions)
    for key, rows in instance["invdata"].items():
        set_here = [decision for decision in decisions if decision.section == key]
        for row, decision in zip(rows, set_here, strict=True):
            assert ("remarks" in row) is (decision.remarks is not None)
            assert ("itcRedReq" in row) is (decision.itc_reduction is not None)
            for name in NEWER:
                row.pop(name, None)
    assert faults(SAVE, instance) == []


@settings(max_examples=examples(60))
@given(st.lists(strategies.complete_records(), min_size=1, max_size=3))
def test_every_reset_passes_the_schema(invoices: list[Invoice]) -> None:
    """Write resets of every section without action, remarks or hash."""
    assert faults(RESET, body(JobKind.RESET, invoices)) == []


@settings(max_examples=examples(30))
@given(st.lists(strategies.decisions(), min_size=1, max_size=3))
def test_the_other_gsp_is_sent_the_same_bodies(decisions: list[Decision]) -> None:
    """Pass the schemas, which are GSTN's, with what it is sent for a save and for a reset."""
    gsp = Vayana("org", "token")
    invoices = [decision.invoice for decision in decisions]
    for validator, conversation, kind, records in (
        (SAVE_WITH_EXAMPLE_FIELDS, gsp.save(GSTIN, decisions), JobKind.SAVE, decisions),
        (RESET, gsp.reset(GSTIN, invoices), JobKind.RESET, invoices),
    ):
        sent = json.loads(next(conversation).body or b"", parse_float=Decimal)  # type: ignore[union-attr] # so few need no pause
        assert faults(validator, sent) == []
        assert sent == body(kind, records)
    assert faults(RESET, load("vayana/reset-request")["body"]) == []


@settings(max_examples=examples(100))
@given(strategies.decisions())
def test_what_passes_the_schema_passes_our_own_checks(decision: Decision) -> None:
    """Refuse nothing offline that the vendor's table lets through, in a save or in a reset."""
    for record in (decision, decision.invoice):
        assert [f for f in check([record]) if f.level is Level.REFUSE] == []


def test_the_documented_examples_pass_the_schemas_that_they_belong_to() -> None:
    """Check the checker: the newest example has eight rows with fields that the older table lacks."""
    newest, older = load("sandbox/save-request")["body"], load("sandbox/save-request-older")["body"]
    assert faults(SAVE_WITH_EXAMPLE_FIELDS, newest) == []
    assert len(faults(SAVE, newest)) == 8
    assert faults(SAVE, older) == []
    assert faults(RESET, load("sandbox/reset-request")["body"]) == []


@pytest.mark.parametrize(
    "change",
    [{"val": Decimal("0.001")}, {"val": "1000"}, {"idt": "31-02-2024"}, {"pos": "7"}, {"hash": "f00"},
     {"prev_status": "X"}, {"rtnprd": "132024"}, {"stin": "29AAACQ3770E1Z"}, {"inum": "000"}],
    ids=str,
)  # fmt: skip
def test_the_schema_has_teeth(change: dict[str, Any]) -> None:
    """Find each fault that is put into a documented body."""
    instance = load("sandbox/save-request-older")["body"]
    instance["invdata"]["b2b"][0] |= change
    assert faults(SAVE, instance)

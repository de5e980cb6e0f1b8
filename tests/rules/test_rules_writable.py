"""What cannot be written, on the wire or in a journal, is refused with the rest, and raises nothing else."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import (
    Action,
    Decision,
    ImsClient,
    InvalidDecision,
    InvalidInput,
    Invoice,
    ItcReduction,
    JobKind,
    RulePolicy,
    Section,
)
from ims_async.gsp.codec import pack_body
from ims_async.journal.packing import pack, unpack
from ims_async.rules import RULES, Level, check, refuse
from ims_async.simulator import Simulator
from tests.conftest import make_client
from tests.support.journals import journal_at_once
from tests.support.rule_cases import GOOD, codes, good, of
from tests.support.sweeps import examples

HALF = "\ud800"
SENT: dict[str, tuple[Section, ...]] = {
    "supplier": tuple(Section),
    "number": tuple(Section),
    "return_period": tuple(Section),
    "place_of_supply": tuple(Section),
    "source_form": tuple(Section),
    "type": tuple(section for section in Section if not section.is_ecommerce),
    "original_number": tuple(section for section in Section if section.is_amendment),
}
"""The texts of a record that are sent, and in which sections."""


@pytest.mark.parametrize("name", SENT)
def test_half_a_character_is_sent_in_no_text(name: str) -> None:
    """Typed or read, and with any policy: UTF-8 cannot encode a lone surrogate."""
    policy = RulePolicy(levels={rule.code: "off" for rule in RULES})
    for section in SENT[name]:
        record = of(section, read_from_gateway=True, **{name: f"7{HALF}"})
        for one in (record, record.reject("x")):
            assert codes(one, policy=policy) == [
                name.replace("_", "-").replace("original-number", "original")
            ]


@pytest.mark.parametrize(
    ("remarks", "refused", "warned"),
    [
        (f"a {HALF}", ["remarks"], []),
        ("\udfff\ud83d", ["remarks"], []),
        ("ok \U0001f600 ना", [], []),
        ("two\nlines,\ta tab\r\n", [], []),
        ("a\x00b", [], ["remarks-control"]),
        ("\x1b[2J", [], ["remarks-control"]),
        (b"bytes", ["remarks"], []),
    ],
    ids=repr,
)
def test_remarks_are_what_can_be_written_and_shown(
    remarks: Any, refused: list[str], warned: list[str]
) -> None:
    """Also behind ordinary ones, whose answers are remembered."""
    batch = [good(number=str(place)).reject("ordinary") for place in range(1, 4)]
    batch.append(GOOD.reject(remarks))
    assert (codes(*batch), codes(*batch, level=Level.WARN)) == (refused, warned)


class _Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


ITSELF: list[Any] = []
ITSELF.append(ITSELF)
DEEP: Any = 1
for _ in range(2000):
    DEEP = [DEEP]
ODD_VALUES: list[Any] = [
    {1}, b"x", object(), _Unshowable(), float("nan"), 1.5, Decimal("NaN"), Decimal("Infinity"),
    dt.date(2025, 11, 5), dt.datetime(2025, 11, 5, tzinfo=dt.UTC), 10**5000, ITSELF, DEEP, 1j,
    {1: "x"}, {None: 1}, {"a": [{"b": {b"c"}}]},
]  # fmt: skip


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: type(value).__name__)
def test_what_a_gateway_adds_is_json(value: Any) -> None:
    """Anything else is refused with the rest, and nothing is raised on the way."""
    record = good(number="0", extra={"fine": 1, "odd": value}, read_from_gateway=True)
    assert codes(record.accept(), policy=RulePolicy(levels={"other-fields": "off"})) == ["other-fields"]
    with pytest.raises(InvalidDecision, match="extra cannot be kept"):
        refuse(check([record.accept()]))
    others: list[Any] = [None, [], value, "x", 7]
    for extra in others:
        assert "other-fields" in codes(good(extra=extra))


def test_what_json_has_is_kept() -> None:
    """Nests, exact numbers, odd texts."""
    extra: dict[str, Any] = {
        "a": [None, True, 7, Decimal("0.10"), ("x", {"b": {}})],
        f"lone {HALF}": HALF,
        "": "\x00",
    }
    assert codes(good(extra=extra).accept()) == []
    nest: Any = 1
    for _ in range(60):
        nest = [nest]
    assert codes(good(extra={"a": nest})) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("hash", value) for value in (7, b"x", ["x"])),
        ("supplier_name", 7),
        ("supplier_name", {}),
        *(("remarks", value) for value in (b"x", 5)),
        *(("pending_allowed", value) for value in (1, "Y")),
        *((name, 0) for name in ("supplier_filed", "remarks_allowed", "itc_reduction_allowed")),
        *(("itc_reduction", value) for value in ("Y", ItcReduction(required=1))),  # type: ignore[arg-type]
        ("itc_reduction", ItcReduction(required=True, igst=1.5)),  # type: ignore[arg-type]
        ("itc_reduction", ItcReduction(required=True, cess=Decimal("NaN"))),
        ("read_from_gateway", None),
        ("original_date", dt.datetime(2025, 10, 5, tzinfo=dt.UTC)),
        ("original_number", b"7"),
    ],
    ids=repr,
)
def test_what_stands_beside_is_of_its_kind(name: str, value: Any) -> None:
    """A journal keeps it, and has to read it again."""
    for record in (good(**{name: value}), good(**{name: value}).reject("x")):
        assert codes(record) == ["other-fields"]
    assert codes(of(Section.ECOM, **{name: value})) == ["other-fields"]
    assert codes(of(Section.ECOM, type=7)) == ["other-fields"]


# -- through the client ------------------------------------------------------------------------------------


@pytest.mark.both_gsps
@pytest.mark.looptime
@pytest.mark.parametrize("kept", [True, False])
async def test_a_save_raises_it_with_the_rest_and_sends_nothing(
    sim: Simulator, kept: bool, tmp_path: Path
) -> None:
    """With a journal and without one."""
    journal, writer = journal_at_once(tmp_path / "ims.db")
    async with make_client(sim, journal=journal if kept else None) as client:
        acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
        row, other, *_ = await acme.invoices("b2b", "N")
        batch = [
            row.reject(f"half {HALF}"),
            attrs.evolve(other, extra={"odd": {1}}).reject("why"),
            attrs.evolve(other, number=HALF, hash=b"x").reject("why"),  # type: ignore[arg-type]
        ]
        with pytest.raises(InvalidDecision) as caught:
            await acme.save(batch)
        refused = [(one.place, one.code) for one in caught.value.findings if one.level is Level.REFUSE]
        assert refused == [(0, "remarks"), (1, "other-fields"), (2, "number"), (2, "other-fields")]
        with pytest.raises(InvalidDecision):
            await acme.reset([attrs.evolve(row, extra={"odd": b"x"})])
        assert await client.unfinished() == []
    writer.close()
    assert sim.count("save") + sim.count("reset") == 0


@pytest.mark.parametrize("name", [HALF, f"29AAACQ3770E1Z{HALF}", "29AAACQ3770E1Zé", "a\nb", "", " "])
async def test_a_gstin_that_is_none_gets_no_taxpayer(client: ImsClient, name: str) -> None:
    """Also where its check digit is not looked at: it stands in each body."""
    with pytest.raises(InvalidInput, match="GSTIN is empty, or holds"):
        client.taxpayer(name, check=False)


@pytest.mark.parametrize("name", [HALF, "acme\x00", b"acme", 7, "", " "])
async def test_a_user_name_is_printable_text(client: ImsClient, sim: Simulator, name: Any) -> None:
    """It stands in the bodies of the login."""
    acme = client.taxpayer(sim.gstins[0])
    with pytest.raises(InvalidInput, match="user name"):
        await acme.request_otp(name)
    with pytest.raises(InvalidInput, match="user name"):
        await acme.verify_otp("575757", username=name)
    assert sim.requests == []


# -- whatever stands in a record ---------------------------------------------------------------------------

ANYTHING: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, False, 0, 7, 10**5000, 1.5, float("nan"), 1j, b"x"),
        *("", "x", "07", HALF, f"R{HALF}", "\x00", Section.B2BA, Action.REJECT),
        *map(Decimal, ("0.5", "NaN", "sNaN", "1E+999999", "-0", "1.234")),
        *(dt.date(2025, 11, 5), dt.datetime(2025, 11, 5, tzinfo=dt.UTC)),
        *({1}, {}, {"a": {b"x"}}, {"a": [1]}, {1: 2}, [], ITSELF, DEEP),
        *(_Unshowable(), ItcReduction.full(), GOOD, object),
    ]
)
ODD_REDUCTION: Any = ItcReduction(required=7)  # type: ignore[arg-type]
FIELDS = [field.name for field in attrs.fields(Invoice)]


@st.composite
def _odd_records(draw: st.DrawFn) -> Decision | Invoice:
    """A good record of any section, read or typed, with something else in some places."""
    plain = of(draw(st.sampled_from(list(Section))), read_from_gateway=draw(st.booleans()))
    odd = {name: draw(ANYTHING) for name in draw(st.lists(st.sampled_from(FIELDS), max_size=2))}
    invoice = attrs.evolve(plain, **odd)
    if draw(st.booleans()):
        return invoice
    return Decision(
        invoice=invoice,
        action=draw(st.sampled_from(list(Action)) | ANYTHING),
        remarks=draw(st.none() | st.text(max_size=3) | ANYTHING),
        itc_reduction=draw(st.sampled_from([None, ItcReduction.none(), ODD_REDUCTION]) | ANYTHING),
    )


def _body(record: Decision | Invoice) -> str:
    """Return the body of one record as GSTN reads it."""
    packing = pack_body(GOOD.supplier, JobKind.SAVE, [record])
    try:
        while True:
            next(packing)
    except StopIteration as packed:
        body: bytes = packed.value.content
    return json.dumps(json.loads(body, parse_constant=pytest.fail), ensure_ascii=False)


@settings(max_examples=examples(400))
@given(st.lists(_odd_records(), max_size=3), st.booleans())
def test_what_is_not_refused_can_be_sent_and_kept(records: list[Decision | Invoice], lenient: bool) -> None:
    """As whole characters and JSON, whatever the policy allows; and the journal reads it back."""
    policy = RulePolicy(levels={rule.code: "off" for rule in RULES} if lenient else {})
    try:
        refuse(check(records, policy=policy))
    except InvalidDecision:
        return
    for record in records:
        _body(record).encode()  # fails for half a character
    assert unpack(pack(records)) == records

"""The simulator's GSTR-2B as it is sent: each documented sample's shape, each section, files, sums."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from ims_async.simulator import Simulator
from ims_async.simulator.gstr2b.documents import Document

from .simulator_portal import GSTRS, Portal, again

PERIOD = "112024"
_GROUP = {"ctin", "trdnm", "supprd", "supfildt"}
_HEADS = {"igst", "cgst", "sgst", "cess"}
_MONEY = {"txval", *_HEADS}
_E_INVOICE = {"irn", "irngendate", "srctyp"}
_DECLARED = {"itcRedReq", "declIgst", "declCgst", "declSgst", "declCess", "remarks"}
_INVOICE = {"inum", "typ", "dt", "val", "pos", "rev", "itcavl"}
_NOTE = {"ntnum", "typ", "dt", "val", "itcavl"}
_MAY = {"rsn", "diffprcnt", *_MONEY, "imsStatus", *_DECLARED}
_BILL = {"refdt", "portcode", "boenum", "boedt", "isamd", "txval", "igst", "cess"}
_LISTED = {"doctyp", "docnum", "docdt", *_HEADS, "itcelg"}

# The list of a supplier's documents, their required fields, and those that they may have.
SECTIONS: Mapping[str, tuple[str, set[str], set[str]]] = {
    "b2b": ("inv", _INVOICE, _MAY | _E_INVOICE),
    "b2ba": ("inv", _INVOICE | {"oinum", "oidt"}, _MAY),
    "cdnr": ("nt", _NOTE, _MAY | {"suptyp", "pos", "rev"}),
    "cdnra": ("nt", _NOTE | {"onttyp", "ontnum", "ontdt"}, _MAY | {"suptyp", "pos", "rev"}),
    "ecom": ("inv", _INVOICE | {"rsn"}, _MAY - {"diffprcnt"}),
    "ecoma": ("inv", _INVOICE | {"rsn", "oinum", "oidt"}, _MAY - {"diffprcnt"}),
    "isd": ("doclist", _LISTED, {"oinvnum", "oinvdt"}),
    "isda": ("doclist", _LISTED | {"odoctyp", "odocnum", "odocdt"}, {"oinvnum", "oinvdt"}),
    "impg": ("", _BILL, {"recdt"}),
    "impgsez": ("boe", _BILL, {"recdt"}),
}
_REJECTED_ONLY = {"itcavl", "rev"}

# -- the answers around it ---------------------------------------------------------------------------------

_STAMP = {"timestamp": 1763446641000, "transaction_id": "3f0c6b9e-9d3c-4a0e-9a44-2e9d8f0f5a11"}
ACCEPTED = {
    "code": 200,
    "data": {"data": {"reference_id": "0123456789abcde"}, "status_cd": "1"},
    **_STAMP,
}
FILED = {
    "code": 200,
    "data": {
        "error": {
            "error_cd": "IMS2B007",
            "message": "Either the entered ITC period is incorrect or it has 3B filed",
        },
        "status_cd": "0",
    },
    **_STAMP,
}
EARLY = {
    "code": 200,
    "data": {
        "error": {"error_cd": "IMS2B009", "message": "Kindly generate 2b after 14/05/2025"},
        "status_cd": "0",
    },
    **_STAMP,
}
REGENERATED = {
    "code": 200,
    "data": {"data": {"status_cd": "P", "err_cd": "", "err_msg": ""}, "status_cd": "1"},
    **_STAMP,
}
UNKNOWN = {
    "code": 200,
    "data": {
        "error": {
            "error_cd": "IMS0008",
            "message": "No records found for requested internal transaction Id",
        },
        "status_cd": "0",
    },
    **_STAMP,
}
TRACKED = {
    "code": 200,
    "data": {
        "data": {
            "EFiledlist": [
                {
                    "arn": "AA2710260000001",
                    "ret_prd": "102026",
                    "mof": "ONLINE",
                    "dof": "19-11-2026",
                    "rtntype": "GSTR3B",
                    "status": "Filed",
                    "valid": "Y",
                }
            ]
        },
        "status_cd": "1",
    },
    **_STAMP,
}
PREFERRED = {
    "code": 200,
    "data": {
        "data": {"response": [{"quarter": f"Q{number}", "preference": "M"} for number in range(1, 5)]},
        "status_cd": "1",
    },
    **_STAMP,
    "timestamp": "1763446641000",  # text, in this one sample
}


def _shape(value: Any) -> Any:
    """Return names and types: of texts their length if they are digits or hexadecimal."""
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_shape(part) for part in value]
    return type(value).__name__


@pytest.fixture
def portal() -> Portal:
    """Open a simulator with six hundred records."""
    return Portal(Simulator(invoices=600, regenerate_seconds=0, regenerate_unchanged=True))


@pytest.mark.parametrize("canned", [False, True], ids=["live", "test host"])
def test_answers_have_the_shape_of_the_documented_samples(canned: bool) -> None:
    """Compare names and types with samples, at Sandbox's test host as well."""
    portal = Portal(Simulator(regenerate_seconds=0, regenerate_unchanged=True, canned=canned))
    portal.simulator.returns.file_gstr3b(portal.gstin, "102024")
    _, _, accepted = portal.answer("POST", again(PERIOD))
    assert _shape(accepted) == _shape(ACCEPTED)
    reference = accepted["data"]["data"]["reference_id"]
    assert len(reference) == 15
    int(reference, 16)
    for address, sample in (
        (f"gstr-2b/regenerate?reference_id={reference}", REGENERATED),
        ("2024/10/track?return_type=gstr-3b", TRACKED),
        ("2024/10/track", TRACKED),
        ("preference?financial_year=FY%202024-25", PREFERRED),
    ):
        status, _, content = portal.answer("GET", f"{GSTRS}/{address}")
        assert (status, _shape(content)) == (200, _shape(sample))
    assert portal.regeneration(reference) == REGENERATED["data"]["data"]  # type: ignore[index]


def test_refusals_have_the_shape_and_the_words_of_the_documented_samples() -> None:
    """Compare all but time and identifier."""
    portal = Portal(Simulator(start=1_747_049_275.0))  # 12-05-2025
    portal.simulator.returns.file_gstr3b(portal.gstin, "102024")
    for method, address, sample in (
        ("POST", again("102024"), FILED),
        ("POST", again("042025"), EARLY),
        ("GET", f"{GSTRS}/gstr-2b/regenerate?reference_id=0123456789abcde", UNKNOWN),
    ):
        status, _, content = portal.answer(method, address)
        assert (status, _shape(content), content["data"]) == (200, _shape(sample), sample["data"])


@pytest.mark.parametrize(
    "address",
    ["gstr-2b/2024/13", "gstr-2b/24/11", "2024/1/track", "preference?financial_year=2024-25", "preference"],
)
def test_a_malformed_address_is_refused(portal: Portal, address: str) -> None:
    """Ask for what is no month and no year."""
    status, _, _ = portal.answer("GET", f"{GSTRS}/{address}")
    assert status == (400 if address == "preference" else 422)


def test_what_is_not_filed_is_not_found(portal: Portal) -> None:
    """Ask for another period, another form, and another taxpayer's."""
    portal.simulator.returns.file_gstr1(portal.gstin, PERIOD)
    nothing = ("RET13510", "No Record found for the provided Inputs")
    assert portal.refusal("GET", f"{GSTRS}/2024/10/track") == nothing
    assert portal.refusal("GET", f"{GSTRS}/2024/11/track?return_type=gstr-3b") == nothing
    (row,) = portal.payload("GET", f"{GSTRS}/2024/11/track?return_type=gstr-1")["EFiledlist"]
    assert (row["rtntype"], row["ret_prd"], len(row["arn"])) == ("GSTR1", PERIOD, 15)


def test_the_preference_is_that_of_the_taxpayer(portal: Portal) -> None:
    """Make it quarterly."""
    portal.simulator.returns.set_quarterly(portal.gstin)
    found = portal.payload("GET", f"{GSTRS}/preference?financial_year=FY+2024-25")["response"]
    assert found == [{"quarter": f"Q{number}", "preference": "Q"} for number in range(1, 5)]


# -- the statement -----------------------------------------------------------------------------------------

STATEMENT: dict[str, Any] = {
    "chksum": "0a1b2c3d4e5f",
    "data": {
        "gstin": "27AAAAA0000A1Z5",
        "rtnprd": "102026",
        "version": "1.0",
        "gendt": "16-11-2026",
        "itcsumm": {
            "itcavl": {"nonrevsup": {"igst": 0, "cgst": 0, "sgst": 0, "cess": 0, "b2b": {}}},
            "itcRejected": {"nonrevsup": {"igst": 0, "cgst": 0, "sgst": 0, "cess": 0, "b2b": {}}},
        },
        "cpsumm": {"b2b": [{}]},
        "cpSummRej": {"b2b": [{}]},
        "docdata": {"b2b": [{}], "cdnr": [{}]},
        "docRejdata": {"b2b": [{}]},
    },
}


def _rows(part: Mapping[str, Any], section: str) -> list[dict[str, Any]]:
    """Return the documents of a section, and look at their suppliers."""
    name, _, _ = SECTIONS[section]
    if not name:
        return list(part[section])
    group = {"ctin", "trdnm"} if section == "impgsez" else _GROUP
    assert all({*one} == {*group, name} for one in part[section])
    assert len({tuple(one[key] for key in sorted(group)) for one in part[section]}) == len(part[section])
    return [row for one in part[section] for row in one[name]]


def test_the_frame_is_that_of_the_documented_statement(portal: Portal) -> None:
    """Compare the names of each level with those of a sample; three levels are called `data`."""
    content = portal.answer("GET", f"{GSTRS}/gstr-2b/2024/11")[2]
    found = content["data"]["data"]
    assert {*found} == {*STATEMENT}
    assert {*found["data"]} == {*STATEMENT["data"]}
    assert 1 <= len(found["chksum"]) <= 64
    assert found["chksum"].isalnum()
    for name, part in STATEMENT["data"].items():
        assert isinstance(found["data"][name], type(part))
        if isinstance(part, dict):
            assert {*part} <= {*found["data"][name]}


def test_every_section_has_the_documented_fields(portal: Portal) -> None:
    """Look at every document of four periods, in each part of the statement."""
    seen: Counter[str] = Counter()
    for period in ("102024", "112024", "122024", "012025"):
        data = portal.statement(period)["data"]
        reversed_ = data["docdata"].pop("itcrev")
        for part, left_out in (("docdata", set()), ("docRejdata", _REJECTED_ONLY)):
            for section in data.get(part, {}):
                _, must, may = SECTIONS[section]
                for row in _rows(data[part], section):
                    assert must - left_out <= {*row} <= must | may, (part, section)
                    assert ("imsStatus" in row) <= (part == "docdata")
                    seen[section] += 1
        for row in _rows(reversed_, "b2b"):
            assert {*row} == {"inum", "typ", "dt", "pos", "rev", "items"}
            assert all({*item} == {"num", "rt", *_MONEY} for item in row["items"])
    assert {*seen} == {*SECTIONS}


def test_documents_that_ims_never_shows_are_marked_as_documented(portal: Portal) -> None:
    """Reverse charge, credit barred for two reasons, an ISD, imports; each is in no list of records."""
    data = portal.statement(PERIOD)["data"]["docdata"]
    invoices = _rows(data, "b2b")
    kinds = Counter((row["rev"], row["itcavl"], row["rsn"]) for row in invoices if "imsStatus" not in row)
    assert kinds == {("Y", "Y", ""): 1, ("N", "N", "P"): 1, ("N", "N", "C"): 1}
    by_place = next(row for row in invoices if row["rsn"] == "P")
    assert by_place["pos"] != portal.gstin[:2]
    assert by_place["igst"] == 0 < by_place["cgst"]
    assert {row["doctyp"] for row in _rows(data, "isd")} == {"ISDI", "ISDC"}
    assert {row["isamd"] for row in _rows(data, "impg")} == {"Y", "N"}
    acted = {row["imsStatus"] for row in invoices if "imsStatus" in row}
    assert acted == {"A", "N"}
    without = Simulator(invoices=600, gstr2b_extras=False)
    plain = Portal(without).statement(PERIOD)["data"]["docdata"]
    assert {*plain} == {"b2b", "b2ba", "cdnr", "cdnra", "ecom", "ecoma"}
    assert all("imsStatus" in row for section in plain for row in _rows(plain, section))


def test_the_documents_are_the_records_that_were_filed_and_are_not_pending(portal: Portal) -> None:
    """Join them with the records by key and amounts, and find each record once."""
    sim = portal.simulator
    found = Counter[tuple[Any, ...]]()
    for period in ("102024", "112024", "122024", "012025", "022025"):
        for one in sim.returns.documents(portal.gstin, period):
            if "imsStatus" in one.fields or one.rejected:
                number = one.fields.get("inum", one.fields.get("ntnum"))
                action = "R" if one.rejected else one.fields["imsStatus"]
                money = (one.fields["val"], *(one.money[name] for name in sorted(_MONEY)))
                found[one.group.ctin, number, one.group.supprd, one.fields["dt"], action, money] += 1
    expected = Counter(
        (*record.key, record.date, record.action, (record.value, *_sorted_money(record)))
        for record in sim.records(portal.gstin)
        if record.filed and record.action != "P"
    )
    assert found == expected
    assert len({*found}) > 100


def _sorted_money(record: Any) -> list[Decimal]:
    named = {"txval": "taxable", **{head: head for head in _HEADS}}
    return [getattr(record, named[name]) for name in sorted(_MONEY)]


def test_the_sums_are_those_of_the_documents(portal: Portal) -> None:
    """Add up each part of the summary, and the counts by supplier."""
    answer = json.loads(json.dumps(portal.statement(PERIOD)["data"]), parse_float=Decimal, parse_int=Decimal)
    documents = portal.simulator.returns.documents(portal.gstin, PERIOD)
    parts = {
        "itcRejected": [one for one in documents if one.rejected],
        "itcrev": [one for one in documents if one.reversal],
        "itcunavl": [one for one in documents if one.fields.get("itcavl") == "N"],
    }
    told = {id(one) for part in parts.values() for one in part}
    parts["itcavl"] = [one for one in documents if id(one) not in told]
    assert {*answer["itcsumm"]} == {*parts}
    for part, expected in parts.items():
        for head in _HEADS:
            summed = sum(category[head] for category in answer["itcsumm"][part].values())
            assert summed == _sum(expected, head), (part, head)
            by_section = sum(
                section[head]
                for category in answer["itcsumm"][part].values()
                for section in category.values()
                if isinstance(section, dict)
            )
            assert by_section == summed
    assert {"cdnrrev", "isd", "isda"} <= {*answer["itcsumm"]["itcavl"]["othersup"]}
    assert {*answer["itcsumm"]["itcavl"]["imports"]} == {*_HEADS, "impg", "impga", "impgsez"}
    for name, rejected in (("cpsumm", False), ("cpSummRej", True)):
        counted = sum(row["ttldocs"] for rows in answer[name].values() for row in rows)
        assert counted == sum(
            one.rejected is rejected and not one.reversal and one.group.supprd != "" for one in documents
        )
    assert {row["nttyp"] for row in answer["cpsumm"]["cdnr"]} == {"C", "D"}


@pytest.mark.parametrize(("required", "share"), [("N", "0"), ("Y", "1"), ("Y", "0.5")])
def test_the_sums_take_what_the_reduction_of_a_credit_note_declares(required: str, share: str) -> None:
    """Accept one after the draft: none of it, all, or half of each head is taken from the credit."""
    portal = Portal(Simulator(invoices=600, job_seconds=0, regenerate_seconds=0))
    documents = portal.simulator.returns.documents(portal.gstin, PERIOD)
    kind = ("cdnr", "C", "N")
    note = next(one for one in documents if (one.section, *map(one.fields.get, ("typ", "imsStatus"))) == kind)
    key = (note.group.ctin, note.fields["ntnum"], note.group.supprd)
    given_up = {head: round(note.money[head] * Decimal(share), 2) for head in _HEADS}
    declared = {f"decl{head.capitalize()}": float(given_up[head]) for head in _HEADS if share == "0.5"}
    before = _credit(portal)
    record = portal.simulator.record(portal.gstin, "b2bcn", *key)
    assert portal.act(record, "A", itcRedReq=required, **declared)["status_cd"] == "P"
    portal.regenerate(PERIOD)
    change = {head: amount - before[head] for head, amount in _credit(portal).items()}
    assert change == {head: note.money[head] - given_up[head] for head in _HEADS}
    assert any(note.money.values())


def _credit(portal: Portal) -> dict[str, Decimal]:
    """The credit that is available by the sums; credit notes are among the other supplies."""
    data = json.loads(json.dumps(portal.statement(PERIOD)["data"]), parse_float=Decimal, parse_int=Decimal)
    parts = data["itcsumm"]["itcavl"]
    sums = {
        head: sum((part[head] for name, part in parts.items() if name != "othersup"), Decimal(0))
        for head in _HEADS
    }
    return {head: amount - parts["othersup"][head] for head, amount in sums.items()}


def _sum(documents: list[Document], head: str) -> Decimal:
    return sum((one.money.get(head, Decimal(0)) for one in documents), Decimal(0))


def test_the_same_seed_makes_the_same_statements() -> None:
    """Compare two worlds, and two taxpayers of one."""
    one, two = (Simulator(seed=3, taxpayers=2, invoices=50) for _ in range(2))
    first, second = one.gstins
    assert Portal(one, first).statement(PERIOD) == Portal(two, first).statement(PERIOD)
    assert Portal(one, first).statement(PERIOD)["chksum"] != Portal(one, second).statement(PERIOD)["chksum"]


# -- the other shapes --------------------------------------------------------------------------------------


def _documents(part: Mapping[str, Any]) -> Counter[str]:
    """Return the documents of a part, each as text with section and supplier."""
    found: Counter[str] = Counter()
    for section, groups in part.items():
        if section == "itcrev":
            found.update({f"itcrev {text}": count for text, count in _documents(groups).items()})
            continue
        for group in groups:
            who = f"{section} {group.get('ctin')} {group.get('supprd')} {group.get('supfildt')}"
            rows = group[SECTIONS[section][0]] if SECTIONS[section][0] else [group]
            found.update(f"{who} {json.dumps(row)}" for row in rows)
    return found


@pytest.mark.parametrize("chksum", ["same", "own", "none"])
def test_the_files_of_a_split_statement_make_up_the_whole(portal: Portal, chksum: str) -> None:
    """Join them, and look at what is in the summary and in each file."""
    settings: dict[str, Any] = {"gstr2b_rows": 10, "gstr2b_file_rows": 7, "gstr2b_file_chksum": chksum}
    split = Portal(Simulator(invoices=600, **settings))
    whole, summary = portal.statement(PERIOD), split.statement(PERIOD)
    count = summary["data"].pop("fc")
    assert count > 3
    parts = {name: whole["data"].pop(name) for name in ("docdata", "docRejdata")}
    assert summary == whole  # with the checksum
    joined: dict[str, Counter[str]] = {name: Counter() for name in parts}
    for number in range(1, count + 1):
        file = split.statement(PERIOD, number)
        (part,) = {*file["data"]} - {"gstin", "rtnprd", "version"}
        documents = _documents(file["data"][part])
        assert 0 < documents.total() <= 7
        joined[part] += documents
        assert {"same": file.get("chksum") == whole["chksum"], "none": "chksum" not in file}.get(
            chksum, file.get("chksum") != whole["chksum"]
        )
    assert joined == {name: _documents(part) for name, part in parts.items()}
    for number in (0, count + 1):
        address = f"{GSTRS}/gstr-2b/2024/11?file_number={number}"
        assert split.refusal("GET", address)[0] == "IMSSIM006"


def test_a_statement_is_split_above_the_limit_only(portal: Portal) -> None:
    """Make the limit as many as there are, and one fewer."""
    count = len(portal.simulator.returns.documents(portal.gstin, PERIOD))
    for limit, split in ((count, False), (count - 1, True)):
        answer = Portal(Simulator(invoices=600, gstr2b_rows=limit)).statement(PERIOD)
        assert ("fc" in answer["data"], "docdata" in answer["data"]) == (split, not split)


@pytest.mark.parametrize("word", ["1", "3"])
def test_a_summary_of_one_file_has_the_status_of_the_setting(word: Any) -> None:
    """The documents name 3; their one sample has 1, and a count of one file."""
    portal = Portal(Simulator(gstr2b_rows=0, gstr2b_file_rows=5000, gstr2b_summary_status=word))
    data = portal.data("GET", f"{GSTRS}/gstr-2b/2024/11")
    assert (data["status_cd"], data["data"]["data"]["fc"]) == (word, 1)
    assert not {"docdata", "docRejdata"} & {*data["data"]["data"]}
    file = portal.data("GET", f"{GSTRS}/gstr-2b/2024/11?file_number=1")
    assert (file["status_cd"], {*file["data"]["data"]} & {"fc", "gendt"}) == ("1", set())


@pytest.mark.parametrize("canned", [False, True], ids=["setting", "test host"])
def test_the_old_layout_has_sections_and_items_only(canned: bool) -> None:
    """Find neither parts nor amounts of documents nor actions."""
    portal = Portal(Simulator(invoices=600, gstr2b_layout="old", canned=canned))
    data = portal.statement(PERIOD)["data"]
    assert not {"docdata", "docRejdata", "cpSummRej"} & {*data}
    assert "itcRejected" not in data["itcsumm"]
    for section in {"b2b", "cdnr", "ecom"} & {*data}:
        for row in _rows(data, section):
            assert not {"txval", "igst", "imsStatus"} & {*row}
            assert {"num", "rt", *_MONEY} == {*row["items"][0]}
    assert ("itcrev" in data) is not canned


def test_lists_of_one_object_are_a_setting() -> None:
    """Compare with the plain answer."""
    facts: dict[str, Any] = {"invoices": 600, "start": 1.75e9}
    plain, wrapped = (
        Portal(Simulator(**facts, gstr2b_wrapped=on)).statement(PERIOD)["data"] for on in (False, True)
    )
    assert wrapped["docRejdata"] == [plain["docRejdata"]]
    assert wrapped["docdata"]["itcrev"] == [plain["docdata"]["itcrev"]]
    assert wrapped["itcsumm"] == plain["itcsumm"]

"""The portal's download is read as records; what is another file is refused with a sentence that helps."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ims_async import Action, InvalidInput, ItcReduction, Section
from ims_async.tables import InvalidFile
from ims_async.tables.offline import read_portal
from tests.support.documents import DOCUMENTS
from tests.support.portal_files import GSTIN, SUPPLIER, details, row, written


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its download."""
    return tmp_path / "portal.json"


def test_a_record_is_read_with_exact_rupees_and_its_number_as_text(file: Path) -> None:
    """Also behind a byte order mark; whose it is the caller says."""
    one = row(val=Decimal("11800.10"), iamt=Decimal("1800.10"), remarks="seen", newer={"a": [1]})
    portal = read_portal(written(file, details(b2b=[one]), bom=True), gstin=GSTIN.lower())
    (record,) = portal.records
    invoice = record.invoice
    assert (portal.gstin, invoice.recipient, portal.problems) == (GSTIN, GSTIN, ())
    assert invoice.key == (Section.B2B, SUPPLIER, "0012345678901234", dt.date(2026, 10, 3), "102026")
    assert (str(invoice.value), str(invoice.igst)) == ("11800.10", "1800.10")
    assert (invoice.action, invoice.remarks, invoice.extra) == (
        Action.NO_ACTION,
        "seen",
        {"newer": {"a": [1]}},
    )
    flags = (invoice.supplier_filed, invoice.pending_allowed, invoice.remarks_allowed)
    assert (*flags, invoice.itc_reduction_allowed) == (True, True, True, False)
    assert (record.key, record.row) == ("b2b", one)


@pytest.mark.parametrize("section", list(Section))
def test_every_section_is_read(file: Path, section: Section) -> None:
    """With the keys of its own."""
    (invoice,) = read_portal(written(file, details(**{section: [row(section)]}))).invoices
    assert (invoice.section, invoice.number) == (section, "0012345678901234")
    original = ("INV-0", dt.date(2026, 9, 1)) if section.is_amendment else (None, None)
    assert (invoice.original_number, invoice.original_date) == original


@pytest.mark.parametrize(
    ("key", "section"), [("eco", Section.ECOM), ("ecoa", Section.ECOMA), ("B2B", Section.B2B)]
)
def test_a_section_keeps_the_name_that_the_file_has_for_it(file: Path, key: str, section: Section) -> None:
    """The sources disagree on that of e-commerce operators."""
    (record,) = read_portal(written(file, details(**{key: [row(section)]}))).records
    assert (record.key, record.invoice.section) == (key, section)


@pytest.mark.parametrize(
    ("word", "filed"),
    [("Filed", True), ("FILED", True), ("F", True), ("Not Filed", False), ("SAVED", False), ("NF", False),
     ("whatever", None), (7, None), (None, None)],
)  # fmt: skip
def test_the_filing_status_is_read_in_any_of_its_words(file: Path, word: object, filed: bool | None) -> None:
    """An unknown one is not known, and no error."""
    (invoice,) = read_portal(written(file, details(b2b=[row(srcfilstatus=word)]))).invoices
    assert invoice.supplier_filed is filed


@pytest.mark.parametrize(
    ("flag", "allowed"), [("Y", False), ("N", True), (True, False), (False, True), ("?", None)]
)
def test_a_flag_is_a_letter_or_a_boolean(file: Path, flag: object, allowed: bool | None) -> None:
    """The portal's own pages have booleans."""
    one = row(ispendactblocked=flag, isRemarksBlocked=flag, itcRedReqBlocked=flag)
    (invoice,) = read_portal(written(file, details(b2b=[one]))).invoices
    assert {invoice.pending_allowed, invoice.remarks_allowed, invoice.itc_reduction_allowed} == {allowed}


@pytest.mark.parametrize(
    ("month", "day", "period"),
    [("10", "03-10-2026", "102026"), ("01", "31-12-2025", "012026"), ("12", "02-01-2026", "122025"),
     ("09", "03-10-2026", "092026"), ("08", "03-10-2026", "082027"), ("11", "03-10-2026", "112026"),
     ("102026", "03-10-2025", "102026")],
)  # fmt: skip
def test_a_period_without_its_year_gets_the_documents(file: Path, month: str, day: str, period: str) -> None:
    """From the month before the document's to ten months after it."""
    (record,) = read_portal(written(file, details(b2b=[row(rtnprd=month, idt=day)]))).records
    assert record.invoice.return_period == period
    assert record.row["rtnprd"] == month


@pytest.mark.parametrize(
    "itc",
    [
        {"itcRedReq": "Y", "declIgst": Decimal("5.50"), "declCgst": 0, "declSgst": 0, "declCess": 0},
        {"itc_red_req": "Y", "decl_igst": Decimal("5.50"), "decl_cgst": 0, "decl_sgst": 0, "decl_cess": 0},
    ],
)
def test_an_itc_reduction_is_read_in_both_spellings(file: Path, itc: dict[str, Any]) -> None:
    """The sources disagree."""
    (invoice,) = read_portal(written(file, details(b2bcn=[row(Section.B2BCN, **itc)]))).invoices
    assert invoice.itc_reduction == ItcReduction.partial(igst=Decimal("5.50"))


def test_other_names_of_the_form_and_the_period_are_read(file: Path) -> None:
    """A tool's code mentions them."""
    one = row(srcform=None, rtnprd=None, rtnTyp="R1A", sRtnPrd="102026")
    (record,) = read_portal(written(file, details(b2b=[one]))).records
    assert (record.invoice.source_form, record.invoice.return_period) == ("R1A", "102026")
    assert record.row == one
    both = row(Section.B2BCN, rtnTyp="R5", sRtnPrd="012020", itcRedReq="N", itc_red_req="Y")
    (invoice,) = read_portal(written(file, details(b2bcn=[both]))).invoices
    assert (invoice.source_form, invoice.return_period) == ("R1", "102026")
    assert invoice.itc_reduction == ItcReduction.none()


def test_a_record_without_a_hash_has_a_checksum_that_an_action_leaves_as_it_is(file: Path) -> None:
    """It differs for what a supplier edits."""

    def hash_of(**changes: Any) -> str | None:
        (invoice,) = read_portal(written(file, details(b2b=[row(**changes)]))).invoices
        return invoice.hash

    first = hash_of()
    assert first is not None
    assert first.startswith("own-")
    same = {"action": "R", "remarks": "no", "srcfilstatus": "SAVED", "ispendactblocked": "Y", "tradenm": None}
    assert hash_of(**same) == first == hash_of(val=Decimal("11800.00"), hash="  ")
    assert first not in (hash_of(val=11801), hash_of(pos="29"), hash_of(newer=1))
    assert hash_of(hash="ab" * 32) == "ab" * 32


def test_what_is_not_known_is_kept_apart(file: Path) -> None:
    """Sections of a newer tool, and keys beside them; an empty section is none."""
    document = {"imsDetails": {"b2b": [row()], "b2ba": None, "impg": [{"boenum": "1"}]}, "fy": "2026-27"}
    portal = read_portal(written(file, document))
    assert portal.other == {"impg": [{"boenum": "1"}], "fy": "2026-27"}
    assert len(portal.records) == 1


@pytest.mark.parametrize("where", ["outside", "inside"])
def test_the_files_own_gstin_is_compared(file: Path, where: str) -> None:
    """Wherever it stands."""
    document: dict[str, Any] = details(b2b=[row()])
    (document if where == "outside" else document["imsDetails"])["rtin"] = GSTIN.lower()
    written(file, document)
    assert read_portal(file).gstin == GSTIN == read_portal(file, gstin=GSTIN).gstin
    assert not read_portal(file).other
    assert read_portal(file).invoices[0].recipient == GSTIN
    with pytest.raises(
        InvalidFile, match=f"is of the taxpayer {GSTIN}, and not of {SUPPLIER}: name"
    ) as caught:
        read_portal(file, gstin=SUPPLIER)
    assert caught.value.problems[0].kind == "other-taxpayer"


def test_a_gstin_is_checked_unless_it_is_a_test_hosts(file: Path) -> None:
    """As everywhere else."""
    written(file, {**details(), "rtin": "27AAPFU0939F1ZX"})
    with pytest.raises(InvalidInput, match="checksum"):
        read_portal(file)
    assert read_portal(file, check=False).gstin == "27AAPFU0939F1ZX"
    with pytest.raises(InvalidInput, match="checksum"):
        read_portal(written(file, details()), gstin="27AAPFU0939F1ZX")


# -- records that cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"inum": 123456}, "inum: 123456 is not text"),
        ({"inum": None}, "inum: missing"),
        ({"stin": None}, "stin: missing"),
        ({"val": "11800"}, "val: '11800' is not a number"),
        ({"action": None}, "action: missing"),
        ({"action": "Accepted"}, "action: 'Accepted' is not an action"),
        ({"idt": "2026-10-03"}, "'2026-10-03' is not a date that exists"),
        ({"rtnprd": "202610"}, "rtnprd: '202610' is not a return period"),
    ],
)
def test_a_record_that_cannot_be_read_is_named(file: Path, changes: dict[str, Any], fault: str) -> None:
    """With its place; the others are there with `strict=False`."""
    written(file, details(b2b=[row(inum="1"), row(**changes)]))
    with pytest.raises(InvalidFile) as caught:
        read_portal(file)
    (problem,) = caught.value.problems
    assert f"imsDetails.b2b[1].{fault}"[:30] in problem or "imsDetails.b2b[1]: " in problem
    assert fault in problem
    assert problem.endswith("download it anew, or act on it at the portal")
    portal = read_portal(file, strict=False)
    assert [one.number for one in portal.invoices] == ["1"]
    assert portal.problems == (problem,)


def test_of_very_many_unreadable_records_the_first_are_named_and_all_counted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good ones behind them are read all the same."""
    monkeypatch.setattr("ims_async.tables.offline.reading.MOST_PROBLEMS", 2)
    bad = [row(inum=None), {}, row(inum=None), 7, row(inum=5)]
    portal = read_portal(written(file, details(b2b=[*bad, row()], b2bdn=[{}])), strict=False)
    assert len(portal.records) == 1
    assert "imsDetails: 3 more records of b2b that cannot be read" in portal.problems[-1]
    assert not [text for text in portal.problems if "b2b[2]" in text]
    assert [text for text in portal.problems if "b2bdn[0]" in text]


def test_a_row_that_is_no_object_is_a_problem(file: Path) -> None:
    """Of its own."""
    portal = read_portal(written(file, details(b2b=[7, row()])), strict=False)
    assert "b2b[0]: 7 is not an object" in portal.problems[0]
    assert len(portal.records) == 1


def test_an_empty_recipient_outside_hides_none_inside(file: Path) -> None:
    """Else the file of another taxpayer would be taken."""
    document = {**details(b2b=[], rtin="29AAACQ3770E1ZF"), "rtin": None}
    with pytest.raises(InvalidFile, match="is of the taxpayer 29AAACQ3770E1ZF"):
        read_portal(written(file, document), gstin=GSTIN)


def test_records_that_stand_in_it_twice_are_left_out(file: Path) -> None:
    """All of them: no upload could say which one is meant."""
    twins = [row(), row(val=1, stin=SUPPLIER.lower()), row()]
    written(file, details(b2b=[*twins, row(inum="2")], b2bdn=[row(Section.B2BDN)]))
    with pytest.raises(InvalidFile, match="stands in it twice"):
        read_portal(file)
    portal = read_portal(file, strict=False)
    assert [(one.section, one.number) for one in portal.invoices] == [
        ("b2b", "2"),
        ("b2bdn", "0012345678901234"),
    ]
    assert [one.kind for one in portal.problems] == ["twice-b2b", "twice-b2b"]


# -- other files -----------------------------------------------------------------------------------------


def _zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        out.writestr("portal.json", "{}")
    return packed.getvalue()


OTHERS: dict[str, tuple[object, str]] = {
    "nothing": (b" \n", "is empty: download it anew"),
    "text": (b"inum,idt\n1,2\n", r"is not JSON \(Expecting value.*\): download it anew"),
    "cut short": (b'{"imsDetails":{"b2b":[', "is not JSON"),
    "another encoding": ("{}".encode("utf-16"), "is not JSON"),
    "no number": (b'{"imsDetails":{"b2b":[NaN]}}', "NaN is not a JSON number"),
    "too deep": (b'{"imsDetails":' + b'{"a":' * 99 + b"1" + b"}" * 100, "more than 64 levels"),
    "very deep": (b"[" * 200_000, "is not JSON"),
    "zip": (_zipped(), "is packed .*: unpack it, and name the .json file in it"),
    "gzip": (gzip.compress(b"{}"), "is packed"),
    "list": ([], "is JSON, but not the portal's download of IMS: take the JSON"),
    "other object": ({"a": 1, "b": 2}, r"is a JSON file of another kind \(it has: a, b\), and not"),
    "empty object": ({}, r"\(it has: nothing\)"),
    "gstr-2b": ({"chksum": "x", "data": {"gstin": GSTIN, "docdata": {"b2b": []}}}, "is a GSTR-2B, and not"),
    "api": ({"code": 200, "transaction_id": "t", "data": {"b2b": []}}, "is an answer of an API"),
    "portal's page": ({"status": 1, "data": {"b2b": []}}, "is an answer of an API, or of a page"),
    "rows": ({"b2b": []}, "is an answer of an API, or of a page"),
    "upload": (
        {"rtin": GSTIN, "reqtyp": "SAVE", "invdata": {"b2b": []}},
        "is a file to be uploaded, and not .* of IMS: name the download that it was made from",
    ),
    "errors": ({"imsDetailsErr": {"b2b": []}}, "is the portal's error file, and not .*read_outcome.* shows"),
    "no sections": ({"imsDetails": []}, "is a JSON file of another kind"),
    "no rows": ({"imsDetails": {"b2b": {"inv": []}}}, "imsDetails.b2b that is not a list of records"),
    "whose": ({"imsDetails": {}, "rtin": 7}, r"a recipient \(rtin\) that is not text"),
    "a key twice": (b'{"imsDetails":{"b2b":[],"b2ba":[],"b2b":[]}}', "has the key 'b2b' twice in one object"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_another_file_is_refused_with_what_to_do(file: Path, name: str) -> None:
    """One sentence, which names the file."""
    content, said = OTHERS[name]
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        written(file, content)
    with pytest.raises(InvalidFile, match=said) as caught:
        read_portal(file, strict=False)
    assert str(caught.value).startswith(str(file))
    assert [(one.kind, one.file) for one in caught.value.problems] == [("file", str(file))]


@pytest.mark.parametrize("path", [lambda here: here, lambda here: here / "none.json", lambda _: "a\0b"])
def test_what_cannot_be_read_is_said(tmp_path: Path, path: Callable[[Path], Any]) -> None:
    """A folder, no file, and a name that no file can have."""
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_portal(path(tmp_path))


def test_a_file_that_is_too_large_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is read as JSON."""
    written(file, details())
    monkeypatch.setattr("ims_async.tables.offline.envelopes.LONGEST_FILE", 3)
    with pytest.raises(InvalidFile, match="is larger than 3 bytes"):
        read_portal(file)


def test_the_download_in_the_document_is_one(file: Path) -> None:
    """A user writes a first file after it."""
    (sample,) = re.findall(r"```json\n(.*?)```", DOCUMENTS["docs/offline-tool.md"], re.DOTALL)
    file.write_text(sample, encoding="utf-8")
    portal = read_portal(file, gstin=GSTIN)
    assert (len(portal.invoices), portal.problems, portal.other) == (1, (), {})

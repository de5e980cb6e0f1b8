"""Read, decide, write: what differs from the download is what was decided, for any download."""

from __future__ import annotations

import datetime as dt
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import Action, Decision, Invoice, Record, Section
from ims_async.gsp.codec.rows import wire_names
from ims_async.tables.offline import OfflineSettings, PortalFile, read_portal, write_upload
from tests.support import strategies
from tests.support.portal_files import GSTIN, loaded, written
from tests.support.sweeps import examples

ITC: Final = {
    "api": ("itcRedReq", "declIgst", "declCgst", "declSgst", "declCess"),
    "tool": ("itc_red_req", "decl_igst", "decl_cgst", "decl_sgst", "decl_cess"),
}
DECIDED: Final = {"action", "remarks", *ITC["api"], *ITC["tool"]}
NOT_SENT: Final = {"tradenm", "hash", "error_msg"}
FLAGS: Final = ("ispendactblocked", "isRemarksBlocked", "itcRedReqBlocked", "isItcRedReqBlocked")
SECTION_NAMES: Final = {Section.ECOM: ("ecom", "eco", "ECOM"), Section.ECOMA: ("ecoma", "ecoa")}
# Within a century whose periods are all periods.
DAYS: Final = st.dates(dt.date(2017, 7, 1), dt.date(2098, 12, 31)).map("{:%d-%m-%Y}".format)
FLAG: Final = st.sampled_from(["Y", "N", True, False])
SUPPLIERS: Final = st.sampled_from(
    ["29AAACQ3770E1ZF", "27AAPFU0939F1ZV", "29aaacq3770e1zf", "9917IRL29003OSG"]
)
NUMBERS: Final = st.sampled_from(["1", "0012345678901234", "INV/26-27/1", "1E5", "10-12", "a b"])
EXTRAS: Final[st.SearchStrategy[dict[str, Any]]] = st.dictionaries(
    st.sampled_from(["newer", "«hash»", "section", ""]),
    st.sampled_from(
        [None, True, 10**30, Decimal("1.0"), Decimal("1E+999999"), "\ud800", "ए", [], {"a": [{}]}]
    ),
    max_size=2,
)


@st.composite
def rows(draw: st.DrawFn, section: Section) -> dict[str, Any]:
    """Records as a download may have them; their keys in one order or the other."""
    names, amount = wire_names(section), strategies.rupees(99_999_999)
    found: dict[str, Any] = {
        "stin": draw(SUPPLIERS),
        names["number"]: draw(NUMBERS),
        names["date"]: draw(DAYS),
        "rtnprd": draw(strategies.periods() | st.integers(1, 12).map("{:02d}".format)),
        "action": draw(st.sampled_from("ARPN")),
        **{
            key: draw(amount | st.integers(0, 10**9))
            for key in ("val", "txval", "iamt", "camt", "samt", "cess")
        },
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "tradenm": st.text(),
        "hash": st.sampled_from(["", "ab12", "cd34"]),
        "error_msg": st.text(),
        "pos": st.sampled_from(strategies.PLACES),
        "srcform": st.sampled_from(["R1", "R1A", "R5"]),
        "srcfilstatus": st.sampled_from(["Filed", "SAVED", "F", "?", ""]),
        "remarks": st.none() | st.text(max_size=250),
        **dict.fromkeys(FLAGS, FLAG),
    }
    if not section.is_ecommerce:
        optional["inv_typ"] = st.sampled_from(strategies.TYPES)
    for key in draw(st.sets(st.sampled_from(sorted(optional)))):
        found[key] = draw(optional[key])
    if section.is_amendment:
        found |= {names["original_number"]: draw(NUMBERS), names["original_date"]: draw(DAYS)}
    if draw(st.booleans()):
        required, *heads = draw(st.sampled_from([ITC["api"], ITC["tool"]]))
        found[required] = draw(st.sampled_from(["Y", "N"]))
        if found[required] == "Y" and draw(st.booleans()):
            found |= {head: draw(amount) for head in heads}
    made = list((draw(EXTRAS) | found).items())
    return dict(made if draw(st.booleans()) else reversed(made))


@st.composite
def downloads(draw: st.DrawFn) -> dict[str, Any]:
    """Whole downloads, with sections that are not known, and empty ones."""
    sections = draw(st.lists(strategies.sections(), unique=True, max_size=3))
    details: dict[str, Any] = {
        draw(st.sampled_from(SECTION_NAMES.get(section, (str(section),)))): draw(
            st.lists(rows(section), max_size=3)
        )
        for section in sections
    }
    if draw(st.booleans()):
        details["impg"] = [{"boenum": 1}]
    return {"imsDetails": details}


@st.composite
def decisions(draw: st.DrawFn, portal: PortalFile) -> list[Record]:
    """What the rules let through on some of the records; an invoice is one that is taken back."""
    found: list[Record] = []
    for invoice in portal.invoices:
        wanted = draw(st.sampled_from([None, *Action]))
        if wanted is Action.NO_ACTION:
            found.append(invoice)
        elif wanted is not None and not (wanted is Action.PENDING and invoice.pending_allowed is False):
            found.append(draw(_decision(invoice, wanted)))
    return draw(st.permutations(found))


@st.composite
def _decision(draw: st.DrawFn, invoice: Invoice, action: Action) -> Decision:
    remarks, reduction = None, None
    if action is not Action.ACCEPT and invoice.remarks_allowed is not False:
        remarks = draw(st.none() | st.text(max_size=250))
    fits = action is Action.ACCEPT and invoice.section in strategies.REDUCIBLE
    if fits and invoice.itc_reduction_allowed is not False:
        given = strategies.fitting_reductions(invoice)
        reduction = draw(given if invoice.section is Section.B2BCN else st.none() | given)
    return Decision(invoice=invoice, action=action, remarks=remarks, itc_reduction=reduction)


def stands(record: Record) -> bool:
    """Whether the download shows what is decided."""
    if isinstance(record, Invoice):
        return record.action is Action.NO_ACTION
    one = record.invoice
    said = (record.action, record.remarks or None, record.itc_reduction)
    return said == (one.action, one.remarks or None, one.itc_reduction)


def declared(row: dict[str, Any]) -> tuple[str | None, tuple[Decimal, ...]] | None:
    """What a row says of a reduction, in whichever spelling; never in both."""
    found = [[row.get(key) for key in names] for names in ITC.values() if not row.keys().isdisjoint(names)]
    assert len(found) <= 1
    return (found[0][0], tuple(amount for amount in found[0][1:] if amount is not None)) if found else None


@given(st.data(), downloads(), st.sampled_from(["api", "tool"]))
def test_what_differs_is_what_was_decided(data: st.DataObject, document: dict[str, Any], names: Any) -> None:
    """Row by row, key by key, in the download's order and spelling."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = written(Path(folder, "portal.json"), document), Path(folder, "upload.json")
        portal = read_portal(source, gstin=GSTIN, strict=False)
        before = source.read_bytes()
        wanted = data.draw(decisions(portal))
        upload = write_upload(out, portal, wanted, settings=OfflineSettings(itc_names=names))
        assert source.read_bytes() == before
        changed = [one for one in wanted if not stands(one)]
        assert list(upload.written) == changed
        assert len(upload.written) + len(upload.unchanged) == len(wanted)
        assert out.exists() == bool(changed) == (upload.file == out)
        sections: dict[str, list[dict[str, Any]]] = loaded(out)["invdata"] if changed else {}
    sent = {key: iter(rows) for key, rows in sections.items()}
    assert sum(map(len, sections.values())) == len(changed)
    assert set(sections) <= set(document["imsDetails"]) - {"impg"}
    by_key = {record.invoice.key: record for record in portal.records}
    for one in changed:
        invoice = one.invoice if isinstance(one, Decision) else one
        record = by_key[invoice.key]
        row = next(sent[record.key])
        kept = [(key, value) for key, value in record.row.items() if key not in DECIDED | NOT_SENT]
        assert [(key, value) for key, value in row.items() if key not in DECIDED] == kept
        assert all(type(row[key]) is str for key, value in kept if type(value) is str)
        decided = one if isinstance(one, Decision) else Decision(invoice=one, action=Action.NO_ACTION)
        assert row["action"] == decided.action.value
        assert row.get("remarks") == (decided.remarks or None)
        reduction = decided.itc_reduction
        said = (
            None if reduction is None else ("YN"[not reduction.required], tuple(reduction.amounts.values()))
        )
        assert declared(row) == said


@settings(max_examples=examples(30))
@given(downloads())
def test_a_download_read_again_is_the_same(document: dict[str, Any]) -> None:
    """With whole amounts written as 1000 or 1000.00, too: the checksum is of their value."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "portal.json")
        first = read_portal(written(file, document), strict=False)
        for rows_of in document["imsDetails"].values():
            for row in rows_of if isinstance(rows_of, list) else ():
                if isinstance(row, dict) and isinstance(row.get("val"), int):
                    row["val"] = Decimal(f"{row['val']}.00")
        again = read_portal(written(file, document), strict=False)
    assert [one.key for one in again.invoices] == [one.key for one in first.invoices]
    assert [one.hash for one in again.invoices] == [one.hash for one in first.invoices]
    assert attrs.asdict(again)["problems"] == attrs.asdict(first)["problems"]

"""Hypothesis strategies for the documents of IMS: every section, every optional field, exact money."""

from __future__ import annotations

import datetime as dt
import string
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from ims_async import Action, Decision, Invoice, ItcReduction, Section
from ims_async.gsp.codec.rows import DECLARED, wire_names
from ims_async.model.vocabulary import gstin_checksum

REDUCIBLE = frozenset({Section.B2BA, Section.B2BDNA, Section.B2BCN, Section.B2BCNA, Section.ECOMA})
PLACES = [f"{code:02d}" for code in (*range(1, 39), 96, 97)]
TYPES = ["R", "DE", "SEWP", "SEWOP", "CBW"]
# Keys that some section's rows give a meaning to; `extra` holds none of them.
KNOWN_KEYS = frozenset(
    {name for section in Section for name in wire_names(section).values()}
    | {"itcRedReq", *DECLARED.values(), "srcfilstatus", "ispendactblocked", "ispendactnallwd"}
    | {"isRemarksBlocked", "isItcRedReqBlocked", "itcRedReqBlocked", "prev_status"}
)


def sections() -> st.SearchStrategy[Section]:
    """Any of the eight."""
    return st.sampled_from(list(Section))


@st.composite
def gstins(draw: st.DrawFn) -> str:
    """GSTINs with a right check digit."""
    state = draw(st.integers(1, 38))
    letters = draw(st.text(string.ascii_uppercase, min_size=6, max_size=6))
    digits = draw(st.integers(0, 9999))
    entity = draw(st.sampled_from("123456789" + string.ascii_uppercase))
    first = f"{state:02d}{letters[:5]}{digits:04d}{letters[5]}{entity}{draw(st.sampled_from('Z1C'))}"
    return first + gstin_checksum(first)


def numbers() -> st.SearchStrategy[str]:
    """Document numbers that the vendor's pattern takes: 1 to 16 characters, not zeros and signs alone."""
    text = st.text(string.ascii_letters + string.digits + "/-", min_size=1, max_size=16)
    return text.filter(lambda number: bool(number.strip("0/-")))


def days() -> st.SearchStrategy[dt.date]:
    """Dates since GST began."""
    return st.dates(dt.date(2017, 7, 1), dt.date(2099, 12, 31))


def periods() -> st.SearchStrategy[str]:
    """Return periods, MMYYYY."""
    return days().map(lambda day: f"{day:%m%Y}")


@st.composite
def rupees(draw: st.DrawFn, most: int = 99_999_999_999) -> Decimal:
    """Amounts up to `most`, written with none, one or two decimals: `1000`, `1000.1`, `1000.10`."""
    whole = draw(st.integers(0, most))
    paise = draw(st.sampled_from(["", ".0", ".00", ".1", ".10", ".91", ".05", ".99"]))
    return Decimal(f"{whole}{paise}")


def reductions() -> st.SearchStrategy[ItcReduction]:
    """No, full and partial reductions, with any of the heads."""
    head = st.none() | rupees(10_000)
    return st.builds(ItcReduction, required=st.booleans(), igst=head, cgst=head, sgst=head, cess=head)


@st.composite
def fitting_reductions(draw: st.DrawFn, invoice: Invoice) -> ItcReduction:
    """No, full and partial reductions of what a record bears: no more than its tax, CGST like SGST."""
    kind = draw(st.sampled_from(["none", "full", "partial"]))
    if kind != "partial":
        return ItcReduction.none() if kind == "none" else ItcReduction.full()
    half = draw(_at_most(min(invoice.cgst, invoice.sgst)))
    partial = ItcReduction.partial(
        igst=draw(_at_most(invoice.igst)), cgst=half, sgst=half, cess=draw(_at_most(invoice.cess))
    )
    return partial if any(partial.amounts.values()) else ItcReduction.none()


def _at_most(tax: Decimal) -> st.SearchStrategy[Decimal]:
    """Rupees up to a tax, and the tax itself."""
    return st.just(tax) | st.integers(0, int(tax)).map(Decimal)


def json_values() -> st.SearchStrategy[Any]:
    """What a JSON text can hold, as it is read: fractions as `Decimal`."""
    fractions = st.decimals(allow_nan=False, allow_infinity=False).filter(
        lambda number: {".", "E"} & set(str(number))
    )
    leaves = st.none() | st.booleans() | st.integers() | fractions | st.text()
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    )


def extras() -> st.SearchStrategy[dict[str, Any]]:
    """Fields that a gateway may add one day."""
    keys = st.text() | st.sampled_from(["«hash»", "«section»", "supplier", "self", "Action"])
    return st.dictionaries(keys.filter(lambda key: key not in KNOWN_KEYS), json_values(), max_size=3)


@st.composite
def records(draw: st.DrawFn, section: Section | None = None) -> Invoice:
    """Records of a section, with everything optional there or not."""
    section = section or draw(sections())
    flag = st.none() | st.booleans()
    return Invoice(
        section=section,
        supplier=draw(gstins()),
        number=draw(numbers()),
        date=draw(days()),
        return_period=draw(periods()),
        value=draw(rupees(9_999_999_999_999)),
        taxable_value=draw(rupees()),
        igst=draw(rupees()),
        cgst=draw(rupees()),
        sgst=draw(rupees()),
        cess=draw(rupees()),
        action=draw(st.sampled_from(list(Action))),
        original_number=draw(st.none() | numbers()),
        original_date=draw(st.none() | days()),
        type=None if section.is_ecommerce else draw(st.none() | st.sampled_from(TYPES)),
        source_form=draw(st.none() | st.sampled_from(["R1", "R1A", "IFF", "R5"])),
        place_of_supply=draw(st.none() | st.sampled_from(PLACES)),
        pending_allowed=draw(flag),
        supplier_filed=draw(flag),
        supplier_name=draw(st.none() | st.text()),
        remarks=draw(st.none() | st.text()),
        remarks_allowed=draw(flag),
        itc_reduction=draw(st.none() | reductions()),
        itc_reduction_allowed=draw(flag),
        hash=draw(st.none() | st.text(string.hexdigits, min_size=1, max_size=64)),
        extra=draw(extras()),
    )


@st.composite
def complete_records(draw: st.DrawFn, section: Section | None = None) -> Invoice:
    """Records that have all that the vendor's request schemas ask for."""
    section = section or draw(sections())
    return Invoice(
        section=section,
        supplier=draw(gstins()),
        number=draw(numbers()),
        date=draw(days()),
        return_period=draw(periods()),
        value=draw(rupees(9_999_999_999_999)),
        taxable_value=draw(rupees()),
        igst=draw(rupees()),
        cgst=draw(rupees()),
        sgst=draw(rupees()),
        cess=draw(rupees()),
        action=draw(st.sampled_from(list(Action))),
        original_number=draw(numbers()) if section.is_amendment else None,
        original_date=draw(days()) if section.is_amendment else None,
        type=None if section.is_ecommerce else draw(st.sampled_from(TYPES)),
        source_form=draw(st.sampled_from(["R1", "R1A", "IFF"])),
        place_of_supply=draw(st.sampled_from(PLACES)),
        hash=draw(st.none() | st.text(string.hexdigits, min_size=1, max_size=64)),
        remarks=draw(st.none() | st.text()),
        extra=draw(extras()),
    )


@st.composite
def decisions(draw: st.DrawFn, section: Section | None = None) -> Decision:
    """Decisions that `check` lets through, with and without remarks and ITC reductions."""
    invoice = draw(complete_records(section))
    action = draw(st.sampled_from([Action.ACCEPT, Action.REJECT, Action.PENDING]))
    reducible = invoice.section in REDUCIBLE and action is Action.ACCEPT
    must = reducible and invoice.section is Section.B2BCN
    reduction = fitting_reductions(invoice) if must else st.none() | fitting_reductions(invoice)
    return Decision(
        invoice=invoice,
        action=action,
        remarks=draw(st.none() | st.text(max_size=250)),
        itc_reduction=draw(reduction) if reducible else None,
    )


# What a gateway could put where something else belongs.
ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 10**30, Decimal("1.0"), Decimal("1E+999999"), Decimal("-0.5"), "", "Y", "N",
    "A", "X", "F", "Filed", "1000.10", "05-11-2024", "31-02-2024", "112024", "132024", "\ud800", [], {}, [[]],
    {"a": None}, ["Y"], {"Y": "N"},
]  # fmt: skip


def documented_row(section: Section) -> dict[str, Any]:
    """A row with exactly the documented fields of its section."""
    names = wire_names(section)
    row: dict[str, Any] = {
        names["number"]: "AB/0071",
        names["date"]: "05-11-2024",
        "stin": "29AAACQ3770E1ZF",
        "rtnprd": "112024",
        "srcform": "R1",
        "pos": "07",
        "val": 142700,
        "txval": Decimal("120932.18"),
        "iamt": 0,
        "camt": Decimal("10883.91"),
        "samt": Decimal("10883.90"),
        "cess": 0,
        "action": "N",
        "ispendactblocked": "N",
        "srcfilstatus": "Not Filed",
        "hash": "dbd0f1c65631",
    }
    if section.is_amendment:
        row |= {names["original_number"]: "AB/0070", names["original_date"]: "01-10-2024"}
    if not section.is_ecommerce:
        row["inv_typ"] = "R"
    return row


@st.composite
def mutated_rows(draw: st.DrawFn, section: Section) -> dict[str, Any]:
    """Rows with some fields gone, of another kind, renamed or new."""
    row = documented_row(section)
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.sampled_from(sorted({*row, *KNOWN_KEYS, "newer"})))
        change = draw(st.sampled_from(["drop", "odd", "odd", "rename"]))
        if change == "drop":
            row.pop(key, None)
        elif change == "odd":
            row[key] = draw(st.sampled_from(ODD_VALUES))
        elif key in row:
            row[draw(st.sampled_from(sorted(KNOWN_KEYS)))] = row.pop(key)
    return row

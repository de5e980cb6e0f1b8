"""Purchase registers with known truth and named noise, to try a policy or a matching program on.

    made = decide.testing.sample(seed=7, records=10_000)
    matching = decide.match(made.invoices, made.register)
    print(decide.testing.score(matching, made))

`booked` does the same for records that there are, such as the simulator's. Each record is booked with one
kind of noise of those in `NOISE`, or as it is, or not at all.
"""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

import attrs

from ..errors import InvalidInput
from ..model.records import Invoice
from ..model.vocabulary import Section, gstin_checksum
from .entry import HEADS, Entry, Kind
from .kinds import MatchKind
from .matching import Matching

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_STYLES: Final = (
    "INV/26-27/{:04d}", "{}", "A-{:05d}", "FY26-27/{:03d}/GST", "S{:03d}/2026-27", "TI{:06d}", "{:04d}-B",
    "GST/{month:02d}/{:02d}", "{}/GST1",
)  # fmt: skip
_FIRST: Final = dt.date(2026, 4, 5)
_CENT: Final = Decimal("0.01")
_KINDS: Final[Mapping[Section, Kind]] = {
    **dict.fromkeys((Section.B2BCN, Section.B2BCNA), "credit note"),
    **dict.fromkeys((Section.B2BDN, Section.B2BDNA), "debit note"),
}

NOISE: Final[Mapping[str, float]] = {
    "missing": 0.04,
    "value": 0.03,
    "separators": 0.05,
    "case": 0.03,
    "zeros": 0.04,
    "year": 0.03,
    "digits only": 0.05,
    "typing error": 0.02,
    "registration": 0.02,
    "rounded": 0.08,
    "booked late": 0.04,
    "lines": 0.04,
    "twice": 0.01,
    "tax head": 0.01,
    "other number": 0.01,
}
"""The share of the records with each kind of noise; the rest is booked as it is."""


@attrs.frozen
class Sample:
    """Records, a register, and for each record the places of its entries, and its kind of noise."""

    invoices: list[Invoice]
    register: list[Entry]
    truth: list[tuple[int, ...]]
    noise: list[str]


@attrs.frozen
class Score:
    """Shares of 1: right of what was matched, and matched of what is there; automatic ones, then all."""

    automatic_precision: float
    automatic_recall: float
    precision: float
    recall: float


def sample(
    seed: int = 0,
    records: int = 1000,
    *,
    noise: Mapping[str, float] | None = None,
    for_supplier: int = 50,
    same_value: float = 0.1,
    extra: float = 0.03,
) -> Sample:
    """Make a sample: the same one for the same arguments.

    Each supplier has `for_supplier` documents; `same_value` is the share of suppliers whose documents all
    have one value and consecutive numbers, `extra` the share of entries that no record belongs to. `noise`
    has other shares than `NOISE`. Raises `InvalidInput` for a kind of noise that is unknown.
    """
    rng, made, draw = random.Random(seed), Sample([], [], [], []), _noise(noise)  # noqa: S311 # no secret
    while len(made.invoices) < records:
        supplier, style = _gstin(rng), rng.choice(_STYLES)
        serial, value = rng.randint(1, 500), _rupees(rng) if rng.random() < same_value else None
        for _ in range(min(for_supplier, records - len(made.invoices))):
            serial += rng.choice((1, 1, 1, 2, 3))
            record = _record(rng, supplier, style, serial, value)
            _add(rng, made, record, draw(rng), serial)
            if rng.random() < extra:
                other = _record(rng, supplier, style, serial + 5000 + 3 * for_supplier, value)
                made.register.append(_entry(other))
    return _shuffled(rng, made)


def booked(
    invoices: Iterable[Invoice],
    seed: int = 0,
    *,
    noise: Mapping[str, float] | None = None,
    extra: float = 0.03,
) -> Sample:
    """Make a register for records: the same one for the same arguments, which are those of `sample`."""
    rng, made, draw = random.Random(seed), Sample([], [], [], []), _noise(noise)  # noqa: S311 # no secret
    for record in invoices:
        digits = max(reversed(re.findall(r"[0-9]+", record.number) or ["1"]), key=len)
        _add(rng, made, record, draw(rng), int(digits))
        if rng.random() < extra:
            number, value = f"E{rng.randint(1, 99_999)}", _rupees(rng)
            made.register.append(attrs.evolve(_entry(record), number=number, taxable_value=value))
    return _shuffled(rng, made)


def score(matching: Matching, made: Sample) -> Score:
    """Compare a matching with the truth."""
    places = {id(entry): place for place, entry in enumerate(made.register)}
    counts = {"automatic": [0, 0], "all": [0, 0]}
    for found, truth in zip(matching, made.truth, strict=True):
        if found.entry is None:
            continue
        right = {places[id(entry)] for entry in found.entries} <= {*truth}
        accepts = found.kind in (MatchKind.MATCHED, MatchKind.WITHIN_TOLERANCE)
        for name in ("all", "automatic") if accepts else ("all",):
            counts[name][0] += right
            counts[name][1] += 1
    there = sum(map(bool, made.truth)) or 1

    def shares(name: str) -> tuple[float, float]:
        right, matched = counts[name]
        return right / (matched or 1), right / there

    return Score(*shares("automatic"), *shares("all"))


def _noise(noise: Mapping[str, float] | None) -> Callable[[random.Random], str]:
    """Return what draws a kind of noise by the shares. Raises `InvalidInput` for one that is unknown."""
    if unknown := sorted(set(noise or ()) - set(NOISE)):
        raise InvalidInput(f"noise: {unknown[0]!r} is unknown; the kinds are: {', '.join(NOISE)}")
    shares = dict(NOISE if noise is None else noise)
    kinds, weights = [*shares, "none"], [*shares.values(), max(0.0, 1 - sum(shares.values()))]
    return lambda rng: rng.choices(kinds, weights)[0]


def _add(rng: random.Random, made: Sample, record: Invoice, kind: str, serial: int) -> None:
    """Add a record, and what the books have of it."""
    start = len(made.register)
    made.register.extend(_booked(rng, record, kind, serial))
    made.invoices.append(record)
    made.noise.append(kind)
    made.truth.append(tuple(range(start, len(made.register))))


def _shuffled(rng: random.Random, made: Sample) -> Sample:
    order = list(range(len(made.register)))
    rng.shuffle(order)
    at = {old: new for new, old in enumerate(order)}
    truth = [tuple(sorted(at[place] for place in places)) for places in made.truth]
    return Sample(made.invoices, [made.register[old] for old in order], truth, made.noise)


def _gstin(rng: random.Random) -> str:
    pan = "".join(rng.choices(_LETTERS, k=5)) + f"{rng.randint(0, 9999):04d}" + rng.choice(_LETTERS)
    first = f"{rng.randint(1, 37):02d}{pan}1Z"
    return first + gstin_checksum(first)


def _other_registration(gstin: str) -> str:
    """Return the GSTIN of the same PAN in the next state."""
    first = f"{int(gstin[:2]) % 37 + 1:02d}{gstin[2:14]}"
    return first + gstin_checksum(first)


def _rupees(rng: random.Random) -> Decimal:
    return Decimal(rng.randint(10_000, 50_000_000)) / 100


def _record(rng: random.Random, supplier: str, style: str, serial: int, value: Decimal | None) -> Invoice:
    taxable = value or _rupees(rng)
    tax = (taxable * rng.choice((5, 12, 18, 28)) / 100).quantize(_CENT)
    half, within = (tax / 2).quantize(_CENT), rng.random() < 0.5
    day = _FIRST + dt.timedelta(days=rng.randint(0, 200))
    zero = Decimal(0)
    igst, each = (zero, half) if within else (tax, zero)
    return Invoice(
        section=Section.B2B, supplier=supplier, number=style.format(serial, month=day.month), date=day,
        return_period=f"{day:%m%Y}",
        value=taxable + igst + 2 * each, taxable_value=taxable, igst=igst, cgst=each, sgst=each, cess=zero,
    )  # fmt: skip


def _entry(record: Invoice) -> Entry:
    return Entry(
        supplier=record.supplier, number=record.number, date=record.date, taxable_value=record.taxable_value,
        igst=record.igst, cgst=record.cgst, sgst=record.sgst, cess=record.cess,
        kind=_KINDS.get(record.section, "invoice"),
    )  # fmt: skip


def _booked(rng: random.Random, record: Invoice, kind: str, serial: int) -> list[Entry]:
    """Return what the books have of a record."""
    entry, number = _entry(record), record.number
    if kind == "missing":
        return []
    if kind == "twice":
        return [entry, attrs.evolve(entry, reference="again")]
    if kind == "lines":
        return _lines(attrs.evolve(entry, reference=number))
    if kind == "tax head":
        half = (entry.tax / 2).quantize(_CENT)
        igst, cgst, sgst = (
            (Decimal(0), half, entry.tax - half) if entry.igst else (entry.tax, *[Decimal(0)] * 2)
        )
        return [attrs.evolve(entry, igst=igst, cgst=cgst, sgst=sgst)]
    if kind == "value":
        return [attrs.evolve(entry, taxable_value=entry.taxable_value + rng.randint(100, 9000))]
    if kind == "rounded":
        return [attrs.evolve(entry, taxable_value=entry.taxable_value + Decimal(rng.randint(-90, 90)) / 100)]
    if kind == "registration":
        return [attrs.evolve(entry, supplier=_other_registration(record.supplier))]
    if kind == "booked late":
        return [attrs.evolve(entry, date=entry.date + dt.timedelta(days=rng.randint(1, 45)))]
    return [attrs.evolve(entry, number=_rewritten(rng, number, kind, serial))]


def _lines(entry: Entry) -> list[Entry]:
    """Return an entry as two lines, of a third and of the rest."""
    third = {head: (getattr(entry, head) / 3).quantize(_CENT) for head in HEADS}
    rest = {head: getattr(entry, head) - part for head, part in third.items()}
    return [attrs.evolve(entry, **part) for part in (third, rest)]


def _rewritten(rng: random.Random, number: str, kind: str, serial: int) -> str:
    """Return a number as somebody types it who reads it off the document."""
    match kind:
        case "separators":
            return number.replace("/", rng.choice(("", " ", "-"))).replace("-", "")
        case "case":
            return f" {number.lower()} "
        case "zeros":
            padded = f"{serial:0{rng.choice((1, 2, 4, 5, 7))}d}"
            return re.sub(rf"(?<!\d)0*{serial}(?!\d)", padded, number)
        case "year":
            return re.sub(r"(?:FY)?(?:20)?26-27", rng.choice(("26-27", "2026-27", "FY26-27")), number)
        case "digits only":
            return str(serial)
        case "typing error":
            return _mistyped(rng, number)
        case "other number":
            return f"X{rng.randint(1, 99_999)}"
        case _:
            return number


def _mistyped(rng: random.Random, number: str) -> str:
    place = rng.randrange(len(number))
    how = rng.randrange(3)
    if how == 0 and place + 1 < len(number):
        return number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    if how == 1:
        return number[:place] + number[place + 1 :] or number
    return number[:place] + rng.choice("0123456789AOI") + number[place + 1 :]

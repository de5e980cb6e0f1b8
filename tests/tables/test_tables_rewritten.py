"""A row is the record that its hash names, whatever a spreadsheet has made of its other cells."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ims_async import Action, InvalidInput, Invoice, Section, tables
from ims_async.tables.matching import without_standing
from ims_async.tables.rewriting import is_scientific, may_show

from ..support.soffice import LOCALES, saved_by_libreoffice
from ..support.strategies import numbers, records
from ..support.sweeps import examples
from .test_tables import GOOD, lines, make_invoice

ODD = (
    "000013",
    "1E5",
    "10-12",
    "12/24",
    "1234567890123456",
    "0012E3",
    "3-4-25",
    "INV/24/001",
    "007-A",
    "45570",
)
NUMERIC = re.compile(r"[0-9]+(\.[0-9]+)?(E[0-9]+)?")


def shown(text: str, *, locale: str) -> str:
    """Return what Excel shows of a cell of a CSV file that it takes for a number or a date."""
    comma = "," if locale == "de-DE" else "."
    if NUMERIC.fullmatch(text):
        value = float(text)
        if "E" in text or value >= 1e15:
            return f"{value:.2E}".replace(".", comma)
        return f"{value:.15g}".replace(".", comma)
    parts = re.split(r"[-/]", text)
    if not all(part.isdigit() for part in parts):
        return text
    figures = [int(part) for part in parts]
    if len(figures) == 2 and 1 <= figures[0] <= 12:
        return (
            f"{figures[0]:02d}.{figures[1]}"
            if locale == "de-DE"
            else dt.date(2026, figures[0], 1).strftime("%d-%b")
        )
    if len(figures) == 3:
        day, month, year = figures if locale != "en-US" else (figures[1], figures[0], figures[2])
        try:
            found = dt.date(year % 100 + 2000, month, day)
        except ValueError:
            return text
        return {
            "en-IN": f"{found:%d/%m/%y}",
            "en-US": f"{found.month}/{found.day}/{found.year}",
            "de-DE": f"{found:%d.%m.%Y}",
        }[locale]
    return text


def saved(invoices: list[Invoice], *, locale: str, action: str = "Accept") -> io.StringIO:
    """Return the CSV file of invoices as a spreadsheet has saved it, all of them decided."""
    rows = [
        {
            "section": str(one.section),
            "supplier": one.supplier.upper(),
            "number": shown(one.number, locale=locale),
            "date": shown(f"{one.date:%d-%m-%Y}", locale=locale),
            "return period": shown(one.return_period, locale=locale),
            "action": action,
            "action when pulled": str(one.action),
            "hash": one.hash or "",
        }
        for one in invoices
    ]
    sign = ";" if locale == "de-DE" else ","
    return io.StringIO(lines(*rows, delimiter=sign), newline="")


def two_hundred() -> list[Invoice]:
    """Return records whose ids spreadsheets like to rewrite."""
    months = [f"{n % 12 + 1:02d}2025" for n in range(200)]
    return [
        make_invoice(
            number=f"{ODD[n % 10]}" if n < 10 else f"{n:06d}" if n % 3 else f"{n % 12 + 1}-{n}",
            date=dt.date(2024, n % 12 + 1, n % 28 + 1),
            return_period=months[n],
            hash=hashlib.sha256(bytes([n])).hexdigest(),
        )
        for n in range(200)
    ]


@pytest.mark.parametrize("locale", ["en-IN", "en-US", "de-DE"])
def test_every_row_that_a_spreadsheet_has_saved_is_recognised(locale: str) -> None:
    """200 of 200: nothing but the hash is as it was written."""
    invoices = two_hundred()
    rows = tables.read_decisions(saved(invoices, locale=locale))
    assert [decision.invoice for decision in tables.match(rows, invoices)] == invoices
    again = tables.recognised(rows, invoices)
    assert sum(row.rewritten for row in again) == 200
    assert [row.key for row in again] == [invoice.key for invoice in invoices]
    assert tables.recognised(again, invoices) == again
    assert tables.match_records(again, invoices) == invoices


@pytest.mark.parametrize("locale", LOCALES)
def test_every_row_that_libreoffice_has_saved_is_recognised(tmp_path: Path, locale: str) -> None:
    """The real program opens the CSV file of a pull, and saves it."""
    invoices = two_hundred()
    file = tmp_path / "nov.csv"
    tables.write_invoices(file, invoices, gstin="29AAACQ3770E1ZF")
    saved = saved_by_libreoffice(file, locale, to="csv")
    rows = tables.read_records(saved)
    assert tables.match_records(rows, invoices) == invoices
    assert sum(row.rewritten for row in tables.recognised(rows, invoices)) > 100


@settings(max_examples=examples(60))
@given(
    st.lists(records(section=Section.B2B), min_size=1, max_size=5, unique_by=lambda one: one.number.upper()),
    st.data(),
)
def test_whatever_the_ids_say_the_hash_decides(pulled: list[Invoice], data: st.DataObject) -> None:
    """Any text in the cells of the ids, but not those of another record."""
    invoices = [
        attrs.evolve(one, hash=f"{place:064x}", recipient=None, action=Action.NO_ACTION)
        for place, one in enumerate(pulled)
    ]
    texts = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)
    rows = [
        {"supplier": data.draw(texts), "number": data.draw(texts), "date": data.draw(texts)}
        | {
            "return period": data.draw(texts),
            "hash": data.draw(st.sampled_from([str.upper, str.lower]))(one.hash or ""),
        }
        for one in invoices
    ]
    read = tables.read_decisions(io.StringIO(lines(*rows), newline=""))
    assert tables.match_records(read, invoices) == invoices


@pytest.mark.parametrize("locale", ["en-IN", "en-US", "de-DE"])
@given(number=numbers())
def test_what_a_spreadsheet_shows_of_a_number_is_known_as_it(locale: str, number: str) -> None:
    """In each of the locales; another number is not."""
    assert may_show(shown(number, locale=locale), number)
    assert not may_show(f"{number}X", number)


def test_a_hash_is_compared_without_case_and_blanks() -> None:
    """As a person copies it."""
    rows = tables.read_decisions(io.StringIO(lines({"hash": f" {'AB' * 16} {'ab' * 16} "})))
    assert len(tables.match(rows, [make_invoice()])) == 1
    assert not tables.recognised(rows, [make_invoice()])[0].rewritten


def refused(rows: list[dict[str, str]], now: list[Invoice]) -> list[tuple[str, str]]:
    """Return the kind and the message of each problem of a match."""
    with pytest.raises(InvalidInput) as caught:
        tables.match(tables.read_decisions(io.StringIO(lines(*rows), newline="")), now)
    return [(one.kind, one.message) for one in tables.problems_of(caught.value)]


def test_another_hash_of_the_same_record_is_the_suppliers_edit() -> None:
    """Also where a spreadsheet has rewritten the number."""
    now = [make_invoice(number="000013", hash="cd" * 32)]
    for number in ("000013", "13"):
        ((kind, message),) = refused([{"number": number, "date": "2024-10-05"}], now)
        assert (kind, "edited it since" in message) == ("edited", True)


def test_a_hash_that_was_taken_for_a_number_is_named() -> None:
    """It has digits only, or one E among them; that is no edit of the supplier's."""
    ((kind, message),) = refused([{"hash": "1.23E+45"}], [make_invoice(hash="123" + "4" * 43)])
    assert (kind, "a spreadsheet has rewritten its hash" in message) == ("rewritten", True)


@pytest.mark.parametrize(("cell", "number"), [("100000", "1E5"), ("13", "000013"), ("10-Dec", "10-12")])
def test_a_damaged_number_without_a_hash_is_named_as_such(cell: str, number: str) -> None:
    """And not as gone."""
    ((kind, message),) = refused([{"number": cell, "hash": ""}], [make_invoice(number=number)])
    assert (kind, f"a spreadsheet has rewritten {number}" in message) == ("other-number", True)
    ((kind, _),) = refused([{"number": "77", "hash": ""}], [make_invoice(number=number)])
    assert kind == "gone"


def test_a_number_as_only_a_program_writes_it_is_refused_on_reading() -> None:
    """Without a hash; with one that no record has it is named too."""
    with pytest.raises(InvalidInput, match=r"column number: a spreadsheet has rewritten it: 1\.00E\+05"):
        tables.read_decisions(io.StringIO(lines({"hash": "", "number": "1.00E+05"})))
    for damaged in ({"number": "1.00E+05"}, {"date": "2024-10-05", "number": "x"}):
        ((kind, message),) = refused([damaged], [])
        assert (kind, "a spreadsheet has rewritten it" in message) == ("rewritten", True)


def test_records_with_one_hash_are_kept_apart_by_what_remains() -> None:
    """By number here; where that fits both, neither is guessed."""
    first, second = make_invoice(number="000013"), make_invoice(number="77")
    rows = tables.read_decisions(io.StringIO(lines({"number": "77", "date": "5/10/24"}, {"number": "13"})))
    assert tables.match_records(rows, [first, second]) == [second, first]
    ((kind, message),) = refused([{"number": "13"}], [first, make_invoice(number="0013")])
    assert (kind, "several records have its hash" in message) == ("several", True)


def test_rows_of_one_record_are_refused_by_name() -> None:
    """Two rows with one hash: the second is."""
    ((kind, message),) = refused([{}, {"number": "14"}], [make_invoice()])
    assert (kind, "row 2 is of the same record already" in message) == ("twice", True)


def test_two_rows_that_look_alike_are_two_records_by_their_hashes() -> None:
    """000013 and 13, once a spreadsheet has shown both as 13."""
    now = [make_invoice(number="000013"), make_invoice(number="13", hash="cd" * 32)]
    rows = [{"number": "13"}, {"number": "13", "hash": "cd" * 32}]
    read = tables.read_with_information(io.StringIO(lines(*rows), newline=""))
    assert tables.match_records([row for row, _ in read], now) == now
    assert [(one.code, one.level) for one in tables.check_rows(read)] == [("duplicate", "warn")]


def test_columns_that_were_sorted_by_themselves_are_refused() -> None:
    """The hash is that of one record, the ids are those of another."""
    first, second = make_invoice(), make_invoice(number="OTHER", hash="cd" * 32)
    found = refused([{"hash": "cd" * 32}, {"number": "OTHER"}], [first, second])
    assert [kind for kind, _ in found] == ["mixed-up", "mixed-up"]
    assert "sorted by itself" in found[0][1]


COLUMNS = ("section", "supplier", "number", "date", "return period", "action when pulled", "hash")


def pushed(rows: list[dict[str, str]], now: list[Invoice]) -> list[tuple[Invoice, Action]] | None:
    """Return what a push sends of a file's rows, None if it refuses them."""
    read = tables.recognised(tables.read_decisions(io.StringIO(lines(*rows), newline="")), now)
    left, standing = without_standing(read, now)
    assert not standing
    try:
        return [(one.invoice, one.action) for one in tables.match(left, now)]
    except InvalidInput:
        return None


@pytest.mark.parametrize("locale", [None, "en-IN", "en-US", "de-DE"])
@pytest.mark.parametrize("column", COLUMNS)
@settings(max_examples=examples(10))
@given(data=st.data())
def test_a_column_that_was_sorted_by_itself_puts_no_decision_on_another_record(
    column: str, locale: str | None, data: st.DataObject
) -> None:
    """Also where a spreadsheet has rewritten the rest: it is sent for the row's record, or refused."""
    invoices = two_hundred()[:8] + two_hundred()[50:54]
    actions = [data.draw(st.sampled_from("AR")) for _ in invoices]
    texts = [
        {
            name: text if locale is None else shown(text, locale=locale)
            for name, text in (("number", one.number), ("date", f"{one.date:%d-%m-%Y}"))
        }
        | {"return period": one.return_period, "hash": one.hash or "", "action": action}
        for one, action in zip(invoices, actions, strict=True)
    ]
    texts = [{**GOOD, **row} for row in texts]
    order = data.draw(st.permutations(range(len(texts))))
    rows = [{**row, column: texts[place][column]} for row, place in zip(texts, order, strict=True)]
    sent = pushed(rows, invoices)
    moved = [row for row, before in zip(rows, texts, strict=True) if row[column] != before[column]]
    right = [(one, Action(action)) for one, action in zip(invoices, actions, strict=True)]
    assert sent is None if column == "hash" and moved else sent in (None, right)


@pytest.mark.parametrize(
    "ids",
    [
        {"number": "OTHER"}, {"number": "OTHER", "date": "5/10/24"}, {"supplier": "27AAPFU0939F1ZV"},
        {"number": "1.2E+05", "date": "5/10/24"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("action", ["N", "A"])
def test_ids_that_no_spreadsheet_makes_of_the_records_are_refused(ids: dict[str, str], action: str) -> None:
    """Whether the gateway shows the other record or not, and whether this one stands as decided or not."""
    now = [make_invoice(action=Action(action)), make_invoice(number="OTHER", hash="cd" * 32)]
    assert pushed([{"action when pulled": action, **ids}], now) is None
    ((kind, _),) = refused([{"action when pulled": action, **ids}], now)
    assert kind == "mixed-up"


def test_of_two_decisions_on_one_record_none_stands_already() -> None:
    """One of them is what the gateway shows: which of the two is meant is not known."""
    rows = [{"action": "A", "action when pulled": "A"}, {"action": "R", "number": "inv/24/001"}]
    assert pushed(rows, [make_invoice(action=Action.ACCEPT)]) is None


@pytest.mark.parametrize("number", ["000013", "13"])
def test_a_hash_that_was_cut_off_is_no_edit_of_the_suppliers(number: str) -> None:
    """It is named as what it is."""
    ((kind, message),) = refused(
        [{"hash": "CD" * 20, "number": number}], [make_invoice(number="000013", hash="cd" * 32)]
    )
    assert (kind, "only a part of its hash" in message) == ("cut-off", True)


def test_a_number_that_a_spreadsheet_has_rewritten_is_not_compared_with_books(tmp_path: Path) -> None:
    """It would not be in them, and a policy may reject what is not."""
    file = tmp_path / "nov.csv"
    tables.write_invoices(file, [make_invoice(number="1E5")])
    file.write_text(file.read_text().replace(",1E5,", ",1.00E+05,"))
    with pytest.raises(InvalidInput, match=r"column number: a spreadsheet .* cannot be compared without it"):
        tables.read_sheet(file)


def test_the_offline_check_warns_of_rewritten_ids() -> None:
    """It names them; without a hash they are refused on reading."""
    rows = tables.read_with_information(
        io.StringIO(lines({"date": "2024-10-05", "return period": "12025"}, {"hash": "cd" * 32}))
    )
    (found,) = tables.check_rows(rows)
    assert (found.code, found.level, found.place) == ("rewritten", "warn", 0)
    assert "date: '2024-10-05' looks rewritten" in found.message
    assert tables.rewritten_count(rows) == 1
    assert rows[0][0].return_period == "012025"
    assert rows[0][0].date is None
    ((row, _),) = tables.read_with_information(io.StringIO(lines({"number": "1.00E+05"})))
    assert [column for column, _ in row.doubts] == ["number"]


def checked(*rows: dict[str, str]) -> list[tuple[int | None, str, str]]:
    """Return place, code and level of what a check finds in a file."""
    read = tables.read_with_information(io.StringIO(lines(*rows), newline=""))
    return [(one.place, one.code, one.level) for one in tables.check_rows(read)]


def test_a_row_without_a_hash_that_a_match_takes_is_not_refused_by_the_check() -> None:
    """The gateway may show no hash of its record: the check cannot know, and warns."""
    rows = [{}, {"number": "13", "hash": ""}]
    assert checked(*rows) == [(1, "no-hash", "warn")]
    read = tables.read_decisions(io.StringIO(lines(*rows), newline=""))
    now = [make_invoice(), make_invoice(number="13", hash=None)]
    assert [one.invoice for one in tables.match(read, now)] == now
    ((kind, _),) = refused(rows, [now[0], make_invoice(number="13", hash="cd" * 32)])
    assert kind == "no-hash"


def test_a_rewritten_hash_is_one_refusal_of_its_row() -> None:
    """No promise that push knows the record by it, whatever else is rewritten; two alike are not one hash."""
    damaged = {"number": "13", "hash": "1.23457E+63", "date": "2024-10-05", "return period": "12025"}
    read = tables.read_with_information(io.StringIO(lines(damaged), newline=""))
    (found,) = tables.check_rows(read)
    assert (found.code, found.level) == ("rewritten", "refuse")
    assert "pull into a .xlsx file" in found.message
    assert tables.rewritten_count(read) == 0
    rows = [{"number": "77", "hash": " 1.23457e+63"}, {"number": "78", "hash": "1.23457E+63"}]
    assert checked(*rows) == [(0, "rewritten", "refuse"), (1, "rewritten", "refuse")]


WORDS = {
    Action.ACCEPT: ["A", "a ", "Accept", "accepted", "ACCEPT", "स्वीकार", "स्वीकार करें", "स्वीकृत"],
    Action.REJECT: ["R", "Reject", "REJECTED", "अस्वीकार", "अस्वीकार  करें"],
    Action.PENDING: ["p", "Pending", "Keep pending", "keep_pending", "KEEP  PENDING", "लंबित", "लम्बित"],
}


@pytest.mark.parametrize(
    ("action", "word"), [(action, word) for action, words in WORDS.items() for word in words]
)
@pytest.mark.parametrize(
    "form", [str, lambda text: unicodedata.normalize("NFD", text)], ids=["as-is", "apart"]
)
def test_an_action_is_read_in_the_words_that_people_use(
    action: Action, word: str, form: Callable[[str], str]
) -> None:
    """Case, blanks and the way in which a keyboard puts letters together make no difference."""
    (row,) = tables.read_decisions(io.StringIO(lines({"action": form(word)})))
    assert row.action is action


@pytest.mark.parametrize("word", ["yes", "Ac", "ok?", "स्व"])
def test_a_word_that_may_mean_two_things_is_no_action(word: str) -> None:
    """A decision is not guessed."""
    with pytest.raises(InvalidInput, match="column action"):
        tables.read_decisions(io.StringIO(lines({"action": word})))


def mojibake(text: str) -> str:
    """Return UTF-8 as a program shows it that takes it for Windows-1252."""
    undefined = {0x81, 0x8D, 0x8F, 0x90, 0x9D}
    return "".join(chr(one) if one in undefined else bytes([one]).decode("cp1252") for one in text.encode())


REAL = (
    "café", "₹500", "स्वीकार नहीं", "பொருள் கிடைக்கவில்லை", "సరుకు అందలేదు", "પરત", "ਮਾਲ", "পণ্য",
    "ಸರಕು", "സാധനം", "مال نہیں", "Привет",
    "« Élan » — NOËL, L’ÉTÉ, ÎLE, À “Paris”", "MUÑOZ’S HÔTEL…", "São Paulo, AÇÃO – fim", "à 500 €", "why??",
)  # fmt: skip


@pytest.mark.parametrize(
    "remarks", ["caf\ufffd", "Â\xa05", "????? ???? ???", "?? 500 ???", "â\x82¹5", *map(mojibake, REAL[:12])]
)
def test_garbled_remarks_are_a_warning(remarks: str) -> None:
    """A wrong code page has read them."""
    rows = tables.read_with_information(io.StringIO(lines({"action": "R", "remarks": remarks})))
    assert ("remarks-garbled", "warn") in [(one.code, one.level) for one in tables.check_rows(rows)]


@pytest.mark.parametrize("remarks", [*REAL, "ÄÖÅ – Å…", "Ñ… Ä™", "Ø’", "MAÑANA Ñ”"])
def test_remarks_of_any_language_are_not_taken_for_garbled(remarks: str) -> None:
    """French quotes, Indian scripts, letters that a dash or an ellipsis follows."""
    rows = tables.read_with_information(io.StringIO(lines({"action": "R", "remarks": remarks})))
    assert "remarks-garbled" not in [one.code for one in tables.check_rows(rows)]


@pytest.mark.parametrize(
    ("cell", "number", "expected"),
    [
        ("1.00E+05", "1E5", True), ("1,00E+05", "1E5", True), ("1.23457E+15", "1234567890123456", True),
        ("1234567890123450", "1234567890123456", True), ("1234567890123456", "1234567890123450", True),
        ("100000", "1E5", True), ("1,00,000", "1E5", True), ("100001", "1E5", False), ("0013", "13", False),
        ("13", "0013", True), ("10-Dec", "10-12", True), ("12-Okt", "10-12", True),
        ("2026-12-10", "10-12", True),
        ("46366", "10-12", True), ("01-Dec", "12/24", True), ("10-Dec", "11-12", False), ("A1", "A1 ", True),
        ("x", "1E5", False), ("1E999", "1E999", True), ("", "0", False),
    ],
)  # fmt: skip
def test_what_a_spreadsheet_may_show(cell: str, number: str, expected: bool) -> None:
    """Numbers, dates, months; and what it never does."""
    assert may_show(cell, number) is expected
    assert not is_scientific(number)

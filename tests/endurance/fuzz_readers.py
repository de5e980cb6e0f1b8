"""Every reader of bytes or text from outside, for `tests.endurance.fuzz`: its samples, how it is asked."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import io
import json
import math
import random
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs

from ims_async import decide, tables
from ims_async.cli.inputs.environment import Variables
from ims_async.decide.keeping import keep
from ims_async.decide.policy_file import TEMPLATE
from ims_async.errors import DownloadQueued, InvalidInput, JournalError, UnexpectedAnswer
from ims_async.gsp import codec
from ims_async.gsp.base import Response
from ims_async.gsp.codec.json import Scanner, json_text, parse_json
from ims_async.gsp.http import check_base_url, read_retry_at
from ims_async.gsp.verdicts import epoch
from ims_async.journal import packing
from ims_async.model.plain import Plain
from ims_async.model.records import Decision, Invoice, InvoiceList, ItcReduction
from ims_async.model.report import JobReport, RecordFailure
from ims_async.model.secret import Secret, jwt_expiry
from ims_async.model.status import Found, JobKind, JobState, JobStatus
from ims_async.model.tokens import Download, JobToken
from ims_async.model.vocabulary import Action, GoodsType, Section, parse_gstin, period_problem
from ims_async.net.credential_file import FileCredentialStore
from ims_async.net.transport import Gunzip
from ims_async.tables.checking import Beside
from ims_async.tables.reading import read_keeping
from tests.endurance import fuzz_promises as promises
from tests.endurance.fuzz_portal import portal_readers
from tests.endurance.fuzz_promises import Case, Reader, promise
from tests.endurance.fuzz_talks import answers_of, sandbox, vayana
from tests.support import strategies, vayana_talk
from tests.support.recorded import NOW, jwt, recorded


def _read_through(body: bytes) -> InvoiceList:
    reading = codec.read_invoices(body, ("data",), strict=False)
    while True:
        try:
            next(reading)
        except StopIteration as stop:
            rows: InvoiceList = stop.value
            return rows


def _rows(section: Section) -> Reader:
    row = strategies.documented_row(section)
    bodies = [
        json_text({"data": {str(section): rows}}).encode()
        for rows in (
            [row],
            [row, {**row, "tradenm": "A", "remarks": "b", "itcRedReq": "Y", "declIgst": 1}],
            [],
        )
    ]

    def read(case: Case) -> Any:
        # A space before it, and it is read from the stream, not parsed in one piece. (Before a byte order
        # mark there may be none.)
        streamed = b" " + case.body if case.body[:1] == b"{" else case.body
        try:
            rows = _read_through(case.body)
        except (UnexpectedAnswer, DownloadQueued) as error:
            with contextlib.suppress(type(error)):
                _read_through(streamed)
                promise(False, "both ways of reading refuse it")
            raise
        again = _read_through(streamed)
        promise(repr([*rows]) == repr([*again]), "both ways of reading find the same rows")
        promise(repr([*rows.other.items()]) == repr([*again.other.items()]), "and the same beside them")
        promise(rows.problems == again.problems, "and the same problems")
        promises.deeper(partial(promises.of_rows, rows, case.body))
        return rows

    return Reader(f"rows {section}", tuple(map(Case, bodies)), read, (UnexpectedAnswer, DownloadQueued))


def _error_report(case: Case) -> Any:
    entries = codec.read_error_report(parse_json(case.body))
    promise(
        all(isinstance(entry.code, str) and isinstance(entry.supplier, str) for entry in entries), "texts"
    )
    return entries


def _scan(case: Case) -> Any:
    with contextlib.suppress(ValueError, ArithmeticError, RecursionError, RuntimeError, StopIteration):
        scanner = Scanner(case.body.decode("utf-8-sig"))
        for _ in scanner.members():
            scanner.value()
        scanner.end()
        promise(isinstance(parse_json(case.body), dict), "what the scanner takes is JSON")


def _text(case: Case) -> str:
    """Text of any bytes, lone surrogates included."""
    try:
        return case.body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return case.body.decode("latin-1")


def _loads(kind: Any, case: Case) -> Any:
    token = kind.loads(_text(case))
    promises.of_token(token)
    return token


def _jwt(case: Case) -> Any:
    expiry = jwt_expiry(Secret(_text(case)).reveal())
    promise(expiry is None or math.isfinite(expiry), "an expiry is a point in time")
    promise((at := epoch(_text(case))) is None or math.isfinite(at), "an epoch is a point in time")
    return expiry


def _wait(case: Case) -> Any:
    hints = {name: case.body.decode("latin-1") for name in ("retry-after", "x-ratelimit-reset")}
    until = read_retry_at(Response(status=429, headers=hints, body=b"", received_at=NOW))
    promise(until is None or math.isfinite(until), "a hint is a point in time")
    return until


def _words(case: Case) -> Any:
    text = _text(case)
    for parse in (Section.parse, Action.parse, GoodsType.parse, parse_gstin, check_base_url, _switch):
        with contextlib.suppress(InvalidInput):
            parse(text)
    return period_problem(text)


def _switch(text: str) -> bool:
    return Variables({"IMS_TEST": text}).flag("IMS_TEST")


_KEPT: Final = Path(tempfile.gettempdir()) / f"ims-async-fuzz-{random.SystemRandom().randrange(10**9)}.json"


def _credentials(case: Case) -> Any:
    try:
        _KEPT.touch(0o600)
        _KEPT.write_bytes(case.body)
        store = FileCredentialStore(_KEPT)
        token = store._token(store._read(), "account/gstin")  # what `load` does in a thread
        promise(token is None or isinstance(token.value, Secret), "a token")
        return token
    finally:
        _KEPT.unlink(missing_ok=True)


def _unpack(case: Case) -> Any:
    chance = random.Random(zlib.crc32(case.body))  # noqa: S311 # the same parts each time
    unpack, size, at = Gunzip(), 0, 0
    while at < len(case.body):
        length = chance.choice((1, 7, 100, 4096, 1 << 20))
        for part in unpack(case.body[at : at + length]):
            promise(len(part) <= 1 << 20, "pieces are of bounded size")
            size += len(part)
        at += length
    return (size, unpack.complete)


def _packed(*texts: bytes) -> Case:
    members = []
    for text in texts:
        packer = zlib.compressobj(wbits=31)
        members.append(packer.compress(text) + packer.flush())
    return Case(b"".join(members))


def _table(read: Callable[..., Any], join: Callable[..., Any], case: Case) -> Any:
    rows = read(io.BytesIO(case.body), check_suppliers=False)
    with contextlib.suppress(UnicodeDecodeError):
        text = case.body.decode("utf-8", "surrogatepass")
        with contextlib.suppress(InvalidInput):
            read(io.StringIO(text, newline=""))
    with contextlib.suppress(InvalidInput):
        join(rows, [vayana_talk.INVOICE])
    return rows


def _checked(case: Case) -> Any:
    """Read a file with all its columns, and ask every rule about it, which raises nothing."""
    rows = tables.read_with_information(io.BytesIO(case.body), check_suppliers=False)
    for finding in tables.check_rows(rows, gstin=vayana_talk.GSTIN, today=dt.date(2025, 12, 31)):
        promise(str(finding), "a finding has words")
    beside = Beside()
    beside.rows = read_keeping(io.BytesIO(case.body), beside.keep, check_suppliers=False)
    promise([*beside] == rows, "what is kept beside rows is what was read")
    return rows


def _in_a_file(read: Callable[[Path], Any], suffix: str, case: Case) -> Any:
    """Read what is read by its path only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"input{suffix}")
        path.write_bytes(case.body)
        return repr(read(path))


def _kept(path: Path) -> Any:
    """Merge a new read into a file, and write it: what was written is read again, and nothing is missing."""
    strict = repr(_or_none(partial(tables.read_sheet, path)))
    sheet = tables.read_sheet(path, check_suppliers=False, lenient=True)
    count = len(sheet.records)
    for _ in range(2):
        keep(sheet, sheet.records, [vayana_talk.INVOICE], gstin=vayana_talk.GSTIN, sections=set(Section))
        sheet.write(path)
        sheet = tables.read_sheet(path, check_suppliers=False, lenient=True)
    promise(count <= len(sheet.records) <= count + 1, "every row is there")
    return strict


def _or_none(read: Callable[[], Any]) -> Any:
    with contextlib.suppress(InvalidInput):
        return read()


_REGISTER: Final = (
    "A firm,,,,\nPurchase register,,,,\n"
    "Date,Voucher No.,Supplier Invoice No.,GSTIN/UIN,Taxable Value,Integrated Tax,Voucher Type\n"
    '3-Oct-26,1,INV/26-27/0012,29AAACQ3770E1ZF,"1,00,000.00",18000.00,Purchase\n'
    "2026-10-04,2,CN-1,29AAACQ3770E1ZF,(500.00),(90.00),Debit Note\nGrand Total,,,,99500.00,,\n"
)


_SALES: Final = (
    "GSTIN,section,list,recipient,number,date,action,value,taxable value,IGST,CGST,SGST,cess,deleted\r\n"
    "29AAACQ3770E1ZF,b2b,,27AAPFU0939F1ZV,S/1,05-10-2024,R,118.00,100.00,18.00,0,0,0,no\r\n"
    "29AAACQ3770E1ZF,ecom,b2b,27AAPFU0939F1ZV,'=2,06-10-2024,N,,,,,,,yes\r\n"
)


def _csv() -> tuple[Case, ...]:
    invoices = [codec.read_invoice(section, strategies.documented_row(section)) for section in Section]
    file = io.StringIO()
    tables.write_invoices(file, invoices)
    lines = file.getvalue().splitlines()
    header, rest = lines[0].split(","), lines[1:]
    place = header.index("action")
    decided = [lines[0]]
    for letter, line in zip("ARPARPAR", rest, strict=True):
        cells = line.split(",")
        cells[place] = letter
        decided.append(",".join(cells))
    text = "\r\n".join(decided)
    texts = ["\r\n".join(lines), text, text.replace(",", ";"), "\n".join(decided[:2])]
    return tuple(Case(text.encode()) for text in texts)


def _decided_rows() -> tuple[Case, ...]:
    invoice = vayana_talk.INVOICE
    by_hash: dict[str, Any] = {"hash": invoice.hash, "action": "A", "remarks": None, "ITC reduction": "none"}
    by_ids: dict[str, Any] = {
        "section": "b2b",
        "supplier": invoice.supplier,
        "number": invoice.number,
        "date": "05-11-2024",
    }
    rows = [by_hash, {**by_ids, "return period": "112024", "action": "R", "action when pulled": "N"}]
    return (Case(json.dumps(rows[:1]).encode()), Case(json.dumps([{**rows[1], **rows[0]}, rows[0]]).encode()))


def _decisions(case: Case) -> Any:
    try:
        rows = json.loads(case.body)
    except (ValueError, RecursionError):  # no JSON
        return None
    return len(tables.decisions(rows, [vayana_talk.INVOICE]))


def _plain() -> tuple[Case, ...]:
    decision = vayana_talk.INVOICE.accept("yes", ItcReduction.partial(igst=1))
    failure = RecordFailure(record=decision, key=decision.key, code="X", message="y")
    report = JobReport(state=JobState.PARTIAL, submitted=2, succeeded=(decision,), failed=(failure,))
    return tuple(Case(json.dumps(one.to_dict()).encode()) for one in (decision, decision.invoice, report))


def _from_dict(case: Case) -> Any:
    facts = parse_json(case.body)
    kinds: tuple[type[Plain], ...] = (Decision, Invoice, JobReport)
    for kind in kinds:
        with contextlib.suppress(InvalidInput):
            made = kind.from_dict(facts)
            promise(
                kind.from_dict(json.loads(json.dumps(made.to_dict()))) == made, "it is written as it was read"
            )
            return repr(made)
    return kinds[0].from_dict(facts)


def _parquet() -> list[Reader]:
    """Return the reader of Parquet files, where the extra `arrow` is installed."""
    if importlib.util.find_spec("pyarrow") is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "input.parquet")
        invoices = [attrs.evolve(vayana_talk.INVOICE, number=number) for number in "123"]
        tables.write_invoices(file, invoices, gstin=vayana_talk.GSTIN)
        content = file.read_bytes()
    read = partial(tables.read_records, check_suppliers=False)
    return [
        Reader(
            "read_records of Parquet",
            (Case(content),),
            partial(_in_a_file, read, ".parquet"),
            (InvalidInput,),
        )
    ]


_TOKEN: Final = JobToken(
    gsp="vayana", host="h.example", gstin=vayana_talk.GSTIN, kind=JobKind.SAVE, reference_id="r", submitted=2
)


def _rooms() -> list[Reader]:
    every = [recorded(name).body for gsp in ("sandbox", "vayana") for name in answers_of(gsp)]
    answers = tuple(Case(body) for body in every)
    report = json.loads(recorded("vayana/reqsts-200").body)["data"]["error_report"]
    kept = {
        "account/gstin": {"token": "t", "expires_at": 1.5},
        "account/": {"token": "u", "expires_at": None},
    }
    words = (
        "b2bcn",
        "CN",
        "accepted",
        "inward supplies",
        "29AAACQ3770E1ZF",
        "112024",
        "https://h.example:443/a",
        "1",
    )
    hints = (
        "30",
        "1.5",
        "Wed, 06 May 2025 11:28:52 GMT",
        "1746530932",
        "Wed, 06 May 2025 11:28:52",
        "-1",
        "",
    )
    tables_errors = (InvalidInput,)
    return [
        Reader("parse_json", answers, lambda case: parse_json(case.body)),
        Reader("scanner", answers, _scan),
        *(_rows(section) for section in Section),
        Reader("error_report", (Case(json.dumps(report).encode()),), _error_report),
        Reader(
            "JobToken.loads", (Case(_TOKEN.dumps().encode()),), partial(_loads, JobToken), (InvalidInput,)
        ),
        Reader(
            "Download.loads",
            (Case(vayana_talk.DOWNLOAD.dumps().encode()), Case(vayana_talk.QUEUED.dumps().encode())),
            partial(_loads, Download),
            (InvalidInput,),
        ),
        Reader("jwt_expiry", (Case(jwt(1_746_530_932).encode()), Case(b"1746530932000")), _jwt, ()),
        Reader("read_retry_at", tuple(Case(hint.encode()) for hint in hints), _wait, ()),
        Reader("vocabulary", tuple(Case(word.encode()) for word in words), _words, ()),
        Reader("credentials", (Case(json.dumps(kept).encode()),), _credentials, (InvalidInput,)),
        # The transport makes a lost answer of zlib's error.
        Reader(
            "unpacking",
            (_packed(b"a" * 5000, b""), _packed(*every[:4])),
            _unpack,
            (zlib.error, UnexpectedAnswer),
        ),
        Reader("read_decisions", _csv(), partial(_table, tables.read_decisions, tables.match), tables_errors),
        Reader("read_with_information", _csv(), _checked, tables_errors),
        Reader(
            "read_records", _csv(), partial(_table, tables.read_records, tables.match_records), tables_errors
        ),
        Reader("read_sheet", _csv(), partial(_in_a_file, _kept, ".csv"), tables_errors),
        *(
            Reader(name, seeds, partial(_in_a_file, read, ".json"), tables_errors)
            for name, seeds, read in portal_readers()
        ),
        Reader(
            "read_sales",
            (Case(_SALES.encode()), Case(_SALES.replace(",", ";").encode())),
            partial(_in_a_file, tables.read_sales, ".csv"),
            tables_errors,
        ),
        Reader("decisions of rows", _decided_rows(), _decisions, tables_errors),
        Reader("from_dict", _plain(), _from_dict, (InvalidInput, UnexpectedAnswer)),
        *_parquet(),
        Reader(
            "read_register",
            (Case(_REGISTER.encode()), Case(_REGISTER.replace(",", ";").encode())),
            partial(_in_a_file, decide.read_register, ".csv"),
            tables_errors,
        ),
        Reader(
            "policy",
            (
                Case(TEMPLATE.encode()),
                Case(b'[kinds]\n"not in books" = "pending"\n[tolerance]\nrupees = 1\n'),
            ),
            partial(_in_a_file, decide.Policy.load, ".toml"),
            tables_errors,
        ),
    ]


def _journal() -> list[Reader]:
    records = [codec.read_invoice(section, strategies.documented_row(section)) for section in Section]
    decisions = [records[0].accept("yes"), records[4].accept(itc_reduction=ItcReduction.partial(igst=1))]
    parts = [part for kind in (records, decisions) for part in packing.pack(kind)]
    report = codec.read_error_report({"b2b": [{"stin": "s", "inv": [{"inum": "1"}], "error_cd": "X"}]})
    status = JobStatus(state=JobState.PARTIAL, raw_code="PE", processed=2, errors=1, error_report=report)
    kept = [packing.pack_status(status), packing.pack_status(JobStatus(state=JobState.PROCESSING))]
    keys = tuple(record.key for record in records)
    found = [packing.pack_found(Found(applied=1, not_applied=keys[:2], changed=keys[2:])) or ""]
    return [
        Reader(
            "journal records",
            tuple(map(Case, parts)),
            lambda case: [repr(record) for record in packing.unpack([case.body])],
            (JournalError,),
        ),
        Reader(
            "journal status",
            tuple(Case(text.encode()) for text in kept),
            lambda case: repr(packing.unpack_status(_text(case))),
            (JournalError,),
        ),
        Reader(
            "journal found",
            tuple(Case(text.encode()) for text in found),
            lambda case: repr(packing.unpack_status(kept[0], _text(case))),
            (JournalError,),
        ),
    ]


def readers() -> dict[str, Reader]:
    """Every reader by its name. A new one is one more entry of `_rooms`."""
    return {reader.name: reader for reader in (*sandbox(), *vayana(), *_rooms(), *_journal())}

"""What a reader is, and what must hold of what it makes of a strange input, for `tests.endurance.fuzz`."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from typing import Any, Final

import attrs

from ims_async import rules, tables
from ims_async.cli.output import tables as show
from ims_async.errors import UnexpectedAnswer
from ims_async.gsp.base import Accepted, Gsp, Part, Request, Response, Token, Verdict, VerdictKind
from ims_async.gsp.codec import read_invoice, write_invoice
from ims_async.gsp.codec.json import json_text, parse_json
from ims_async.gsp.evidence import Evidence, settle
from ims_async.model.gstr2b import Gstr2b
from ims_async.model.records import Counts, Invoice, InvoiceList
from ims_async.model.report import account
from ims_async.model.status import JobKind, JobState, JobStatus
from ims_async.model.tokens import Download, JobToken
from ims_async.tables.columns import to_cell
from tests.support.recorded import first_request
from tests.support.vayana_talk import DOWNLOAD, GSTIN, INVOICE

_LONGEST_CELL: Final = 200  # characters, beside what the answer held
_LOOKED_AT: Final = 3  # rows of an answer: enough, and quick


@attrs.frozen
class Case:
    """One input: bytes, and for an answer its HTTP status and headers."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Reader:
    """One place that reads: its samples, how it is asked, and what it may raise.

    `hints` says that its inputs are whole answers, whose HTTP status and headers vary too.
    """

    name: str
    seeds: tuple[Case, ...]
    read: Callable[[Case], Any]
    errors: tuple[type[Exception], ...] = (UnexpectedAnswer,)
    hints: bool = False


class Broken(AssertionError):
    """A promise does not hold."""


def promise(held: object, what: str) -> None:
    """Raise `Broken` unless something holds."""
    if not held:
        raise Broken(what)


def deeper(look: Callable[[], None], frames: int = 200) -> None:
    """Look from deep inside a program: what could just be read there must be shown and written here too."""
    if frames:
        deeper(look, frames - 1)
    else:
        look()


def of_request(request: Request) -> None:
    """It can be put on the wire: no answer may have made a URL or header of it that nobody can send."""
    request.target.encode("ascii")
    for value in request.headers.values():
        promise(isinstance(value, str) and value.isprintable(), "headers are printable text")
        value.encode()


def of_verdict(request: Request, verdict: Verdict, response: Response) -> None:
    """One that is not fine has an error, and its hint is a point in time."""
    promise((verdict.error is None) is (verdict.kind is VerdictKind.FINE), "what is not fine has an error")
    promise(verdict.not_before is None or math.isfinite(verdict.not_before), "a hint is a point in time")
    # The failure of a task is a value, and so is that there is nothing to compute anew.
    values = ("result", "regenerate")
    told = verdict.kind is VerdictKind.FINE and request.operation not in values
    promise(not told or response.status < 300, "what is not 2xx is no success")
    promise(not (verdict.nothing_done and 300 <= response.status < 400), "a redirect proves nothing")
    promise(not (verdict.nothing_done and told), "what was done was done")


def of_error(error: Exception) -> None:
    """It has words, and can be shown."""
    promise(str(error).encode(), "an error has words, which can be written")
    repr(error)


def of_value(operation: str, gsp: Gsp, value: Any, body: bytes, *, broken: bool = False) -> None:
    """What an operation may return."""
    if operation in ("save", "reset"):
        _of_reference(gsp, value)
    elif operation in ("regenerate", "regeneration", "gstr2b"):
        _of_a_statement(operation, gsp, value)
    elif operation in ("authenticate", "account_refresh", "verify", "refresh"):
        promise(isinstance(value, Token) and value.value, "a token is not empty")
        promise(value.expires_at is None or math.isfinite(value.expires_at), "an expiry is a point in time")
    elif operation in ("status", "reference"):
        of_status(value, body, broken=broken)
    elif isinstance(value, InvoiceList):
        of_rows(value, body)
    elif isinstance(value, Download):
        of_token(value)
        of_request(first_request(gsp.prepared(value)))
    elif operation in ("prepared", "filedet") and value is not None:
        for part in value[:_LOOKED_AT]:
            promise(isinstance(part, Part), "parts")
            of_request(first_request(gsp.part(DOWNLOAD, part, strict=True)))
    elif isinstance(value, Counts):
        promise(type(value.total) is int, "a count is a number")
        json_text(show.counts_facts(value))
    elif operation == "sales":
        _written(tables.write_sales, value)
    elif operation == "added-back-liabilities":
        _written(tables.write_added_back, value)
    repr(value)


def _of_a_statement(operation: str, gsp: Gsp, value: Any) -> None:
    """A GSTR-2B can be written; the status of its computation is none of both at once."""
    if isinstance(value, Gstr2b):
        again = Gstr2b.from_dict(json.loads(json.dumps(value.to_dict())))
        promise(again == value, "a statement is written as it was read")
        promise(value.credit.total.is_finite(), "amounts add up")
    elif isinstance(value, JobStatus):
        promise(not (value.error_code and value.state is JobState.SUCCEEDED), "a success has no error")
    else:
        promise(operation == "regenerate", "a statement, or a status")
        _of_reference(gsp, value)


def _of_reference(gsp: Gsp, value: Any) -> None:
    """It finds the job again: it fits a token, and the request of a poll."""
    promise(isinstance(value, Accepted), "a change ends in a reference")
    name, route = value.reference_id, value.route
    promise(type(name) is str and name.strip(), "a reference is text")
    host = "live.enriched-api.vayana.com"
    token = JobToken(gsp=gsp.kind, host=host, gstin=GSTIN, kind=JobKind.SAVE, reference_id=name, route=route)
    of_token(token)
    of_request(first_request(gsp.status(GSTIN, name, JobKind.SAVE, route)))


def of_token(token: JobToken | Download) -> None:
    """It outlives the process: what is written is read again."""
    text = token.dumps()
    promise(len(text.encode()) <= 1000, "a token is under 1 kB")
    promise(type(token).loads(text) == token, "a token that was written is read again")


_FINAL: Final = {"S": JobState.SUCCEEDED, "PE": JobState.PARTIAL, "ER": JobState.FAILED}


def _folded(code: str) -> str:
    return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in code.strip())


def _codes_told(body: bytes) -> set[str]:
    """The codes in the places of an answer where a status stands, read without the reader."""
    told = json.loads(body.decode("utf-8-sig"), parse_constant=str)
    data = told.get("data") if isinstance(told, dict) else None
    inner = data.get("data") if isinstance(data, dict) else None
    places = [inner if isinstance(inner, dict) else data]
    if isinstance(data, list):
        places = [part.get("data") for part in data if isinstance(part, dict)]
    codes = [place.get("status_cd") for place in places if isinstance(place, dict)]
    return {_folded(code) for code in codes if isinstance(code, str)}


def of_status(status: JobStatus, body: bytes, *, broken: bool = False) -> None:
    """A final state has a code that says so, by the table of the specification, and no other says it."""
    promise(isinstance(status, JobStatus), "a status")
    code, state = _folded(status.raw_code), status.state
    if state is JobState.SUCCEEDED:
        promise(code == "S", "success is told by S")
        stated = _codes_told(body)
        promise("S" in stated and stated <= {"S", "P"}, "success stands in the answer")
        promise(not broken or not status.carrier_failed, "no success of a carrier that broke off")
    elif state is JobState.FAILED and code != "ER":
        promise(status.carrier_done, "failure is told by ER, or by the carrier")
        promise(
            status.carrier_failed or status.error_code == "IMSSAV0015", "who breaks off says nothing else"
        )
    elif state is JobState.PARTIAL:
        promise(code == "PE", "partly is told by PE")
    told = status.documented and state is JobState.PROCESSING  # else it may be a task's own word
    promise(not told or code not in _FINAL, "what is final is final")
    promise(status.processed is None or status.processed >= 0, "counts are not negative")
    _of_settled(status)


def _of_settled(status: JobStatus) -> None:
    settled = settle(status, submitted=2, evidence=Evidence(), now=0.0)
    if settled.state is JobState.SUCCEEDED and status.state is not JobState.SUCCEEDED:
        counted = (status.processed or 0) + (status.errors or 0) >= 2
        promise(_folded(status.raw_code) == "P" and (counted or status.carrier_done), "evidence decides P")
    records = [INVOICE.accept(), attrs.evolve(INVOICE, number="other").accept()]
    report = account(settled, records, 2)
    told = len(report.succeeded) + len(report.failed) + len(report.unaccounted)
    promise(not settled.done or told == 2, "every record is told")
    repr(report)
    _written(tables.write_report, report)


def _written(write: Callable[..., int], what: Any) -> None:
    """A table can be made of it, which a file takes and a spreadsheet reads."""
    file = io.StringIO()
    write(file, what)
    file.getvalue().encode()


def of_rows(rows: InvoiceList, body: bytes) -> None:
    """What was read can be shown, written and read again."""
    promise(isinstance(rows, InvoiceList) and all(type(row) is Invoice for row in rows), "rows are invoices")
    repr(rows)
    for row in rows[:_LOOKED_AT]:
        repr(row)
        again = read_invoice(row.section, parse_json(write_invoice(row).encode()))
        again = attrs.evolve(again, recipient=row.recipient)  # said by the request, not by the row
        promise(again == row, "what was read is written and read again")
        for field in attrs.fields(Invoice):
            promise(
                len(to_cell(getattr(row, field.name))) <= _LONGEST_CELL + 2 * len(body),
                "a cell is of bounded size",
            )
        rules.check([row.reject(), row, row.accept(row.remarks, row.itc_reduction)])
        json_text(show.facts_of(row))
    _written(tables.write_invoices, rows)

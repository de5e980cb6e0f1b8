"""Download invoices from Vayana: a task and its pages, or GSTN's own answer and its files.

https://docs.enriched-api.vayana.com (Download IMS invoices; Long running tasks; IMS File Details)
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ...errors import (
    DownloadQueued,
    GatewayError,
    GatewayUnavailable,
    ImsError,
    NotAuthorized,
    UnexpectedAnswer,
)
from ...model.records import InvoiceList
from ...model.secret import Secret
from ...model.tokens import Download
from ...model.vocabulary import Action, Section
from .. import codec
from ..base import Conversation, Part, PreparedUnreadably
from ..codec.values import member
from ..gstn import SECTION_QUERY, or_empty, queued
from ..verdicts import envelope_of, has_dot_segments, payload, reference, text, with_secrets
from .answers import error_of, failed
from .tasks import Stage, read_pages, read_task

if TYPE_CHECKING:
    from .gsp import Vayana

_UNQUOTED: Final = "/%:@!$&'()*+,;=~{}"  # in a path; the documents' example has braces


def begin(
    gsp: Vayana,
    gstin: str,
    section: Section,
    status: Action | None,
    *,
    strict: bool,
    take: codec.Take | None = None,
) -> Conversation[InvoiceList | Download]:
    """Request one section's documents: by a task, or directly from GSTN (`downloads="basic"`).

    https://docs.enriched-api.vayana.com (Download IMS invoices; IMS Get Invoice)
    """
    short = gsp.section_names == "short"
    query = {"section": SECTION_QUERY[section] if short else section.value.upper()}
    if status is not None:
        query["status"] = status.value
    host = urllib.parse.urlsplit(gsp.base_url).netloc
    download = partial(Download, gsp=gsp.kind, host=host, gstin=gstin, section=section, status=status)
    try:
        if gsp.downloads == "basic":
            response = yield gsp.basic_request("getinv", "GETINV", gstin, **query)
            rows = codec.read_invoices(response.body, ("data",), strict=strict, recipient=gstin, take=take)
            return (yield from rows)
        path = gsp.enriched("ims-invoices")
        response = yield gsp.request("invoices", "GET", path, gstin=gstin, query=query)
    except DownloadQueued as error:
        if not error.token:
            raise queued(error, section, advice="ask again later") from None
        token = reference({"token": error.token}, "token", "data")
        return download(reference=f"file/{token}", estimate=error.estimate)
    except GatewayError as error:
        return or_empty(error, InvoiceList())
    task_id = reference(payload(response, "data"), "task-id", "data")
    return download(reference=f"task/{task_id}", route=_FIRST_PAGE[gsp.page_base])


# The number of a download's first page is a setting of the client that requested it. It is stored in the
# download, because another client may collect that.
_FIRST_PAGE: Final = ("pages from 0", "pages from 1")


def prepared(gsp: Vayana, download: Download) -> Conversation[Sequence[Part] | None]:
    """Return the pages or files of the prepared rows, or None while they are being prepared."""
    kind, _, name = download.reference.partition("/")
    if kind == "file":
        return _files(gsp, download.gstin, name)
    known = download.route in _FIRST_PAGE
    base = _FIRST_PAGE.index(download.route) if known else gsp.page_base
    return _pages(gsp, download.gstin, name, base)


def _pages(gsp: Vayana, gstin: str, task_id: str, base: int) -> Conversation[Sequence[Part] | None]:
    """Return the pages of a task, or None while it runs.

    https://docs.enriched-api.vayana.com (Long running tasks: Result API, Pages API)
    """
    task = read_task((yield gsp.task_request("status", task_id, gstin)))
    if task.stage is Stage.RUNNING:
        return None
    try:
        response = yield gsp.task_request("result", task_id, gstin)
    except GatewayUnavailable as error:
        if task.stage is Stage.COMPLETED:
            raise
        raise _ended_by(error) from None
    envelope = envelope_of(response)
    if failed(envelope):
        return or_empty(_ended_by(error_of(envelope, response)), [])
    if task.stage is Stage.BROKEN_OFF:
        why = f"{task.word}, {task.reason}" if task.reason else task.word
        raise GatewayError(f"the download broke off ({why}): ask for the rows again", code=task.word)
    try:
        return read_pages(response, base, urllib.parse.quote(task_id, safe=""))
    except UnexpectedAnswer as error:
        raise PreparedUnreadably(str(error), problems=error.problems, body=error.body) from None


def _files(gsp: Vayana, gstin: str, token: str) -> Conversation[Sequence[Part] | None]:
    """Return the files that GSTN has made, or None while they are being made.

    https://docs.enriched-api.vayana.com (IMS File Details; File download)
    """
    try:
        response = yield gsp.basic_request("filedet", "FILEDET", gstin, token=token)
    except DownloadQueued:  # RTN_24
        return None
    kind: type[UnexpectedAnswer] = UnexpectedAnswer  # an answer without JSON: poll again
    try:
        details = payload(response, "data")
        kind = PreparedUnreadably
        return _read_files(details)
    except UnexpectedAnswer as error:  # without the text that was read: it may contain the key
        problems = [problem.partition(":")[0] for problem in error.problems]
    raise kind(f"the answer to FILEDET does not fit: {', '.join(problems)}", problems=problems)


def _read_files(details: object) -> Sequence[Part]:
    key, files = Secret(text(details, "ek", "data")), member(details, "urls", "data")
    if not isinstance(files, list):
        raise UnexpectedAnswer(problems=["data.urls: not an array"])
    return [
        Part(_path_of(text(file, "ul", f"data.urls[{place}]"), place), key)
        for place, file in enumerate(files)
    ]


def part(gsp: Vayana, download: Download, part: Part, *, strict: bool) -> Conversation[InvoiceList]:
    """Fetch one page or file."""
    if part.key is None:
        path = f"/enriched/tasks/{gsp.flynn_version}/result/{part.place}"
        request = gsp.request("page", "GET", path, gstin=download.gstin)
    else:
        path, _, query = part.place.partition("?")
        request = gsp.request(
            "file",
            "GET",
            f"/basic/gstn/{gsp.flynn_version}{path}",
            gstin=download.gstin,
            query=dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
        )
        request = with_secrets(request, {"X-FLYNN-N-FILEDET-EKEY": part.key})
    response = yield request
    rows = codec.read_invoices(response.body, ("data",), strict=strict, recipient=download.gstin)
    return (yield from rows)


def _ended_by(error: ImsError) -> GatewayError:
    """Return the error that ended a download: GSTN's error is final here, so it is no longer retried."""
    if isinstance(error, NotAuthorized):
        return error
    code, status = getattr(error, "code", ""), getattr(error, "http_status", None)
    return GatewayError(
        f"the download broke off ({error}): ask for the rows again", code=code, http_status=status
    )


def _path_of(url: str, place: int) -> str:
    """Return the path of a file's URL, to append to `/basic/gstn/{flynn-version}`."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:  # for example an incomplete IPv6 address
        parts = urllib.parse.urlsplit("")
    if not parts.path.startswith("/"):
        raise UnexpectedAnswer(problems=[f"data.urls[{place}].ul: it has no path"])
    if has_dot_segments(parts.path):
        raise UnexpectedAnswer(problems=[f"data.urls[{place}].ul: its path has dot segments"])
    path = urllib.parse.quote(parts.path, safe=_UNQUOTED)
    return path + (f"?{parts.query}" if parts.query else "")

"""The protocol of a GSP: requests, responses, verdicts on responses, and conversations made of them.

A conversation is a generator: it yields requests, is sent responses, and returns a typed value. It does no
I/O and never waits. It may yield `PAUSE` during long work, so that other tasks can run.
"""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Generator, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import attrs

from .. import model
from ..errors import ImsError, UnexpectedAnswer
from ..lazy import pattern
from ..model.records import Counts, Decision, Invoice, InvoiceList
from ..model.secret import Secret, masked
from ..model.status import JobKind, JobStatus
from ..model.tokens import Download
from ..model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection
from . import codec
from .codec.json import NO_JSON, Pause, parse_json

T = TypeVar("T")

# Names of headers whose values may be shown; all others are treated as secrets.
_SHOWN_HEADERS: Final = frozenset(
    {"accept", "content-type", "x-api-version", "x-source", "date", "retry-after"}
    | {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
)


def _masked(headers: Mapping[str, str]) -> str:
    return repr({name: value if name.lower() in _SHOWN_HEADERS else "…" for name, value in headers.items()})


class Needs(Enum):
    """The credential that a request carries."""

    NONE = auto()
    ACCOUNT = auto()
    TAXPAYER = auto()
    __hash__ = object.__hash__  # that of `Enum` takes a call in Python, and each request looks some up


_AS_IT_IS: Final = pattern(r"[A-Za-z0-9_.~-]*")  # what is the same in a URL


def encoded(query: Mapping[str, str]) -> str:
    """Write a query for a URL."""
    if _AS_IT_IS.fullmatch("".join((*query, *query.values()))):
        return "&".join([f"{name}={value}" for name, value in query.items()])
    return urllib.parse.urlencode(query)


@attrs.frozen(kw_only=True)
class Request:
    """An HTTP request to send. `changes` marks what changes something: it is noted before it leaves.

    `repeatable` marks requests that can be sent twice without harm (reads; not an OTP). A change that is not,
    a save or reset, is never repeated once it may have left. `fresh` asks for a
    connection that was not used before; a request that is not `repeatable` always gets one. `secrets` are the
    credentials in it, which are masked in the answer; `grants` marks a request whose answer has a new secret.
    `url` is without its query. The GSP's `sign` adds the credential just before sending.
    """

    operation: str
    method: str
    url: str
    query: Mapping[str, str] = attrs.field(factory=dict, repr=lambda query: repr(sorted(query)))
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=_masked)
    body: bytes | None = attrs.field(default=None, repr=lambda body: f"<{len(body or b'')} bytes>")
    needs: Needs = Needs.TAXPAYER
    changes: bool = False
    fresh: bool = False
    secrets: tuple[Secret, ...] = ()
    grants: bool = False
    repeatable: bool = attrs.field(default=attrs.Factory(lambda self: self.method == "GET", takes_self=True))

    @property
    def target(self) -> str:
        """The URL with its query."""
        return f"{self.url}?{encoded(self.query)}" if self.query else self.url


@attrs.define(kw_only=True)
class Response:
    """A complete HTTP answer. Header names are lower case; `received_at` is in epoch seconds."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=_masked)
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    received_at: float = 0.0
    _parsed: Any = attrs.field(default=None, init=False, repr=False, eq=False)
    shallow: bool = attrs.field(default=False, init=False, repr=False, eq=False)
    """True once it is known that the body has not too many levels."""

    def without(self, secrets: Iterable[Secret], *, shortest: int) -> Response:
        """Return the answer with all secrets of at least `shortest` characters masked."""
        body = masked(self.body, secrets, shortest=shortest)
        return self if body == self.body else attrs.evolve(self, body=body)

    def json(self) -> Any:
        """Parse the body once, with exact numbers. Raises `UnexpectedAnswer` if it is not JSON."""
        if self._parsed is None:
            self._parsed = parse_json(self.body)
        return self._parsed

    def parsing(self) -> Generator[Pause, Any, None]:
        """Parse a body of any length in short steps, for `json`, which parses what cannot be read so."""
        from .codec.stepwise import parsing  # most answers are small

        if self._parsed is None:
            with contextlib.suppress(*NO_JSON, RuntimeError):
                self._parsed = yield from parsing(self.body)
                self.shallow = True


class VerdictKind(Enum):
    """The kinds of verdict on an answer, which a GSP gives before a conversation gets the answer."""

    FINE = auto()
    REFUSED = auto()
    """The credential is stale: renew it and ask again."""
    THROTTLED = auto()
    UNAVAILABLE = auto()
    FAILED = auto()


@attrs.frozen(kw_only=True)
class Verdict:
    """The verdict on an answer: what the exchange may do next, and the error to raise otherwise.

    `nothing_done` is True if the answer proves that a change had no effect, so that it may be called off or
    sent again; without that proof the outcome of the change is unknown.
    `not_before` is the time (epoch seconds) before which the gateway wants no further request; `allowance`
    is the number of requests that it still accepts, and the end of that window.
    `stale` is the credential that a refusal is about, if it is not the one that the request carried: a GSP
    may hold a taxpayer's session itself.
    """

    kind: VerdictKind
    error: ImsError | None = None
    nothing_done: bool = False
    not_before: float | None = None
    allowance: tuple[int, float] | None = None
    stale: Needs | None = None


FINE: Final = Verdict(kind=VerdictKind.FINE)

Conversation = Generator[Request | Pause, Response, T]


@attrs.frozen(kw_only=True)
class Limits:
    """The limits of a GSP. `save_bytes` is the largest body of one save or reset, in bytes.

    `results_kept` is for how many seconds the outcome of a job is available; None if it is not documented.
    `canned` marks a test host that answers every request with an example. References of jobs then repeat,
    and counts do not refer to the records.
    """

    save_bytes: int = 4_000_000
    results_kept: float | None = None
    canned: bool = False


@attrs.frozen(kw_only=True)
class Token:
    """The value of a credential with its expiry (`expires_at`: epoch seconds, None if unknown).

    `issued_at` is when it was issued, by the same clock as the expiry, if it is known. `life` is the lifetime
    of such a token in seconds by the GSP's documents, for use if the two times are not plausible. `new` is
    True if by the documents it was issued with this answer, so that an old `issued_at` is wrong.
    """

    value: Secret
    expires_at: float | None = None
    issued_at: float | None = attrs.field(default=None, eq=False)
    life: float | None = attrs.field(default=None, eq=False)
    new: bool = attrs.field(default=False, eq=False)


class PreparedUnreadably(UnexpectedAnswer):
    """A download has ended, and its result cannot be read."""


@attrs.frozen
class Part:
    """The place of one part of a download, in the GSP's own terms; `key` decrypts it."""

    place: str = attrs.field(repr=False)  # not shown: it may have a signature
    key: Secret | None = None


@attrs.frozen
class Accepted:
    """The gateway's answer to an accepted change: the reference of the job, and the route of its polls.

    `route` is the GSP's own note, such as what carries the job; it is stored with the job and passed to each
    poll. References are opaque: nothing is inferred from their form.
    """

    reference_id: str
    route: str = ""


@runtime_checkable
class Gsp(Protocol):
    """One GST Suvidha Provider: everything specific to it, without I/O."""

    @property
    def kind(self) -> str: ...
    @property
    def base_url(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def account_id(self) -> str:
        """The identity of this account; not a secret."""
        ...

    def sign(self, request: Request, token: Secret | None) -> Request:
        """Add the credential that the request needs."""
        ...

    def judge(self, request: Request, response: Response) -> Verdict:
        """Judge an answer; a pure function."""
        ...

    def counts(self, gstin: str, goods_type: GoodsType) -> Conversation[Counts]: ...
    def invoices(
        self,
        gstin: str,
        section: Section,
        status: Action | None,
        *,
        strict: bool,
        take: codec.Take | None = None,
    ) -> Conversation[InvoiceList | Download]:
        """Request a section's documents: returns rows, or a download that is being prepared.

        With `take`, rows of a long answer may be handed to it as they are read; the rest is returned.
        """
        ...

    def prepared(self, download: Download) -> Conversation[Sequence[Part] | None]:
        """Return the parts of a download, or None while it is being prepared."""
        ...

    def part(self, download: Download, part: Part, *, strict: bool) -> Conversation[InvoiceList]:
        """Fetch one part."""
        ...

    def save(
        self, gstin: str, decisions: Sequence[Decision], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit decisions; `packed` is their body, if it was written before."""
        ...

    def reset(
        self, gstin: str, invoices: Sequence[Invoice], *, packed: codec.PackedBody | None = None
    ) -> Conversation[Accepted]: ...
    def status(
        self, gstin: str, reference_id: str, kind: JobKind, route: str = ""
    ) -> Conversation[JobStatus]:
        """Read the status of a job; `route` is that of `Accepted`, empty if it is not known."""
        ...

    def regenerate(self, gstin: str, period: str) -> Conversation[Accepted | JobStatus]:
        """Have the GSTR-2B of a period (`MMYYYY`) computed anew.

        Returns a final status in place of a reference if nothing changed since it was made.
        """
        ...

    def gstr2b(
        self, gstin: str, period: str, file: int | None = None, *, strict: bool = True
    ) -> Conversation[model.gstr2b.Gstr2b]:
        """Fetch the GSTR-2B of a period, or one of its files (from 1).

        One that is split is `summary_only`, and `files` says into how many.
        """
        ...

    def filings(self, gstin: str, period: str) -> Conversation[model.gstr2b.Filing]:
        """Read whether the returns of a period are filed."""
        ...

    def sales(
        self, gstin: str, year: int, month: int, section: SupplierSection, form: SourceForm
    ) -> Conversation[list[model.sales.SalesInvoice]]: ...
    def added_back_liabilities(
        self, gstin: str, year: int, month: int, section: SupplierSection
    ) -> Conversation[list[model.sales.AddedBackLiability]]: ...
    def authenticate(self, refused: Token | None) -> Conversation[Token]:
        """Get a token of the account, to replace one that was refused or that expires soon."""
        ...

    def sign_out(self, token: Token) -> Conversation[None]:
        """End the account's token."""
        ...

    def request_otp(self, gstin: str, username: str) -> Conversation[str | None]:
        """Request an OTP; returns the identifier of the request, if `verify_otp` needs one."""
        ...

    def verify_otp(self, gstin: str, username: str, otp: str, request: str | None) -> Conversation[Token]: ...
    def refresh(self, gstin: str, token: Token) -> Conversation[Token]:
        """Replace the session of `token` by a new one."""
        ...

    def logout(self, gstin: str, token: Token) -> Conversation[None]:
        """End the session of `token`."""
        ...

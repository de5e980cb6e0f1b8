"""What crosses the wire, as values: a request, a response, a verdict on it, and the conversations of them.

A conversation is a generator: it yields what to send, is given what came back, and returns the typed
value. It does no I/O and never waits. It may yield `PAUSE` during long work, so that others get a turn.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Generator, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

import attrs

from ..errors import ImsError, UnexpectedAnswer
from ..model.secret import Secret, masked
from .codec.json import Pause, parse_json

if TYPE_CHECKING:
    from ..model.records import AddedBackLiability, Counts, Decision, Invoice, InvoiceList, SalesInvoice
    from ..model.status import JobKind, JobStatus
    from ..model.tokens import Download
    from ..model.vocabulary import Action, GoodsType, Section, SourceForm, SupplierSection
    from .codec import PackedBody

T = TypeVar("T")

# Names of headers whose values may be shown; all others are secrets until proven otherwise.
_SHOWN_HEADERS: Final = frozenset(
    {"accept", "content-type", "x-api-version", "x-source", "date", "retry-after"}
    | {"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"}
)


def _masked(headers: Mapping[str, str]) -> str:
    return repr({name: value if name.lower() in _SHOWN_HEADERS else "…" for name, value in headers.items()})


class Needs(Enum):
    """Which credential a request carries."""

    NONE = auto()
    ACCOUNT = auto()
    TAXPAYER = auto()


@attrs.frozen(kw_only=True)
class Request:
    """One HTTP request to be. `changes` marks a save or reset: it is never repeated once it may have left.

    `repeatable` says that asking twice does no harm (reads); an OTP, say, is asked for once.
    `fresh` asks for a connection that was not used before; what is not `repeatable` has one anyway.
    `secrets` are what authorises in it, should the answer quote it; `grants`: the answer hands out a
    secret of its own. `url` is without its query. The credential is added by the GSP's `sign` just before
    sending.
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
        """The URL with its query, as it goes on the wire."""
        return f"{self.url}?{urllib.parse.urlencode(self.query)}" if self.query else self.url


@attrs.define(kw_only=True)
class Response:
    """One HTTP answer, read to its end. Header names are lower case; `received_at` is epoch seconds."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=_masked)
    body: bytes = attrs.field(repr=lambda body: f"<{len(body)} bytes>")
    received_at: float = 0.0
    _parsed: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    def without(self, secrets: Iterable[Secret], *, shortest: int) -> Response:
        """Return the answer without the secrets of so many characters that it quotes, however long it is."""
        body = masked(self.body, secrets, shortest=shortest)
        return self if body == self.body else attrs.evolve(self, body=body)

    def json(self) -> Any:
        """Parse the body once, numbers exact. Raises `UnexpectedAnswer` where it is not JSON."""
        if self._parsed is None:
            self._parsed = parse_json(self.body)
        return self._parsed


class VerdictKind(Enum):
    """What a GSP makes of an answer, before a conversation sees it."""

    FINE = auto()
    REFUSED = auto()
    """The credential is stale: renew it and ask again."""
    THROTTLED = auto()
    UNAVAILABLE = auto()
    FAILED = auto()


@attrs.frozen(kw_only=True)
class Verdict:
    """A judged answer: what the driver may do about it, and the error to raise where it can do nothing.

    `nothing_done` says that the answer proves that nothing was done, so that a change may be called off, or
    sent again; without that proof nobody knows what became of a change.
    `not_before` is the point in time (epoch seconds) before which the gateway wants no further request;
    `allowance` is how many more it takes, and until when.
    `stale` says which credential a refusal is about, where it is not the one that the request carried: a
    GSP may keep a taxpayer's session on its own side.
    """

    kind: VerdictKind
    error: ImsError | None = None
    nothing_done: bool = False
    not_before: float | None = None
    allowance: tuple[int, float] | None = None
    stale: Needs | None = None


Conversation = Generator[Request | Pause, Response, T]


@attrs.frozen(kw_only=True)
class Limits:
    """What a GSP takes. `save_bytes` bounds the body of one save or reset, in bytes.

    `results_kept` is for how many seconds the outcome of a job can be had; None where nobody tells.
    `canned`: it answers examples whatever was sent, as a test host may. References of jobs then repeat, and
    counts say nothing of the records.
    """

    save_bytes: int = 4_000_000
    results_kept: float | None = None
    canned: bool = False


@attrs.frozen(kw_only=True)
class Token:
    """A credential's value with its life (`expires_at`: epoch seconds, None where nobody told).

    `issued_at` is when it was made, by the same clock as its end, where it tells. `life` is how many seconds
    such a token lives by the GSP's documents: what to go by where the two moments cannot be believed. `new`
    says that by them it was made for the answer that it came with, so that an old `issued_at` is wrong.
    """

    value: Secret
    expires_at: float | None = None
    issued_at: float | None = attrs.field(default=None, eq=False)
    life: float | None = attrs.field(default=None, eq=False)
    new: bool = attrs.field(default=False, eq=False)


class PreparedUnreadably(UnexpectedAnswer):
    """What was being prepared has ended, and what it ended in cannot be read."""


@attrs.frozen
class Part:
    """Where one part of prepared rows lies, in the GSP's own terms; `key` unlocks it."""

    place: str = attrs.field(repr=False)  # it may be signed
    key: Secret | None = None


@attrs.frozen
class Accepted:
    """The gateway's answer to a change that it took in: the name of the job, and how to ask about it.

    `route` is the GSP's own note, which goes with the job and comes back with each question about it: what
    carries the job, say. Ids are opaque; nothing is read off how one looks.
    """

    reference_id: str
    route: str = ""


@runtime_checkable
class Gsp(Protocol):
    """One GST Suvidha Provider: everything peculiar to it, and no I/O."""

    @property
    def kind(self) -> str: ...
    @property
    def base_url(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def account_id(self) -> str:
        """What tells this account from another, without being a secret."""
        ...

    def sign(self, request: Request, token: Secret | None) -> Request:
        """Add the credential that the request needs."""
        ...

    def judge(self, request: Request, response: Response) -> Verdict:
        """Say what an answer is; pure."""
        ...

    def counts(self, gstin: str, goods_type: GoodsType) -> Conversation[Counts]: ...
    def invoices(
        self, gstin: str, section: Section, status: Action | None, *, strict: bool
    ) -> Conversation[InvoiceList | Download]:
        """Ask for a section's documents: rows, or what to wait for until they are ready."""
        ...

    def prepared(self, download: Download) -> Conversation[Sequence[Part] | None]:
        """Say in which parts the rows of a download lie ready, or None while they do not."""
        ...

    def part(self, download: Download, part: Part, *, strict: bool) -> Conversation[InvoiceList]:
        """Fetch one part."""
        ...

    def save(
        self, gstin: str, decisions: Sequence[Decision], *, packed: PackedBody | None = None
    ) -> Conversation[Accepted]:
        """Submit decisions; `packed` is the body that they make, where it was made already."""
        ...

    def reset(
        self, gstin: str, invoices: Sequence[Invoice], *, packed: PackedBody | None = None
    ) -> Conversation[Accepted]: ...
    def status(
        self, gstin: str, reference_id: str, kind: JobKind, route: str = ""
    ) -> Conversation[JobStatus]:
        """Read how a job stands; `route` is that of `Accepted`, empty for a job known by its name only."""
        ...

    def sales(
        self, gstin: str, year: int, month: int, section: SupplierSection, form: SourceForm
    ) -> Conversation[list[SalesInvoice]]: ...
    def added_back_liabilities(
        self, gstin: str, year: int, month: int, section: SupplierSection
    ) -> Conversation[list[AddedBackLiability]]: ...
    def authenticate(self, refused: Token | None) -> Conversation[Token]:
        """Have the account's token, in place of a refused one or one whose end is near."""
        ...

    def sign_out(self, token: Token) -> Conversation[None]:
        """End the account's token."""
        ...

    def request_otp(self, gstin: str, username: str) -> Conversation[str | None]:
        """Have an OTP sent; returns the name of the request, where verifying takes one."""
        ...

    def verify_otp(self, gstin: str, username: str, otp: str, request: str | None) -> Conversation[Token]: ...
    def refresh(self, gstin: str, token: Token) -> Conversation[Token]:
        """Have another session in place of the one of `token`."""
        ...

    def logout(self, gstin: str, token: Token) -> Conversation[None]:
        """End the session of `token`."""
        ...


class Credential(Protocol):
    """Something that yields a live token, and renews it when told that a value was refused."""

    async def current(self) -> Token:
        """Return a token that has life left. Raises `NotAuthorized` where there is none to be had."""
        ...

    async def renew(self, refused: Token) -> Token:
        """Return a token other than `refused`; concurrent callers share one renewal."""
        ...

"""The API of the simulator for tests and demos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from inspect import signature
from typing import Any, Self, Unpack

from .faults import Fault, check_faults
from .fields import is_period
from .http import Answer, Router, write
from .records import Effect, LoggedRequest, Record, SimJob, Taxpayer
from .rules import Rules, Settings
from .sandbox import gsp as sandbox_api
from .server import Server
from .vayana import gsp as vayana_api
from .vayana import login
from .world import World


class Simulator:
    """Simulate two GSPs over one world of taxpayers, records and jobs, with a log of all requests.

    Sandbox is at `url`; Vayana's enriched and basic API are at `vayana_url`, the login of its users at
    `sso_url`. A change through one of them is visible through the other. Use it in memory through `handle` or
    `transport`, or as an async context manager, which serves a socket at `url`.

    `invoices` is per taxpayer; `sections` limits which sections have records. `clock` returns epoch seconds;
    without one, time begins at `start`, in epoch seconds, or now. The docstring of `returns` has the settings
    of GSTR-2B. `job_seconds=3.0` is how long a save or reset takes, or a function that draws it.
    `api_key="key_test_demo"`, `api_secret="secret_test_demo"` and `otp="575757"` log in.

    These settings choose where the documents are ambiguous: `p_means="processed"` (status code P, or
    "processing"), `conflict="reply"` (a second save while one runs is refused there, or in the job's
    "status"), `proc_cnt_counts="successes"` (or "all" records), `itc_reduction_required="102025"` (to accept
    a credit note: True or False, or the GSTR-2B period MMYYYY from which on; GSTN announced this one, and is
    silent on what the portal does with earlier notes).

    `rate_limit` is in requests per 60 seconds and API key, for Vayana per organisation. `token_seconds=21600`
    and `account_token_seconds=86400` are the lifetimes of the two tokens; `max_sessions` is how many sessions
    a taxpayer may have open. A list of more than `file_rows` rows is answered with a token: GSTN writes the
    rows to files, which takes `file_seconds=60`. Vayana's basic API serves them; Sandbox documents no route.

    `canned` makes Sandbox answer like its test host: the documented examples for every request, one reference
    for all saves, counts of none of them, and tokens that expired in 2024. Nothing takes effect.

    Vayana only: `org_id="org-demo"`, `handle="demo@example.com"` and `password="password_test_demo"` log in,
    with at most `max_account_tokens=10` live tokens of the user. A download takes `download_seconds=1.0`
    and has pages of `page_rows=500` rows, counted from `page_base=0` (or 1). `section_names` are the accepted
    names of the sections of notes: "any", or only "short" (CN) or "long" (B2BCN). `task_shape` is "nested"
    (`data.task.status`, no envelope) or "flat" (`data.status` with `jobs`); `result_shape` of a save is an
    "object" or a "list" of envelopes, one per section.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        taxpayers: int = 1,
        invoices: int = 100,
        sections: Sequence[str] | None = None,
        clock: Callable[[], float] | None = None,
        start: float | None = None,
        port: int = 0,
        **settings: Unpack[Settings],
    ) -> None:
        _check_settings(settings)
        amounts = {"seed": seed, "taxpayers": taxpayers, "invoices": invoices}
        self._world = World(Rules(**settings), clock, sections=sections, start=start, **amounts)
        self.returns = self._world.returns
        """GSTR-2B, its regeneration, and the returns that taxpayers file."""
        self._vayana = vayana_api.Vayana(self._world)
        self._router = Router(self._world, (self._vayana, sandbox_api.Sandbox(self._world)))
        self._server = Server(self._router, port)

    async def __aenter__(self) -> Self:
        """Start the socket server."""
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the socket server."""
        await self._server.stop()

    @property
    def url(self) -> str:
        """The address of the socket server, which runs inside `async with`."""
        return self._server.url

    @property
    def vayana_url(self) -> str:
        """The address of Vayana's enriched and basic API; it is the same server."""
        return self.url

    @property
    def sso_url(self) -> str:
        """The address of the login of Vayana's users, on the same server."""
        return f"{self.url}{vayana_api.SSO}"

    @property
    def transport(self) -> Router:
        """The in-memory transport: an object with `handle`, which needs no server."""
        return self._router

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Answer one HTTP request in memory: status, headers, body. `path` includes the query string.

        Raises `ConnectionResetError` or `TimeoutError` if a planned fault leaves no whole answer.
        """
        return self._router.handle(method, path, headers, body)

    @property
    def taxpayers(self) -> list[Taxpayer]:
        """The taxpayers, each with `gstin`, `username` and `name`."""
        return list(self._world.taxpayers.values())

    @property
    def gstins(self) -> list[str]:
        """The GSTINs of the taxpayers."""
        return list(self._world.taxpayers)

    def token(self, gstin: str) -> str:
        """Return a new access token of a taxpayer, as after an OTP login.

        For Vayana it opens a session with GSTN.
        """
        return self._world.open_session(gstin).token

    @cached_property
    def user_token(self) -> str:
        """A token of Vayana's user, made on first access, as after a login for six hours."""
        return login.open_token(self._vayana, 21600.0).token

    def expire(self, token: str) -> None:
        """Expire a token of a taxpayer, an account or a user now."""
        session = self._vayana.users.find(token) or self._world.sessions.find(token)
        if session is None:
            raise KeyError(token)
        session.expire(self.now())

    def expire_all(self, gstin: str) -> None:
        """Expire every token of a taxpayer now."""
        self._world.require(gstin)
        for session in self._world.sessions.of(gstin):
            session.expire(self.now())

    def end_session(self, gstin: str) -> None:
        """End every session of a taxpayer, as the portal can; Vayana's tasks that need one fail."""
        self._world.require(gstin)
        self._world.settle()
        for session in self._world.sessions.of(gstin):
            session.ended = True
        self._vayana.tasks.fail(gstin, self.now())

    def records(self, gstin: str, section: str | None = None) -> list[Record]:
        """Return a snapshot of a taxpayer's records as they are now, of one section or of all."""
        return self._world.records(gstin, section)

    def record(self, gstin: str, section: str, supplier: str, number: str, period: str) -> Record:
        """Return one record as it is now."""
        return self._world.record(gstin, section, supplier, number, period)

    def edit(
        self,
        gstin: str,
        section: str,
        number: str,
        *,
        supplier: str | None = None,
        period: str | None = None,
        taxable: Decimal | None = None,
    ) -> Record:
        """Edit a record as its supplier: the amounts and the hash change, the recipient's action is removed.

        The new taxable value is `taxable`, or 100 rupees more than before. Pass `supplier` and `period` if
        several records of the section have the number.
        """
        return self._world.edit(gstin, self._world.find(gstin, section, number, supplier, period), taxable)

    def block_pending(
        self, gstin: str, section: str, number: str, *, supplier: str | None = None, period: str | None = None
    ) -> Record:
        """Block Pending for a record; an action already taken stays."""
        return self._world.block_pending(gstin, self._world.find(gstin, section, number, supplier, period))

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request that arrived, in order."""
        return list(self._world.requests)

    def count(self, operation: str, gstin: str | None = None) -> int:
        """Count the requests of an operation (see `operations`), of one taxpayer or of all."""
        self._router.check(operation)
        return sum(one.operation == operation and gstin in {None, one.gstin} for one in self.requests)

    @property
    def effects(self) -> list[Effect]:
        """Every action that has been applied to a record, in order."""
        self._world.settle()
        return list(self._world.effects)

    @property
    def jobs(self) -> list[SimJob]:
        """Every accepted save and reset, in order, as live objects."""
        self._world.settle()
        return list(self._world.jobs.values())

    def job(self, reference: str) -> SimJob:
        """Return a save or reset by GSTN's reference or by Vayana's task."""
        self._world.settle()
        task = self._vayana.tasks.find(reference)
        return task.job if task and task.job else self._world.jobs[reference]

    @property
    def operations(self) -> list[str]:
        """The names of operations in `requests`, `count` and `script_…`; the GSPs share most of them."""
        return list(self._router.operations)

    def script_status(self, reference: str | None, *statuses: dict[str, Any]) -> None:
        """Answer the next polls of a job or regeneration, or of the next one if None, with these statuses.

        For Vayana `reference` may be a task; the statuses are its results, and it completes at once.
        """
        if reference is None:
            self._world.script_next(statuses)
        else:
            (self.returns.asked(reference) or self.job(reference)).script(statuses)

    def script_task(self, task_id: str | None, *words: str) -> None:
        """Answer the next polls of a Vayana task, or of the task started next if None, with these states."""
        self._vayana.tasks.script(task_id, words)

    def script_answer(
        self,
        operation: str,
        status: int,
        content: bytes | Mapping[str, Any] = b"",
        *,
        headers: Mapping[str, str] | None = None,
        after: bool = False,
    ) -> None:
        """Answer the next request of an operation with this; with `after` the request takes effect first.

        `operations` has the names; "any" matches all. A mapping is written as JSON, bytes are sent unchanged.
        """
        sent = dict(headers or {})
        if not isinstance(content, bytes):
            content, sent = write(content), {"Content-Type": "application/json", **sent}
        self._router.plan(operation, Fault("", effect=after, status=status, content=content, headers=sent))

    def script_fault(self, operation: str, *faults: Fault, gstin: str | None = None) -> None:
        """Apply these faults to the next requests of an operation, one each, in order with planned answers.

        `operations` has the names; "any" matches all. With `gstin`, only requests whose path or headers name
        that taxpayer are affected (Sandbox's OTP names none). `requests` shows the fault of each request.
        """
        if gstin is not None:
            self._world.require(gstin)
        check_faults(faults)
        for fault in faults:
            self._router.plan(operation, fault, gstin)

    def now(self) -> float:
        """Return the simulator's time in epoch seconds."""
        return self._world.now()

    def advance(self, seconds: float) -> None:
        """Move the simulator's own clock forward; raises `RuntimeError` if the caller passed a clock."""
        self._world.clock.advance(seconds)
        self._world.settle()


def _check_settings(settings: Mapping[str, object]) -> None:
    known = {field.name for field in fields(Rules)}
    for name in settings.keys() - known:
        near = get_close_matches(name, [*known, *signature(Simulator).parameters], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"The simulator has no setting {name!r}{hint}")
    first = settings.get("itc_reduction_required", True)
    if not (isinstance(first, bool) or is_period(first)):
        raise ValueError(f"itc_reduction_required={first!r}: pass True, False or a period MMYYYY.")

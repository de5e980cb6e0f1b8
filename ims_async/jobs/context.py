"""What the parts of a client share."""

from __future__ import annotations

import datetime as dt
import logging
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from .. import rules
from ..errors import InvalidInput
from ..gsp.base import Gsp, Limits
from ..journal.base import NO_JOURNAL, Journal, NoJournal, Query
from ..loop_owner import LoopOwner
from ..model.change import Change
from ..model.records import Record
from ..model.status import PReading
from ..net.auth import AccountCredential
from ..net.credential_store import CredentialStore
from ..net.exchange import Exchange
from ..net.policies import PollPolicy
from ..net.poll_times import PollTimes
from ..steps import Steps, run_async
from .alarms import Alarms

if TYPE_CHECKING:
    from ..rules import RulePolicy

_log = logging.getLogger("ims_async")

_CHECKS_PER_STEP: Final = 100


def _found(checker: rules.Checker, records: Sequence[Record]) -> Iterator[list[rules.Finding]]:
    """Check records one by one, then as a batch; yield what is found in each short step."""
    for start in range(0, len(records), _CHECKS_PER_STEP):
        found: list[rules.Finding] = []
        for place, record in enumerate(records[start : start + _CHECKS_PER_STEP], start):
            found += checker.one(record, place)
        yield found
    yield from checker.ending()


def _kept(checker: rules.Checker, records: Sequence[Record]) -> Steps[list[rules.Finding]]:
    findings: list[rules.Finding] = []
    for found in _found(checker, records):
        findings += found
        if len(records) > _CHECKS_PER_STEP:
            yield
    return findings


def _counted(checker: rules.Checker, records: Sequence[Record]) -> Steps[Counter[str] | None]:
    """Count warnings by their code; None as soon as something is refused."""
    by_code: Counter[str] = Counter()
    for found in _found(checker, records):
        if any(one.level is rules.Level.REFUSE for one in found):
            return None
        by_code.update(one.code for one in found)
        if len(records) > _CHECKS_PER_STEP:
            yield
    return by_code


def _log_warnings(gstin: str, records: Sequence[Record], by_code: Counter[str]) -> None:
    if by_code:
        shown = ", ".join(f"{code} {count:,}" for code, count in by_code.most_common())
        _log.info("%s: %s records with warnings: %s", gstin, len(records), shown)


@attrs.define(kw_only=True, eq=False, repr=False)
class Services:
    """What a client's taxpayers share. The journal may be given later, before the first batch."""

    gsp: Gsp
    exchange: Exchange
    account: AccountCredential
    store: CredentialStore
    poll: PollPolicy
    clock: Callable[[], float]
    loop_owner: LoopOwner
    alarms: Alarms = attrs.field(factory=Alarms)
    journal: Journal = NO_JOURNAL
    policy: RulePolicy | None = None
    filed: dict[str, set[str]] = attrs.field(factory=dict)
    """The periods whose GSTR-3B is filed, by GSTIN, as far as `Taxpayer.filing` has found: that is final."""
    kind: str = attrs.field(init=False)
    host: str = attrs.field(init=False)
    """Where the GSP is, as tokens name it."""
    limits: Limits = attrs.field(init=False)
    times: PollTimes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.kind, self.limits = self.gsp.kind, self.gsp.limits
        self.host = urllib.parse.urlsplit(self.gsp.base_url).netloc
        if self.limits.canned and self.poll.p_means is PReading.EVIDENCE:
            # The counts of a canned job are of no job of ours: no more polls would make them fit.
            self.poll = attrs.evolve(self.poll, p_means=PReading.PROCESSED)
        self.times = PollTimes(self.poll)

    @property
    def keeps(self) -> bool:
        """True if there is a journal."""
        return not isinstance(self.journal, NoJournal)

    def keep_in(self, journal: Journal) -> None:
        """Write changes down from now on. Raises `InvalidInput` if there is another journal already."""
        if self.keeps and self.journal is not journal:
            raise InvalidInput("the client has a journal of its own: use that one, or another client")
        if isinstance(journal, type) or not isinstance(journal, Journal):
            kind = type(journal).__name__
            raise InvalidInput(f"journal is of type {kind}: pass a journal, SqliteJournal(path) say")
        self.journal = journal

    async def find(self, **wanted: Any) -> Sequence[Change]:
        """Return what the journal has of this gateway's, as `Query` has it. Raises `JournalError`."""
        return await self.journal.find(Query(gsp=self.kind, host=self.host, **wanted))

    def now(self) -> dt.datetime:
        """Return the time by the client's clock."""
        return dt.datetime.fromtimestamp(self.clock(), dt.UTC)

    async def check(self, gstin: str, records: Sequence[Record]) -> list[rules.Finding]:
        """Return what the offline checks warn about; raise `InvalidDecision` if they refuse anything."""
        findings = await run_async(_kept(self._checker(gstin), records))
        rules.refuse(findings)
        _log_warnings(gstin, records, Counter(one.code for one in findings))
        return findings

    async def warnings(self, gstin: str, records: Sequence[Record]) -> Counter[str]:
        """Return how many warnings there are, by code; raise as `check`.

        None is kept: 40,000 of them are a pass of 20 ms for Python's garbage collector.
        """
        by_code = await run_async(_counted(self._checker(gstin), records))
        if by_code is None:  # the error has the warnings as well
            return Counter(one.code for one in await self.check(gstin, records))
        _log_warnings(gstin, records, by_code)
        return by_code

    def _checker(self, gstin: str) -> rules.Checker:
        now, policy = self.now(), self.policy
        if filed := self.filed.get(gstin):
            policy = policy or rules.RulePolicy()
            policy = attrs.evolve(policy, filed=policy.filed_by(gstin) | filed)
        return rules.Checker(policy=policy, gstin=gstin, today=rules.india_date(now), now=now)

    async def rest(self, seconds: float) -> None:
        """Sleep for so many seconds, but not past the end of the client. Raises `ClientClosed` then."""
        await self.exchange.rest(seconds)
        self.exchange.check_open()

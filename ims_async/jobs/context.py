"""What the parts of a client share."""

from __future__ import annotations

import datetime as dt
import logging
import urllib.parse
from collections import Counter
from collections.abc import Callable, Sequence
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
from ..steps import Steps, run_async, sliced
from .alarms import Alarms

if TYPE_CHECKING:
    from ..rules import RulePolicy

_log = logging.getLogger("ims_async")

_CHECKS_PER_STEP: Final = 100


def _findings(
    checker: rules.Checker, records: Sequence[Record]
) -> Steps[tuple[list[rules.Finding], Counter[str]]]:
    """Check records one by one, then as a batch, in short steps; also return how many there are by code."""
    findings: list[rules.Finding] = []
    by_code: Counter[str] = Counter()
    for start in range(0, len(records), _CHECKS_PER_STEP):
        for place, record in enumerate(records[start : start + _CHECKS_PER_STEP], start):
            findings += checker.one(record, place)
        if len(records) > _CHECKS_PER_STEP:
            yield
    for found in checker.ending():
        findings += found
        if len(records) > _CHECKS_PER_STEP:
            yield
    for few in sliced(findings):
        by_code.update(finding.code for finding in few)
        yield
    return findings, by_code


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
        now, policy = self.now(), self.policy
        if filed := self.filed.get(gstin):
            policy = policy or rules.RulePolicy()
            policy = attrs.evolve(policy, filed=policy.filed_by(gstin) | filed)
        checker = rules.Checker(policy=policy, gstin=gstin, today=rules.india_date(now), now=now)
        findings, by_code = await run_async(_findings(checker, records))
        rules.refuse(findings)
        if findings:
            shown = ", ".join(f"{code} {count:,}" for code, count in by_code.most_common())
            _log.info("%s: %s records with warnings: %s", gstin, len(records), shown)
        return findings

    async def rest(self, seconds: float) -> None:
        """Sleep for so many seconds, but not past the end of the client. Raises `ClientClosed` then."""
        await self.exchange.rest(seconds)
        self.exchange.check_open()

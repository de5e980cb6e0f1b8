"""What the parts of a client share."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

import attrs

from ..gsp.base import Gsp
from ..journal import Journal
from ..loop_owner import LoopOwner
from ..net.auth import AccountCredential
from ..net.credential_store import CredentialStore
from ..net.exchange import Exchange
from ..net.policies import PollPolicy
from ..rules import RulePolicy
from .alarms import Alarms


@attrs.define(kw_only=True)
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
    journal: Journal | None = None
    rules: RulePolicy | None = None

    @property
    def host(self) -> str:
        """Where the GSP is, as tokens name it."""
        return urllib.parse.urlsplit(self.gsp.base_url).netloc

"""The credentials of a request."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import attrs

from ..gsp.base import Credential, Needs, Request, Token
from ..model.secret import Secret


class Holder(Credential, Protocol):
    """A credential that also shows, without I/O, whether its token is still valid."""

    @property
    def ready(self) -> Token | None:
        """The current token, or None if it has to be fetched or renewed first."""
        ...

    @property
    def held(self) -> Token | None:
        """The current token, expired or not."""
        ...


@attrs.frozen(kw_only=True)
class Credentials:
    """The credentials of one taxpayer's requests.

    `ahead` lets a request overtake those that wait for their turn, because they wait for its answer.
    `besides` are credentials that these requests do not use, and whose tokens are masked in answers too.
    """

    account: Holder | None = None
    taxpayer: Holder | None = None
    gstin: str | None = None
    ahead: bool = False
    besides: Collection[Holder] = attrs.field(default=(), eq=False, repr=False)

    def of(self, request: Request) -> Holder | None:
        """Return the credential that a request carries."""
        if request.needs is Needs.NONE:
            return None
        credential = self.named(request.needs)
        if credential is None:
            raise RuntimeError(
                f"no {request.needs.name.lower()} credential was given for {request.operation}"
            )
        return credential

    def named(self, needs: Needs) -> Holder | None:
        """Return the credential of the account or of the taxpayer."""
        return {Needs.ACCOUNT: self.account, Needs.TAXPAYER: self.taxpayer}.get(needs)

    def at_hand(self) -> dict[Needs, Token]:
        """Return the current tokens of both credentials."""
        both = {needs: self.named(needs) for needs in (Needs.ACCOUNT, Needs.TAXPAYER)}
        return {needs: holder.held for needs, holder in both.items() if holder and holder.held}

    def secrets(self) -> list[Secret]:
        """Return all secrets of the account and the taxpayer."""
        holders = (self.account, self.taxpayer, *self.besides)
        return [holder.held.value for holder in holders if holder and holder.held]

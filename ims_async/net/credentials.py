"""Where the credentials of a request come from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import attrs

from ..gsp.base import Credential, Needs, Request, Token
from ..model.secret import Secret


class Holder(Credential, Protocol):
    """A credential that also knows, without asking anybody, whether its token still does."""

    @property
    def ready(self) -> Token | None:
        """The token at hand, or None where it has to be had or renewed first."""
        ...

    @property
    def held(self) -> Token | None:
        """The token at hand, whatever is left of its life."""
        ...


@attrs.frozen(kw_only=True)
class Credentials:
    """Where the credentials of one taxpayer's requests come from.

    `ahead` lets a request overtake those that wait for their turn, since they will wait for its answer.
    `besides` hold tokens that do not stand behind these requests, and that no answer may show either.
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
        """Return one of the two."""
        return {Needs.ACCOUNT: self.account, Needs.TAXPAYER: self.taxpayer}.get(needs)

    def at_hand(self) -> dict[Needs, Token]:
        """Return the tokens that stand behind a request sent now, whichever of them it carries."""
        both = {needs: self.named(needs) for needs in (Needs.ACCOUNT, Needs.TAXPAYER)}
        return {needs: holder.held for needs, holder in both.items() if holder and holder.held}

    def secrets(self) -> list[Secret]:
        """Return all that is held of the account and the taxpayer."""
        holders = (self.account, self.taxpayer, *self.besides)
        return [holder.held.value for holder in holders if holder and holder.held]

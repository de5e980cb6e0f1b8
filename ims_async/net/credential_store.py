"""Stores for tokens: a protocol for a caller's own store, and one in memory."""

from __future__ import annotations

from typing import Protocol

from ..gsp.base import Token


class CredentialStore(Protocol):
    """A store of tokens. `account` names the API account; `gstin` is "" for the account's own token."""

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the stored token, or None."""
        ...

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Store a new token; None removes it."""
        ...


class MemoryCredentialStore:
    """Keep tokens in memory, for the life of the process."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], Token] = {}

    async def load(self, account: str, gstin: str) -> Token | None:
        """Return the stored token, or None."""
        return self._tokens.get((account, gstin))

    async def save(self, account: str, gstin: str, token: Token | None) -> None:
        """Store a new token; None removes it."""
        if token is None:
            self._tokens.pop((account, gstin), None)
        else:
            self._tokens[account, gstin] = token

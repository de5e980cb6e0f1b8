"""HTTP conventions that all GSPs share: base URLs, and the times in headers."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import urllib.parse
from typing import Final

from ..errors import InvalidInput
from ..lazy import pattern
from .base import Response


def read_retry_at(response: Response) -> float | None:
    """Return the time (epoch seconds) that the answer's headers ask to wait for, or None.

    Retry-After is in seconds, whole or not, or a date. X-RateLimit-Reset is in epoch seconds or milliseconds,
    which are distinguished by their size.
    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    hint = response.headers.get("retry-after", "").strip()
    if (seconds := _number(hint)) is not None:
        return response.received_at + max(seconds, 0.0)
    from email.utils import parsedate_to_datetime  # half of the standard library's mail, for a rare date

    try:
        date = parsedate_to_datetime(hint)
        # A date without a zone is read as UTC, as HTTP defines; never as this machine's local time.
        return (date if date.tzinfo else date.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError):
        reset = _number(response.headers.get("x-ratelimit-reset", ""))
        return None if reset is None else epoch_seconds(reset)


_FIRST_OF_MILLISECONDS: Final = 100_000_000_000  # as seconds the year 5138, as milliseconds 1973


def epoch_seconds(number: float) -> float:
    """Convert a time in seconds or milliseconds since the epoch to seconds: the vendors use both."""
    return number if abs(number) < _FIRST_OF_MILLISECONDS else number / 1000


def _number(text: str) -> float | None:
    """Read a finite number; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


_PLAIN_URL: Final = pattern(r"[a-z]+://(\[[0-9A-Fa-f:.]+\]|[^\s?#\[\]/]+?)(:[0-9]+)?(/[^\s?#]*)?")


def check_base_url(url: str, *, insecure: bool = False) -> str:
    """Return the URL without a trailing slash. Plain http is allowed for loopback only, unless `insecure`."""
    if not isinstance(url, str) or "@" in url:  # not shown: it may have a password
        raise InvalidInput("the base URL is not usable: write https://host as text, without user or password")
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"base URL {url!r}: {error}; write https://host") from None
    if parts.scheme not in ("http", "https") or not host or not _PLAIN_URL.fullmatch(url):
        raise InvalidInput(f"base URL {url!r} is not usable: write https://host, without query or spaces")
    if parts.scheme == "http" and not insecure and not is_loopback(host):
        raise InvalidInput(
            f"base URL {url!r} would send credentials in clear text: use https "
            "(plain http is for loopback only; insecure=True overrides)"
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return True for a host of this machine, given without its port."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

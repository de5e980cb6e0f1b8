"""Where requests may go, and how long a gateway asks to be left alone."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator

import pytest

from ims_async import InvalidInput
from ims_async.gsp.base import Response
from ims_async.gsp.http import check_base_url, read_retry_at

NOW = 1_746_530_932.0  # Tue, 06 May 2025 11:28:52 GMT


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.sandbox.co.in", "https://api.sandbox.co.in"),
        ("https://api.sandbox.co.in/", "https://api.sandbox.co.in"),
        ("https://gateway.example:8443/ims/v1//", "https://gateway.example:8443/ims/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_a_usable_address_is_kept_without_its_closing_slash(url: str, kept: str) -> None:
    """https anywhere, plain http on this machine."""
    assert check_base_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://api.sandbox.co.in",
        "http://10.0.0.1",
        "http://0.0.0.0:8000",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://2130706433",
    ],
)
def test_plain_http_to_another_machine_is_refused(url: str) -> None:
    """The key and the token would be sent in clear text; a caller has to allow that."""
    with pytest.raises(InvalidInput, match="in clear text"):
        check_base_url(url)
    assert check_base_url(url, insecure=True) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.sandbox.co.in",
        "//api.sandbox.co.in",
        "ftp://api.sandbox.co.in",
        "https://",
        "https:///path",
        "https://api.sandbox.co.in?key=1",
        "https://api.sandbox.co.in/#top",
        "https://api.sandbox.co.in:99999",
        "https://api.sandbox.co.in:port",
        "https://[::1",
        "http://[::1]evil.example",
    ],
)
@pytest.mark.parametrize("insecure", [True, False])
def test_an_address_that_cannot_be_used_is_refused(url: str, insecure: bool) -> None:
    """Before anything is sent, with a word on how to write it."""
    with pytest.raises(InvalidInput, match="https://host"):
        check_base_url(url, insecure=insecure)


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    """The message may end up in a log."""
    with pytest.raises(InvalidInput) as caught:
        check_base_url("https://me:hunter2@api.sandbox.co.in")
    assert "hunter2" not in str(caught.value)


def told(**headers: str) -> float | None:
    """Return what an answer with these headers asks for, underscores being dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_retry_at(Response(status=429, headers=named, body=b"", received_at=NOW))


@pytest.mark.parametrize(
    ("hint", "wait"),
    [("30", 30.0), (" 30 ", 30.0), ("0.5", 0.5), ("0", 0.0), ("-5", 0.0)],
)
def test_retry_after_in_seconds_counts_from_the_answer(hint: str, wait: float) -> None:
    """Whole or not; a time that has passed is no wait."""
    assert told(retry_after=hint) == NOW + wait


@pytest.fixture
def in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set this machine's time zone to India, if the system allows it."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "IST-5:30")
        if hasattr(time, "tzset"):
            time.tzset()
        yield
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.mark.usefixtures("in_india")
@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_retry_after_as_a_date_is_that_moment(zone: str) -> None:
    """In UTC, whatever the zone of this machine and however it is spelled."""
    assert told(retry_after=f"Tue, 06 May 2025 11:29:52 {zone}") == NOW + 60.0


def test_retry_after_is_believed_before_the_rate_limit() -> None:
    """It is the standard's own word."""
    assert told(retry_after="5", x_ratelimit_reset=str(NOW + 60)) == NOW + 5.0


@pytest.mark.parametrize(
    "nonsense", ["soon", "", "nan", "inf", "32 May 2025", "Tue, 06 May 99999 11:28:52 GMT"]
)
def test_a_retry_after_that_cannot_be_read_leaves_the_rate_limit(nonsense: str) -> None:
    """Which is in epoch seconds."""
    assert told(retry_after=nonsense, x_ratelimit_reset="1746530992") == NOW + 60.0


@pytest.mark.parametrize("reset", ["1746530992", "1746530992000", " 1746530992000 ", "1746530992000.0"])
def test_the_rate_limits_reset_is_a_moment_in_seconds_or_milliseconds(reset: str) -> None:
    """Distinguished by its size: as seconds the other would be in some fifty thousand years."""
    assert told(x_ratelimit_reset=reset) == NOW + 60.0


@pytest.mark.parametrize("nonsense", ["", "soon", "nan", "inf"])
def test_an_answer_that_asks_for_nothing_readable_asks_for_nothing(nonsense: str) -> None:
    """No hint at all, or none that is a moment."""
    assert told() is None
    assert told(x_ratelimit_reset=nonsense) is None


def test_dates_as_the_standard_library_writes_them_are_read() -> None:
    """There and back."""
    assert told(retry_after=email.utils.formatdate(NOW + 90, usegmt=True)) == NOW + 90.0

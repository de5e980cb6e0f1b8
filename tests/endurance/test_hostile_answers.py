"""Hosts that only look like this machine, and packed answers that are no answers."""

from __future__ import annotations

import gzip
import urllib.parse
import zlib

import pytest
import yarl

from ims_async import InvalidInput, UnexpectedAnswer, Vayana
from ims_async.gsp.http import check_base_url
from ims_async.net.transport import AnswerBody, Gunzip

TRICKS = [
    *(
        "http://localhost\\.evil.example",
        "http://localhost\\@evil.example",
        "http://evil.example\\.localhost",
    ),
    *("http://localhost@evil.example", "http://127.0.0.1:80@evil.example", "http://localhost%40evil.example"),
    *("http://127.0.0.1%2eevil.example", "http://127.0.0.1%00.evil.example", "http://127.0.0.1;evil.example"),
    *("http://[::1]evil.example", "http://[::1].evil.example", "http://[::1]:80@evil.example"),
    *("http://localhost#@evil.example", "http://localhost?@evil.example", "http://local\thost.evil.example"),
    *("http://\u24dbocalhost", "http://\uff11\uff12\uff17.0.0.1", "http://127.0.0.1\u3002evil.example"),
    *("http://[::]", "http://[fe80::1]", "http://127.1", "http://0x7f000001", "HTTP://evil.example"),
]


@pytest.mark.parametrize("url", TRICKS)
def test_a_host_that_only_looks_like_this_machine_gets_nothing_in_clear_text(url: str) -> None:
    """Neither the API's nor the login's: it is refused at once, or no request can be made to it."""
    for use in (
        check_base_url,
        lambda wanted: Vayana("org", "token", base_url="https://x.example", sso_url=wanted),
    ):
        try:
            use(url)
        except InvalidInput:
            continue
        with pytest.raises(ValueError, match="IPv6"):
            yarl.URL(url, encoded=True)
        assert urllib.parse.urlsplit(url).hostname == "::1"


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "gzip,deflate", "deflate", "br", "zstd", "compress", "gzip;q=1"]
)
def test_no_packing_is_undone_that_was_not_asked_for(encoding: str) -> None:
    """Nor one within another."""
    with pytest.raises(UnexpectedAnswer, match="not asked for"):
        AnswerBody(encoding, 1)


def _empty_blocks() -> bytes:
    pump = zlib.compressobj(wbits=31)
    return pump.compress(b"x") + b"".join(
        pump.flush(zlib.Z_FULL_FLUSH) or b"\0\0\0\xff\xff" for _ in range(20_000)
    )


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"") * 5_000, gzip.compress(b"x") * 5_000, _empty_blocks()],
    ids=["empty members", "members of one byte", "empty blocks"],
)
def test_packing_with_next_to_nothing_in_it_is_refused(packed: bytes) -> None:
    """It could go on for ever without reaching the limit of an answer."""
    unpack = Gunzip()
    with pytest.raises(UnexpectedAnswer, match="larger than what is in it"):
        _ = [part for start in range(0, len(packed), 4096) for part in unpack(packed[start : start + 4096])]


def test_small_and_incompressible_answers_in_many_members_are_unpacked() -> None:
    """As a gateway may join them."""
    pieces = [b"", b"{}", zlib.compress(bytes(range(256)) * 400, 9), b"x" * 100] * 300
    unpack = Gunzip()
    packed = b"".join(gzip.compress(piece) for piece in pieces)
    assert b"".join(unpack(packed)) == b"".join(pieces)
    assert unpack.complete

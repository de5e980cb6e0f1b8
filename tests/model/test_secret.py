"""Secrets: masked wherever they are shown, never pickled."""

from __future__ import annotations

import base64
import copy
import html
import json
import pickle
import urllib.parse
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from ims_async import Sandbox, Vayana
from ims_async.gsp.base import Needs, Part, Request, Response, Token
from ims_async.model.secret import Secret, jwt_expiry, masked

PLANTED = "s3cr3t-planted"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>40}",
        lambda secret: f"{secret:>40}",
        lambda secret: "%s" % secret,  # noqa: UP031 # this is a way that values are shown
        lambda secret: "%r" % (secret,),  # noqa: UP031
        lambda secret: repr({"key": [secret]}),
        lambda secret: repr(attrs.asdict(Token(value=secret))),
    ],
)
def test_a_secret_is_masked_however_it_is_shown(show: Callable[[Secret], str]) -> None:
    """Show a mask in every way that Python turns values to text."""
    shown = show(Secret(PLANTED))
    assert PLANTED not in shown
    assert "…" in shown


def test_a_secret_reveals_its_value_only_when_asked() -> None:
    """Give the value, without the white space that came with it, to `reveal` alone."""
    assert Secret(f" {PLANTED}\n").reveal() == PLANTED
    assert Secret(Secret(PLANTED)).reveal() == PLANTED


def test_secrets_compare_by_value_and_with_secrets_only() -> None:
    """Equal values are equal and hash alike, but never equal their text."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret("")
    assert Secret("a")


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_neither_pickled_nor_copied(copying: Callable[[Any], Any]) -> None:
    """Refuse to leave the process, also from inside a client's settings."""
    for holder in (Secret(PLANTED), Token(value=Secret(PLANTED)), [Secret(PLANTED)]):
        if copying is copy.copy and not isinstance(holder, Secret):
            continue  # a shallow copy shares the secret
        with pytest.raises(TypeError, match="not pickled"):
            copying(holder)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Sandbox(PLANTED, PLANTED))


def test_nothing_that_holds_a_secret_shows_it() -> None:
    """Keep keys, tokens, OTPs, bodies and unknown headers out of every `repr`."""
    gsp = Sandbox("key_live_planted", PLANTED)
    request = Request(
        operation="verify",
        method="POST",
        url="https://api.sandbox.co.in/x",
        query={"otp": PLANTED},
        headers={"x-api-version": "1.0.0", "Cookie": PLANTED},
        body=PLANTED.encode(),
    )
    signed = gsp.sign(request, Secret(PLANTED))
    authenticating = gsp.sign(attrs.evolve(request, operation="authenticate", needs=Needs.NONE), None)
    response = Response(
        status=200,
        headers={"set-cookie": PLANTED, "x-amzn-requestid": PLANTED, "retry-after": "3"},
        body=PLANTED.encode(),
    )
    for holder in (gsp, request, signed, authenticating, response, Token(value=Secret(PLANTED))):
        assert PLANTED not in repr(holder)
        assert "key_live_planted" not in repr(holder)
    assert signed.headers["authorization"] == PLANTED
    assert "'x-api-version': '1.0.0'" in repr(signed)
    assert "['otp']" in repr(signed)
    assert f"<{len(PLANTED)} bytes>" in repr(signed)
    assert "'retry-after': '3'" in repr(response)


def test_a_gsp_with_a_password_and_headers_of_its_own_shows_none_of_them() -> None:
    """Keep token, password and the values of extra headers out of its `repr` and its signed requests."""
    gsp = Vayana("org", PLANTED, handle="me", password=PLANTED, extra_headers={"X-FLYNN-S-REK": PLANTED})
    request = gsp.sign(gsp.request("otp", "POST", "/x", gstin="g", body=PLANTED.encode()), Secret(PLANTED))
    refreshing = next(gsp.authenticate(Token(value=Secret(PLANTED))))
    for holder in (gsp, request, refreshing, Part("/x", Secret(PLANTED))):
        assert PLANTED not in f"{holder!r} {holder}"
    assert "X-FLYNN-S-REK" in repr(gsp)
    assert request.headers["X-FLYNN-N-USER-TOKEN"] == PLANTED
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(gsp)


def _jwt(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.signature"


@pytest.mark.parametrize(
    ("token", "expiry"),
    [
        (_jwt(b'{"exp": 1712947711}'), 1712947711.0),
        (_jwt(b'{"exp": 1712947711.5, "sub": "29AAACQ3770E1ZF"}'), 1712947711.5),
        (_jwt(b'{"sub": "29AAACQ3770E1ZF"}'), None),
        (_jwt(b'{"exp": null}'), None),
        (_jwt(b'{"exp": "soon"}'), None),
        (_jwt(b'{"exp": NaN}'), None),
        (_jwt(b'{"exp": Infinity}'), None),
        (_jwt(b'{"exp": 1' + b"0" * 400 + b"}"), None),
        (_jwt(b"[1712947711]"), None),
        (_jwt(b"[" * 100_000), None),
        (_jwt(b"\xff\xfe"), None),
        ("no.jwt", None),
        ("a.b.c", None),
        ("a.é.c", None),
        ("{{$headers 'authorization'}}", None),
        ("", None),
    ],
)
def test_the_expiry_of_a_token_is_read_if_it_has_one(token: str, expiry: float | None) -> None:
    """Read `exp` of a JWT, and nothing out of what is none."""
    assert jwt_expiry(token) == expiry


def test_a_padded_claim_set_is_read_whatever_its_length() -> None:
    """Restore the padding that JWTs leave out."""
    for filler in range(5):
        claims = json.dumps({"exp": 5, "x": "y" * filler}).encode()
        assert jwt_expiry(_jwt(claims)) == 5.0


@pytest.mark.parametrize("secret", ["planted-token-1", 'pass/word "of" <mine>', "clé-secrète", "a+b=c&d%e"])
@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda secret: json.dumps(secret)[1:-1],
        lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
        lambda secret: urllib.parse.quote(secret, safe=""),
        html.escape,
    ],
    ids=["plain", "JSON", "JSON with \\/", "in an address", "HTML"],
)
def test_a_secret_is_masked_in_text_however_it_is_spelled_there(
    secret: str, spell: Callable[[str], str]
) -> None:
    """Each time it stands there, and nothing else with it."""
    text = f"token {spell(secret)} and {spell(secret)} expired"
    assert (
        masked(text.encode(), [Secret("other-secret"), Secret(secret)], shortest=6).decode()
        == "token … and … expired"
    )


def test_text_without_a_secret_is_left_as_it_is() -> None:
    """A secret of a few characters is no reason to take words apart, and an empty one stands everywhere."""
    text = b"the answer is not JSON"
    assert masked(text, [Secret("is"), Secret("JSON"), Secret(""), Secret("planted")], shortest=8) is text
    assert masked(text, [], shortest=6) is text


def _as_gson(text: str) -> str:
    return "".join(f"\\u{ord(one):04x}" if one in "=&<>'" else one for one in text)


@pytest.mark.parametrize("filling", [b"", b"x" * 300_000], ids=["short", "long"])
@pytest.mark.parametrize(
    "spell",
    [
        str,
        _as_gson,
        lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
        lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
        lambda text: urllib.parse.quote(text, safe=""),
        lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
        lambda text: urllib.parse.quote(text, safe="").lower(),
        urllib.parse.quote_plus,
        html.escape,
        lambda text: html.escape(html.escape(text)),
        lambda text: "".join(one if one.isalnum() or one in "-._~" else f"&#{ord(one)};" for one in text),
    ],
)
@pytest.mark.parametrize(
    "value",
    ["plain-token.of_mine~1", "base64+of/mine==", 'p&ss "w" <o>\'rd\\ é', "\U0001f511-my-key-\U0001f511"],
)
def test_a_secret_is_masked_in_every_spelling(
    value: str, spell: Callable[[str], str], filling: bytes
) -> None:
    """As JSON, Gson, URLs, forms and HTML write it, once or twice; and at any length of the answer."""
    spelled = spell(value)
    if value != value.lower() and spelled == spelled.lower():
        pytest.skip("this spelling loses capitals")
    text = filling + b'{"said": "' + spelled.encode() + b'"}' + filling
    response = Response(status=403, headers={}, body=text)
    assert (
        response.without([Secret(value)], shortest=6).body == filling + b'{"said": "\xe2\x80\xa6"}' + filling
    )

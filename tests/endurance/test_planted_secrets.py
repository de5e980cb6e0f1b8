"""Nothing leaks: secrets are planted in every credential, and looked for in all that comes of their use."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import logging
import pickle
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import pytest

from ims_async import (
    FileCredentialStore,
    GatewayError,
    ImsClient,
    ImsError,
    InvalidInput,
    JobFailed,
    NotSent,
    Sandbox,
    Vayana,
    tables,
)
from ims_async.journal import Query, SqliteJournal

from ..conftest import ONE_TRY, QUICK
from ..support.sockets import Answer, Skips, drop, reply, serving, silence, skipping_time
from ..support.sweeps import sample, stride
from .planted import ERROR_LOOKS, FAILURES, LOOKS, PLANTED, Mirror, file_looks, leaks, looks, world
from .planted_calls import CALLS, GSPS, NOWHERE, Scene, job_of

pytestmark = pytest.mark.both_gsps


@pytest.fixture
async def scenes(gsp_name: str, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Callable[..., Any]]:
    """Make scenes, in memory or at a URL, with every log as loud as it gets."""
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0  # every step of every task is logged
    made: list[ImsClient] = []

    def make(mirror: Mirror, url: str = "", **settings: Any) -> Scene:
        way: dict[str, Any] = {} if url else {"transport": mirror}
        gsp = GSPS[gsp_name](url or NOWHERE)
        made.append(ImsClient(gsp, retry=ONE_TRY, poll=QUICK, **{**way, **settings}))
        return Scene(mirror, made[-1], caplog)

    yield make
    for client in made:
        await client.aclose()
    loop.slow_callback_duration = 60.0


def assert_clean(*found: list[str]) -> None:
    """Show where secrets were found, each place once."""
    places = sorted({place for places in found for place in places})
    assert not places, "\n".join(places[:20])


# -- a gateway that quotes what it was sent ----------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
async def test_a_gateway_that_quotes_secrets_does_not_spread_them(
    name: str, scenes: Callable[..., Scene]
) -> None:
    """Let it fail in each of its ways, in memory; in a sample each call in a fifth of them."""
    for failure in sample([*FAILURES][[*CALLS].index(name) % stride(5) :], 5):
        scene = scenes(Mirror(world()))
        then = await CALLS[name](scene)
        scene.mirror.failure = failure
        await scene.try_to(then())
        assert_clean(scene.leaks())
        assert not [met for met in scene.met if isinstance(met, ImsError) and len(str(met)) > 2_000]
        scene.log.clear()


@pytest.mark.parametrize("handed_in", [False, True], ids=["own session", "the caller's session"])
async def test_nor_does_it_over_a_socket(handed_in: bool, scenes: Callable[..., Scene]) -> None:
    """With aiohttp's own objects and logs in between, and a caller's cookies, which are not sent at all."""
    mirror = Mirror(world())
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(mirror.answer))
        jar = aiohttp.CookieJar(unsafe=True)
        jar.update_cookies({"sid": PLANTED["cookie"]})
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        for name, failure in zip(CALLS, [*FAILURES][: len(CALLS)], strict=True):
            mirror.failure = None
            scene = scenes(mirror, server.url, **({"session": session} if handed_in else {}))
            then = await CALLS[name](scene)
            mirror.failure = failure
            await scene.try_to(then())
            assert_clean(scene.leaks())
            await scene.client.aclose()
    assert PLANTED["cookie"] not in mirror.seen
    sent = {key for key, value in PLANTED.items() if value in mirror.seen}
    assert sent in ({"api key", "api secret", "otp"}, {"password", "extra header", "otp"})


@pytest.mark.parametrize("name", CALLS)
async def test_a_gateway_that_quotes_what_it_was_sent_before_does_not_spread_it(
    name: str, scenes: Callable[..., Scene], gsp_name: str
) -> None:
    """An earlier session in the answer to a login, the account's secret in the answer to a save."""
    if (gsp_name, name) == ("sandbox", "sign out"):
        pytest.skip("this GSP has no way to end the account's token: nothing is sent")
    mirror = Mirror(world())
    scene = scenes(mirror)
    await scene.log_in()
    then = await CALLS[name](scene)
    held = [holder.held for holder in (scene.client._services.account, scene.acme._session)]
    own = "api key", "api secret", "password", "extra header"
    tokens = {token.value.reveal() for token in held if token is not None}
    mirror.before = [*tokens, *(PLANTED[name] for name in own if PLANTED[name] in mirror.seen)]
    assert len(mirror.before) >= 3
    for failure in ("403", "500", "GSTN's refusal", "403 stale"):
        mirror.failure = failure
        await scene.try_to(then())
    assert scene.met
    assert_clean(scene.leaks())


# -- failures below the gateway ----------------------------------------------------------------------------

CUT: Final = b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"co'
MISHAPS: Final[dict[str, Answer | None]] = {
    "dropped": drop(),
    "truncated": drop(CUT),
    "no HTTP": drop(b"\x15\x03\x03\x00\x02\x02\x46"),
    "bad header": drop(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
    "silent": None,
}


@pytest.mark.parametrize(
    ("mishap", "name"), sample(itertools.product(MISHAPS, ["otp", "refresh", "counts", "save", "poll"]), 2)
)
async def test_a_connection_that_fails_shows_no_secret(
    name: str, mishap: str, scenes: Callable[..., Scene]
) -> None:
    """Fail after the request has left."""
    mirror = Mirror(world())
    with skipping_time() as time:
        answer = MISHAPS[mishap] or silence(time.skip(100))
        async with serving(mirror.then(answer)) as server:
            scene = scenes(mirror, server.url)
            then = await CALLS[name](scene)
            mirror.failure = mishap
            await scene.try_to(then())
            assert isinstance(scene.met[-1], ImsError)
            assert_clean(scene.leaks())
            await scene.client.aclose()


@pytest.mark.parametrize("tls", [None, False, True], ids=["nobody listens", "no TLS", "unknown certificate"])
async def test_a_host_that_cannot_be_reached_shows_no_secret(
    tls: bool | None, scenes: Callable[..., Scene], gsp_name: str
) -> None:
    """Fail before anything leaves."""
    async with serving(drop(b"no TLS here"), tls=bool(tls), read=bool(tls)) as server:
        url = NOWHERE if tls is None else server.url.replace("http:", "https:")
        scene = scenes(Mirror(world()), url)
        await scene.try_to(scene.acme.request_otp("acme"))
        assert_clean(scene.leaks())
        await scene.client.aclose()
    assert isinstance(scene.met[0], NotSent)


@pytest.mark.parametrize("answer", ["407", "dropped", "nobody listens"])
async def test_a_proxy_that_fails_shows_neither_its_password_nor_ours(
    answer: str, scenes: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment names it with a user and a password."""
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    refusal = reply(status="407 Proxy Authentication Required", body=PLANTED["proxy"].encode())
    async with serving(refusal if answer == "407" else drop()) as proxy:
        url = NOWHERE if answer == "nobody listens" else proxy.url
        monkeypatch.setenv("HTTP_PROXY", url.replace("//", f"//me:{PLANTED['proxy']}@"))
        scene = scenes(Mirror(world()), "http://127.0.0.1:9", trust_env=True)
        await scene.try_to(scene.acme.request_otp("acme"))
        assert isinstance(scene.met[0], ImsError)
        assert_clean(scene.leaks())
        await scene.client.aclose()
    assert len(proxy.heard) == (answer != "nobody listens")


Arrived = Callable[[], Awaitable[None]]


async def _cancelled(call: Awaitable[object], arrived: Arrived, time: Skips) -> None:
    task = asyncio.ensure_future(call)
    await arrived()
    task.cancel()
    await task


async def _timed_out(call: Awaitable[object], arrived: Arrived, time: Skips) -> None:
    async def end() -> None:
        await arrived()
        time.skip(5.0)()

    ending = asyncio.create_task(end())
    async with asyncio.timeout(5.0):
        await call
    await ending


async def _waited_for(call: Awaitable[object], arrived: Arrived, time: Skips) -> None:
    await _timed_out(asyncio.wait_for(call, 5.0), arrived, time)


BREAKS: Final = {"cancelled": _cancelled, "timed out": _timed_out, "waited for": _waited_for}


@pytest.mark.parametrize(("name", "how"), sample(itertools.product(CALLS, BREAKS), 2))
async def test_a_call_that_is_broken_off_shows_no_secret(
    name: str, how: str, scenes: Callable[..., Scene], gsp_name: str
) -> None:
    """In no frame that the error keeps: aiohttp's hold the headers, and error trackers record them."""
    if (gsp_name, name) == ("sandbox", "sign out"):
        pytest.skip("this GSP has no way to end the account's token: nothing is sent")
    mirror = Mirror(world())
    with skipping_time() as time:
        async with serving(mirror.then(silence())) as server:
            scene = scenes(mirror, server.url)
            then = await CALLS[name](scene)
            mirror.failure, before = "silence", len(server.heard)

            async def arrived() -> None:
                while len(server.heard) == before:
                    await asyncio.sleep(0)

            async def call() -> object:
                return await then()

            await scene.try_to(BREAKS[how](call(), arrived, time))
            assert isinstance(scene.met[-1], TimeoutError | asyncio.CancelledError)
            assert_clean(scene.leaks())
            time.skip(100.0)()  # what is not broken off with its caller, a save say, ends too
            await scene.client.aclose()
            assert_clean(scene.leaks())


async def test_a_call_that_is_closed_shows_no_secret(scenes: Callable[..., Scene]) -> None:
    """Nor while it is under way."""
    mirror = Mirror(world())
    async with serving(mirror.then(silence())) as server:
        scene = scenes(mirror, server.url)
        then = await CALLS["counts"](scene)
        mirror.failure, before = "silence", len(server.heard)
        task = asyncio.create_task(scene.try_to(then()))
        while len(server.heard) == before:
            await asyncio.sleep(0)
        assert_clean(scene.leaks())
        await scene.client.aclose()
        await task
        assert isinstance(scene.met[-1], ImsError)
        assert_clean(scene.leaks())


# -- what is refused before anything is sent ---------------------------------------------------------------


TOKEN: Final = PLANTED["api key"]
GSTIN: Final = "29AAACQ3770E1ZF"
REFUSED: Final[dict[str, Callable[[ImsClient], object]]] = {
    "GSTIN beside a token": lambda client: client.taxpayer("29NOT", token=TOKEN),
    "token in the place of a GSTIN": lambda client: client.taxpayer(TOKEN),
    "token in bytes": lambda client: client.taxpayer(GSTIN, token=TOKEN.encode()),  # type: ignore[arg-type]
    "token in a list": lambda client: client.taxpayer(GSTIN).use_token([TOKEN]),  # type: ignore[arg-type]
    "argument that there is not": lambda client: client.taxpayer(GSTIN, tokens=TOKEN),  # type: ignore[call-arg]
    "key in the place of a GSP": lambda _: ImsClient(TOKEN),  # type: ignore[arg-type]
    "key of bytes": lambda _: Sandbox(TOKEN.encode()),
    "secret of bytes": lambda _: Sandbox("key", TOKEN.encode()),  # type: ignore[arg-type]
    "key of two lines": lambda _: Sandbox(f"{TOKEN}\n1"),
    "half a character in a secret": lambda _: Sandbox("key", f"{TOKEN}\ud800"),
    "half a character in a user token": lambda _: Vayana("org", f"{TOKEN}\ud800"),
    "half a character in a token": lambda client: client.taxpayer(GSTIN, token=f"{TOKEN}\ud800"),
    "source": lambda _: Sandbox(TOKEN, TOKEN, source="third"),  # type: ignore[arg-type]
    "URL": lambda _: Sandbox(TOKEN, TOKEN, base_url="http://host.example"),
    "URL that holds a password": lambda _: Sandbox("key", base_url=f"https://me:{TOKEN}@host.example"),
    "setting that there is not": lambda _: Sandbox(TOKEN, TOKEN, nope=1),  # type: ignore[call-arg]
    "header of two lines": lambda _: Vayana("org", extra_headers={"X-Mine": f"{TOKEN}\r\nX-Yours: 1"}),
    "header without a name": lambda _: Vayana("org", extra_headers={5: TOKEN}),  # type: ignore[dict-item]
    "headers as text": lambda _: Vayana("org", extra_headers=TOKEN),  # type: ignore[arg-type]
    "header with a setting": lambda _: Vayana("org", extra_headers={"X-FLYNN-N-USER-TOKEN": TOKEN}),
    "half a login": lambda _: Vayana("org", TOKEN, password=TOKEN),
    "password of bytes": lambda _: Vayana("org", handle="me", password=TOKEN.encode()),  # type: ignore[arg-type]
    "minutes": lambda _: Vayana("org", TOKEN, token_minutes=0),
    "downloads": lambda _: Vayana("org", handle="me", password=TOKEN, downloads="no"),  # type: ignore[arg-type]
    "URL of Vayana's": lambda _: Vayana("org", TOKEN, base_url="http://host.example"),
    "password in a URL of Vayana's": lambda _: Vayana("org", base_url=f"https://me:{TOKEN}@host.example"),
}


@pytest.mark.parametrize("refused", REFUSED)
def test_what_is_refused_at_once_shows_no_secret(refused: str, gsp_name: str) -> None:
    """Neither in its text nor in a frame of ours, those of constructors that attrs generates among them."""
    client = ImsClient(GSPS[gsp_name](NOWHERE))
    with pytest.raises((InvalidInput, TypeError)) as caught:
        REFUSED[refused](client)
    assert_clean(leaks(PLANTED.values(), looks(caught.value)))


async def test_an_otp_that_is_refused_unsent_is_not_shown(gsp_name: str) -> None:
    """Before one was asked for, with no name of its request, or where it is none."""
    taxpayer = ImsClient(GSPS[gsp_name](NOWHERE)).taxpayer(GSTIN)
    otp = PLANTED["otp"]
    refused: list[Callable[[], Awaitable[None]]] = [
        lambda: taxpayer.verify_otp(otp),
        lambda: taxpayer.verify_otp(otp, username="\n"),
        lambda: taxpayer.verify_otp(f"{otp}x", username="me"),
        lambda: taxpayer.verify_otp(otp.encode(), username="me"),  # type: ignore[arg-type]
        *([lambda: taxpayer.verify_otp(otp, username="me")] if gsp_name == "vayana" else []),
    ]
    for call in refused:
        with pytest.raises(InvalidInput) as caught:
            await call()
        assert_clean(leaks(PLANTED.values(), looks(caught.value)))


# -- files -------------------------------------------------------------------------------------------------

FILES: Final[dict[str, Callable[[Path], Any]]] = {
    "credentials": lambda folder: FileCredentialStore(folder / "credentials.json"),
}
"""What a client writes to, by its setting's name: a journal is one more line."""


async def test_files_hold_tokens_at_most(scenes: Callable[..., Scene], tmp_path: Path) -> None:
    """The credential store holds what it is for, for its owner alone; exports and job tokens nothing."""
    scene = scenes(Mirror(world()), **{name: make(tmp_path / name) for name, make in FILES.items()})
    job = await job_of(scene)
    report = await job
    (tmp_path / "job.token").write_text(job.token.dumps())
    tables.write_report(tmp_path / "report.csv", report)
    tables.write_invoices(tmp_path / "rows.csv", await scene.acme.invoices("b2b"))
    store = tmp_path / "credentials" / "credentials.json"
    assert stat.S_IMODE(store.stat().st_mode) == 0o600
    (tmp_path / "report.pickle").write_bytes(pickle.dumps(report))
    assert_clean(leaks(PLANTED.values(), file_looks(tmp_path)))
    kept = leaks(scene.mirror.seen, file_looks(tmp_path))
    assert kept
    assert all(f" in {store.name}: " in place for place in kept)


@pytest.mark.parametrize("failure", [name for name in FAILURES if "long" in name or "length" in name])
@pytest.mark.parametrize("name", ["save", "reset", "wait"])
async def test_a_journal_keeps_no_secret_however_long_the_refusal_is(
    name: str, failure: str, scenes: Callable[..., Scene], tmp_path: Path
) -> None:
    """The reason of a batch that was called off, and a job's last word, are what a gateway said."""
    async with SqliteJournal(tmp_path / "journal.db") as journal:
        scene = scenes(Mirror(world()), journal=journal)
        then = await CALLS[name](scene)
        scene.mirror.failure = failure
        await scene.try_to(then())
        assert_clean(leaks({*PLANTED.values(), *scene.mirror.seen}, file_looks(tmp_path)))
        kept = await journal.find(Query(gsp=scene.client.gsp.kind, host=scene.client.host))
        assert max(len(change.reason) for change in kept) <= 2_000
        scene.mirror.failure = None
        await scene.client.aclose()


# -- the search itself -------------------------------------------------------------------------------------


def test_the_search_finds_what_is_shown() -> None:
    """In each place, and however it is spelled."""
    secret = "planted/o'secret"
    error = GatewayError(secret, code=secret)
    found = leaks([secret], looks(error, JobFailed(code="E1"), Sandbox("key", base_url=NOWHERE)))
    places = {place.split(" in ", 1)[1].partition(" of ")[0] for place in found}
    assert {*LOOKS, *ERROR_LOOKS} - places == {"asdict", "locals"}
    for spelled in (quote(secret), base64.b64encode(f"me:{secret}".encode()).decode(), f"a {secret} b"):
        assert leaks([secret], [("there", spelled)])
    assert leaks([secret], looks(Vayana("org", handle=secret, password="p", base_url=NOWHERE)))
    assert not leaks([secret], looks(Sandbox(secret, secret, base_url=NOWHERE)))

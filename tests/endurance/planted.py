"""Secrets planted in all that authorises, a gateway that quotes them back, and the places to look for them.

What authorises is a secret: keys, passwords, tokens, session names, OTPs, extra headers' values, cookies
and a proxy's user and password. What only names somebody is none: an organisation, a handle, a user name, a
GSTIN, a reference. `LOOKS`, `ERROR_LOOKS` and `file_looks` are the places: a new one is one line there.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import pickle
import traceback
import types
import urllib.parse
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import attrs

from ims_async.model.secret import Secret
from ims_async.simulator import Simulator

from ..support.sockets import Answer, Server

PLANTED: Final = {
    "api key": "planted-api-key-5f1c",
    "api secret": "planted-api-secret-77ad",
    "password": "planted-password-0b3e",
    "extra header": "planted-extra-header-c4d9",
    "otp": "918273645091",
    "cookie": "planted-cookie-e6a2",
    "proxy": "planted-proxy-password-31f8",
}
_IN_HEADERS: Final = frozenset(
    {"authorization", "x-api-key", "x-api-secret", "x-flynn-n-user-token", "x-flynn-s-rek", "cookie"}
    | {"x-flynn-n-filedet-ekey", "proxy-authorization"}
)
_IN_BODIES: Final = ("otp", "password", "gst-session-id")

Reply = tuple[int, Mapping[str, str], bytes]


def world(**settings: Any) -> Simulator:
    """Return a small world that lets in who has the planted credentials."""
    facts = {key.replace(" ", "_"): PLANTED[key] for key in ("api key", "api secret", "password", "otp")}
    small = {"seed": 7, "taxpayers": 1, "invoices": 12, "job_seconds": 0.0, "download_seconds": 0.0}
    small["max_account_tokens"] = 100
    return Simulator(**{**small, **facts, **settings})


# -- a gateway that quotes back what it was sent -----------------------------------------------------------


def secrets_of(path: str, headers: Mapping[str, str], body: bytes) -> list[str]:
    """Return what authorises in a request, longest-lived first."""
    found = [value for name, value in headers.items() if name.lower() in _IN_HEADERS]
    found += urllib.parse.parse_qs(urllib.parse.urlsplit(path).query).get("otp", [])
    try:
        told = json.loads(body or b"{}")
    except ValueError:
        told = {}
    found += [str(told[name]) for name in _IN_BODIES if name in told]
    return [value.removeprefix("Bearer ") for value in found]


def _envelope(status: int, quoted: str, **more: Any) -> bytes:
    """Return an error in the words of both GSPs at once."""
    error = {"message": quoted, "type": "Runtime", "args": {"said": quoted}}
    told = {"code": status, "message": quoted, "transaction_id": quoted, "status": "0", "error": error}
    return json.dumps({**told, "data": None, **more}).encode()


def _of_gstn(code: str) -> Callable[[int, str], bytes]:
    def body(status: int, quoted: str) -> bytes:
        facts = {"error_cd": code, "error-code": code, "message": quoted}
        error = {"message": "err-gstn-returned-error", "type": "Gstn", "args": {"gstn-err": facts}}
        return _envelope(200, quoted, data={"status_cd": "0", "error": facts}, error=error)

    return body


_LONG: Final = f"{'x' * 1_990}{{}}{'y' * 70_000}"
FAILURES: Final[dict[str, tuple[int, Callable[[int, str], bytes]]]] = {
    "401": (401, _envelope),
    "403": (403, _envelope),
    "403 stale": (403, lambda status, quoted: _envelope(status, f"token expired: {quoted}")),
    "413": (413, _envelope),
    "429": (429, _envelope),
    "500": (500, _envelope),
    "302": (302, lambda _, quoted: quoted.encode()),
    "GSTN's refusal": (200, _of_gstn("IMSSAV0001")),
    "GSTN's session": (200, _of_gstn("RET11402")),
    "GSTN's job": (200, _of_gstn("IMSSAV0015")),
    "a code that quotes": (200, lambda status, quoted: _of_gstn(quoted)(status, quoted)),
    # The quote crosses the place where an error's text ends.
    "a long refusal": (403, lambda status, quoted: _envelope(status, _LONG.format(quoted))),
    "a long refusal of GSTN's": (502, lambda status, quoted: _of_gstn("RET1")(status, _LONG.format(quoted))),
    "a long web page": (200, lambda _, quoted: _LONG.format(quoted).encode()),
    "a web page": (200, lambda _, quoted: quoted.encode()),
    "another shape": (200, lambda _, quoted: json.dumps({"data": quoted}).encode()),
    "another type": (200, lambda _, quoted: json.dumps({"data": {"data": [quoted], quoted: 1}}).encode()),
    "a job refused at length": (
        200,
        lambda _, quoted: json.dumps(
            {"data": {"data": {"status_cd": "ER", "err_cd": "E1", "err_msg": _LONG.format(quoted)}}}
        ).encode(),
    ),
    "a job refused": (
        200,
        lambda _, quoted: json.dumps(
            {"data": {"data": {"status_cd": "ER", "err_cd": quoted, "err_msg": quoted}, "status": "failed"}}
        ).encode(),
    ),
}


@attrs.define
class Mirror:
    """The simulator, until it is told how to fail; then it quotes every secret of the request, and `before`.

    `seen` is what authorised the requests that came, tokens that the simulator made up among it.
    """

    sim: Simulator
    failure: str | None = None
    before: list[str] = attrs.field(factory=list)
    seen: set[str] = attrs.field(factory=set)

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Answer one request."""
        secrets = secrets_of(path, headers, body)
        self.seen.update(secrets)
        if self.failure is None:
            return self.sim.handle(method, path, headers, body)
        status, write = FAILURES[self.failure]
        quoted = " ".join([*secrets, *self.before])
        told = {"x-quoted": quoted, "location": f"/?{quoted}", "set-cookie": f"sid={PLANTED['cookie']}"}
        return status, told, write(status, quoted)

    def __reduce__(self) -> NoReturn:
        raise TypeError("it is not part of what is looked at")

    async def answer(
        self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request on a socket: an `Answer` of `sockets.serving`."""
        heard = server.heard[-1]
        method, path, _ = heard.line.split()
        status, headers, body = self.handle(method, path, dict(heard.headers), heard.body)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name != "Content-Length")
        writer.write(f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    def then(self, misbehave: Answer) -> Answer:
        """Return an answer that is the simulator's until a failure is wanted, and then another one."""

        async def answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            way = self.answer if self.failure is None else misbehave
            await way(server, reader, writer)

        return answer


# -- where to look -------------------------------------------------------------------------------------------


def _pickled(thing: object) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of iterators, from Python 3.12 on
            return pickle.dumps(thing).decode("latin-1")
    except (TypeError, AttributeError, pickle.PicklingError):  # refusing to be pickled is as good
        return ""


def _as_dict(thing: Any) -> str:
    return repr(attrs.asdict(thing)) if attrs.has(type(thing)) else ""


# The tests' own frames: what the caller of the library holds is the caller's.
_NO_USERS: Final = ("/tests/", "/simulator/", "/_pytest/", "/pluggy/")


def _locals(error: BaseException) -> str:
    """Return the local variables of all frames, whosever they are, as error trackers record them."""
    seen: dict[int, BaseException] = {}
    todo: list[BaseException | None] = [error]
    shown: list[str] = []
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen[id(one)] = one
        todo += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            code = frame.f_code
            if not any(name in code.co_filename for name in _NO_USERS):
                shown.append(f"{code.co_filename}:{code.co_name}: {frame.f_locals!r}")
    return "\n".join(shown)


LOOKS: Final[dict[str, Callable[[Any], str]]] = {
    "repr": repr,
    "str": str,
    "format": "{}".format,
    "pickle": _pickled,
    "asdict": _as_dict,
}
ERROR_LOOKS: Final[dict[str, Callable[[BaseException], str]]] = {
    "traceback": lambda error: "".join(traceback.format_exception(error)),
    "attributes": lambda error: repr(vars(error)),
    "locals": _locals,
}


def file_looks(folder: Path) -> Iterator[tuple[str, str]]:
    """Return what every file below a folder holds: of a journal its -wal and -shm, too."""
    for file in folder.rglob("*"):
        if file.is_file():
            yield file.name, file.read_bytes().decode("latin-1")


def _ours(thing: object) -> bool:
    module = type(thing).__module__
    return module.startswith("ims_async") and not module.startswith("ims_async.simulator")


_CONTAINERS: Final = (dict, list, tuple, set, frozenset, types.MethodType, types.MappingProxyType)


def reachable(*roots: object) -> Iterator[object]:
    """Yield this library's objects, errors and tasks that can be reached from some."""
    seen: dict[int, object] = {}
    todo = list(roots)
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        shown = _ours(thing) or isinstance(thing, BaseException | asyncio.Future)
        if shown:
            yield thing
        if isinstance(thing, BaseException):
            todo += [thing.__cause__, thing.__context__, vars(thing), thing.args]
        elif not isinstance(thing, Secret) and (shown or isinstance(thing, _CONTAINERS)):
            todo += gc.get_referents(thing)


def looks(*roots: object) -> Iterator[tuple[str, str]]:
    """Yield each place and what is to be seen there."""
    for thing in reachable(*roots):
        places = {**LOOKS, **(ERROR_LOOKS if isinstance(thing, BaseException) else {})}
        for place, look in places.items():
            yield f"{place} of a {type(thing).__name__}", look(thing)


def _spellings(secret: str) -> set[str]:
    packed = {base64.b64encode(f"{user}{secret}".encode()).decode() for user in ("", "me:")}
    return {secret, urllib.parse.quote(secret), *packed, secret.encode().hex()}


def leaks(secrets: Iterable[str], seen: Iterable[tuple[str, str]]) -> list[str]:
    """Return where secrets are to be seen, however they are spelled."""
    spelled = {spelling: secret for secret in secrets if secret for spelling in _spellings(secret)}
    return sorted(
        {
            f"{secret} in {place}: …{text[max(text.index(spelling) - 80, 0) :][:160]}…"
            for place, text in seen
            for spelling, secret in spelled.items()
            if spelling in text
        }
    )

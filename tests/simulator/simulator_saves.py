"""One save, as each GSP is asked for it, in memory or written by hand on a socket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from .simulator_portal import BASE, Portal, save_line
from .simulator_portal_vayana import ENRICHED, UPDATES

if TYPE_CHECKING:
    from ims_async.simulator import Simulator

Call = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers, body."""


def a_save(simulator: Simulator, gsp: str = "sandbox", gstin: str | None = None) -> Call:
    """Accept the first record that is still free."""
    portal = Portal(simulator, gstin)
    line = save_line(portal.row(portal.free()), "A")
    body = json.dumps(portal.body("save", {"b2b": [line]})).encode()
    if gsp == "sandbox":
        headers = {"x-api-key": "key_test_demo", "authorization": portal.token}
        return "POST", f"{BASE}/invoices/status/save", headers, body
    headers = {
        "x-flynn-n-org-id": "org-demo",
        "x-flynn-n-user-token": simulator.user_token,
        "x-flynn-n-gstin": portal.gstin,
        "accept": "application/json",
    }
    return "PUT", f"{ENRICHED}/{UPDATES['save']}", headers, body


class Wire:
    """A connection to the simulator's socket, without anything that would hide what is on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, simulator: Simulator) -> Wire:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", int(simulator.url.rsplit(":", 1)[1])))

    async def send(self, call: Call) -> None:
        """Write a request."""
        method, path, headers, body = call
        sent = {"Host": "gateway", **headers, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await self._writer.drain()

    async def answer(self) -> tuple[str, dict[str, str], bytes]:
        """Read one answer: status line, headers, as much of the body as is announced or comes."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
        try:
            return line, headers, await self._reader.readexactly(int(headers["content-length"]))
        except asyncio.IncompleteReadError as error:
            return line, headers, error.partial

    async def piece(self) -> bytes:
        """Read what has come."""
        return await self._reader.read(65_536)

    async def rest(self) -> bytes:
        """Read until the other side hangs up."""
        return await self._reader.read()

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()

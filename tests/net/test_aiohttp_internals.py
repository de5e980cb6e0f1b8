"""What the transport relies on in aiohttp that no document of aiohttp's promises.

Each is looked at by itself, so that a release which changes one fails here first, under its name.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import weakref
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from ..support.sockets import Server, drop, reply, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that answers every request."""
    async with serving(reply()) as made:
        yield made


async def plain(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
    """A middleware that only looks on."""
    answer: aiohttp.ClientResponse = await handler(request)
    return answer


async def test_a_session_keeps_its_middlewares_where_they_are_taken_from() -> None:
    """Naming ours for one request replaces the session's own, which are therefore named with it."""
    async with aiohttp.ClientSession(middlewares=(plain,)) as session:
        assert vars(session)["_middlewares"] == (plain,)


async def test_a_session_keeps_the_loop_that_it_belongs_to() -> None:
    """A client that it is handed to belongs to the same."""
    async with aiohttp.ClientSession() as session:
        assert vars(session)["_loop"] is asyncio.get_running_loop()


async def test_the_list_of_traces_is_the_one_that_is_used(server: Server) -> None:
    """A trace that is added to a session later is heard, with the context of the request."""
    heard: list[object] = []

    async def note(_: object, context: SimpleNamespace, __: object) -> None:
        heard.append(context.trace_request_ctx)

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(note)
    trace.freeze()
    async with aiohttp.ClientSession() as session:
        session.trace_configs.append(trace)
        async with session.get(server.url, trace_request_ctx=(mine := object())):
            pass
    assert heard == [mine]


async def test_a_connection_says_whether_it_was_used_before(server: Server) -> None:
    """Before the headers are sent, each time."""
    steps: list[str] = []
    trace = aiohttp.TraceConfig()

    def noting(step: str) -> Any:
        async def note(*_: object) -> None:
            steps.append(step)

        return note

    trace.on_connection_create_start.append(noting("new"))
    trace.on_connection_reuseconn.append(noting("used"))
    trace.on_request_headers_sent.append(noting("sent"))
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        for _ in range(2):
            async with session.get(server.url) as answer:
                await answer.read()
    assert steps == ["new", "sent", "used", "sent"]


async def test_a_connector_hands_out_connections_whose_protocol_can_be_known_again(server: Server) -> None:
    """One method does it; the protocol of a connection says whether more came than was asked for."""
    protocols: list[Any] = []

    class Connector(aiohttp.TCPConnector):
        async def connect(self, *args: Any, **facts: Any) -> Any:
            connection = await super().connect(*args, **facts)
            protocols.append(connection.protocol)
            return connection

    async with aiohttp.ClientSession(connector=Connector()) as session:
        for _ in range(2):
            async with session.get(server.url) as answer:
                await answer.read()
    assert protocols[0] is protocols[1]
    assert protocols[0] in weakref.WeakSet(protocols)
    assert isinstance(inspect.getattr_static(protocols[0], "should_close"), property)


async def test_a_body_is_written_with_its_length_and_knows_its_connection(server: Server) -> None:
    """By one method of the payload, which is given the writer."""
    given: list[tuple[Any, int | None]] = []

    class Upload(aiohttp.BytesIOPayload):
        async def write_with_length(self, writer: Any, content_length: int | None) -> None:
            given.append((writer.transport, content_length))
            await super().write_with_length(writer, content_length)

    async with aiohttp.ClientSession() as session:
        async with session.put(server.url, data=Upload(io.BytesIO(b"body"))):
            pass
        (way, length) = given[0]
        assert length in (None, 4)
        assert way.get_extra_info("socket") is not None
    assert server.heard[0].body == b"body"


@pytest.mark.parametrize(("came", "whole"), [(b"", True), (b"HTTP/1.1 200 OK\r\nContent-Le", False)])
async def test_a_connection_that_ends_says_whether_an_answer_had_begun(came: bytes, whole: bool) -> None:
    """By its error's message: text where nothing came, the part of the head where one did."""
    async with serving(drop(came)) as server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ServerDisconnectedError) as caught:
            await session.post(server.url, data=b"x")
    assert isinstance(caught.value.message, str) is whole


def test_errors_of_connections_are_of_one_family() -> None:
    """Those that a connection ends with, and among them those of one that never was."""
    family = aiohttp.ClientConnectionError
    assert issubclass(aiohttp.ClientOSError, family)
    assert issubclass(aiohttp.ServerDisconnectedError, family)
    assert issubclass(aiohttp.ClientConnectionResetError, family)
    assert issubclass(aiohttp.ClientConnectorError, aiohttp.ClientOSError)

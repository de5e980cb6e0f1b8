"""What the tests of every GSP's conversations share: recorded answers, and a driver by hand."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ims_async.gsp.base import Gsp, Request, Response, VerdictKind
from ims_async.gsp.codec.json import PAUSE, json_text

from ..conftest import HERE, load

NOW = 1_746_530_932.0  # the Date of the documented answer to Sandbox's save
HTML = b"<!doctype html><html><body>Service is under maintenance</body></html>"
FINE, REFUSED, THROTTLED = VerdictKind.FINE, VerdictKind.REFUSED, VerdictKind.THROTTLED
UNAVAILABLE, FAILED = VerdictKind.UNAVAILABLE, VerdictKind.FAILED


def answer(status: int = 200, body: object = None, **headers: str) -> Response:
    """An answer as the transport hands it over; `body` is bytes, or a value to write as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json_text(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=names, body=content, received_at=NOW)


def samples(gsp: str) -> list[str]:
    """The names of what was recorded of a GSP."""
    return sorted(path.stem for path in (HERE / "samples" / gsp).glob("*.json"))


def recorded(name: str) -> Response:
    """A recorded answer, `sandbox/count-200` say, with its headers as the transport gives them."""
    sample = load(name)
    headers = {key.lower().replace("-", "_"): value for key, value in sample.get("headers", {}).items()}
    return answer(sample["http_status"], sample["body"], **headers)


def drive(conversation: Any, *answers: Response, gsp: Gsp) -> tuple[Any, list[Request], int]:
    """Drive a conversation as the client does: judge each answer, hand over the fine, throw the rest.

    Returns its value, what it sent, and how many answers it did not ask for.
    """
    waiting = list(answers)
    sent: list[Request] = []
    turn: Callable[[], Any] = partial(next, conversation)
    while True:
        try:
            step = turn()
        except StopIteration as stop:
            return stop.value, sent, len(waiting)
        if step is PAUSE:
            turn = partial(conversation.send, answer())
            continue
        sent.append(step)
        assert waiting, f"no answer was planned to {step.operation}"
        response = waiting.pop(0)
        verdict = gsp.judge(step, response)
        if verdict.kind is VerdictKind.FINE:
            turn = partial(conversation.send, response)
        else:
            assert verdict.error is not None
            turn = partial(conversation.throw, verdict.error)


def converse(conversation: Any, *answers: Response, gsp: Gsp) -> tuple[Any, list[Request]]:
    """Drive a conversation that asks for each of the answers."""
    value, sent, left = drive(conversation, *answers, gsp=gsp)
    assert left == 0
    return value, sent


def first_request(conversation: Any) -> Request:
    """The first thing that a conversation sends."""
    step = next(conversation)
    while step is PAUSE:
        step = conversation.send(answer())
    assert isinstance(step, Request)
    conversation.close()
    return step


def jwt(expiry: float, **claimed: float) -> str:
    """A token that says when it ends, and what else it is to claim."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": expiry, **claimed}).encode()).decode().rstrip("=")
    return f"e30.{claims}.sig"

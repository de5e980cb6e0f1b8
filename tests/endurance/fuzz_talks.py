"""Every conversation of both GSPs as a reader, for `tests.endurance.fuzz`: strange answers to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import attrs

from ims_async import ImsError
from ims_async.errors import GatewayError, JobInFlight, PayloadTooLarge, UnexpectedAnswer
from ims_async.gsp.base import Gsp, Response, VerdictKind
from ims_async.gsp.codec.json import PAUSE
from ims_async.model.vocabulary import Section
from tests.conftest import load
from tests.endurance import fuzz_promises as promises
from tests.endurance.fuzz_promises import Case, Reader, promise
from tests.support import sandbox_talk, vayana_samples, vayana_talk
from tests.support.recorded import NOW, answer, recorded, samples

_READ_ERRORS: Final = (ImsError,)
_CHANGE_ERRORS: Final = (GatewayError, UnexpectedAnswer, JobInFlight, PayloadTooLarge)
_MOST_REQUESTS: Final = 10


def _play(gsp: Gsp, conversation: Any, before: Sequence[Response], case: Case) -> Any:
    """Drive a conversation: first the answers before, and then the strange one to whatever is asked."""
    said = Response(status=case.status, headers=case.headers, body=case.body, received_at=NOW)
    waiting, asked = list(before), 0
    turn: Callable[[], Any] = partial(next, conversation)
    while True:
        try:
            step = turn()
        except StopIteration as stop:
            return stop.value
        if step is PAUSE:
            turn = partial(conversation.send, answer())
            continue
        asked += 1
        promise(asked <= _MOST_REQUESTS, "a conversation ends")
        promises.of_request(step)
        response = waiting.pop(0) if waiting else said
        verdict = gsp.judge(step, response)
        promises.of_verdict(step, verdict, response)
        if verdict.kind is VerdictKind.FINE:
            turn = partial(conversation.send, response)
        else:
            turn = partial(conversation.throw, verdict.error)


def _conversation(
    name: str, gsp: Gsp, make: Callable[[], Any], seeds: Sequence[str], before: Sequence[str] = ()
) -> Reader:
    operation = name.split()[1]
    change = operation in ("save", "reset", "regenerate")
    first = [recorded(other) for other in before]

    def read(case: Case) -> Any:
        conversation = make()
        value = _play(gsp, conversation, first, case)
        promises.deeper(lambda: promises.of_value(operation, gsp, value, case.body))
        return value

    told = [recorded(seed) for seed in seeds]
    return Reader(
        name,
        tuple(Case(seed.body, seed.status, dict(seed.headers)) for seed in told),
        read,
        _CHANGE_ERRORS if change else _READ_ERRORS,
        hints=True,
    )


def answers_of(gsp: str) -> list[str]:
    return [f"{gsp}/{name}" for name in samples(gsp) if "http_status" in load(f"{gsp}/{name}")]


def sandbox() -> list[Reader]:
    every = answers_of("sandbox")
    makes = {**sandbox_talk.BY_NAME}
    makes |= {f"section {section}": partial(_section_of_sandbox, section) for section in Section}
    return [
        _conversation(f"sandbox {name}", sandbox_talk.GSP, make, _weighed(_own(every, name), every))
        for name, make in makes.items()
    ]


def _section_of_sandbox(section: Section) -> Any:
    return sandbox_talk.GSP.invoices(sandbox_talk.GSTIN, section, None, strict=False)


def _own(every: Sequence[str], name: str) -> list[str]:
    start = "invoices" if name.startswith("section") else name
    return [sample for sample in every if sample.partition("/")[2].startswith(start)]


def _weighed(own: Sequence[str], every: Sequence[str]) -> list[str]:
    """All samples, those of the operation itself twice as often as the rest: they get furthest."""
    return [*own, *every] if not own else [*list(own) * (2 * len(every) // len(own) + 1), *every]


def vayana() -> list[Reader]:
    every = answers_of("vayana")
    own: dict[str, list[str]] = {}
    for name, expected in vayana_samples.EXPECTED.items():
        if isinstance(expected, vayana_samples.Read | vayana_samples.Unreadable):
            operation = expected.operation if isinstance(expected.operation, str) else "any"
            title = f"{operation} after its task" if expected.before else operation
            own.setdefault(title, []).append(f"vayana/{name}")
    done, broken = f"vayana/{vayana_samples.COMPLETED}", "vayana/task-status-flat-completed-200"
    makes = vayana_talk.BY_NAME
    readers = [
        _conversation(f"vayana {name}", vayana_talk.GSP, make, _weighed(own.get(name, []), every))
        for name, make in makes.items()
    ]
    for name in ("status", "prepared"):
        seeds = _weighed(own[f"{name} after its task"], every)
        title = f"vayana {name} after its task"
        readers.append(_conversation(title, vayana_talk.GSP, makes[name], seeds, [done]))
        reader = _conversation(f"vayana {name} of a task that broke off", vayana_talk.GSP, makes[name], seeds)
        readers.append(attrs.evolve(reader, read=partial(_after_break, name, makes[name], recorded(broken))))
    return readers


def _after_break(name: str, make: Callable[[], Any], completed: Response, case: Case) -> Any:
    broken = attrs.evolve(completed, body=completed.body.replace(b"completed", b"failed"))
    value = _play(vayana_talk.GSP, make(), [broken], case)
    promises.of_value(name, vayana_talk.GSP, value, case.body, broken=True)
    return value

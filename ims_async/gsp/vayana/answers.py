"""What Vayana's answers are: its two envelopes, the verdict on each, tasks, and the values out of them.

https://docs.enriched-api.vayana.com (Error payloads; Long running tasks)
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

import attrs

from ...errors import GatewayError, GatewayUnavailable, ImsError, JobInFlight, NotAuthorized, UnexpectedAnswer
from ...model.reasons import Reason, read_reason, together
from ...model.status import JobState, JobStatus
from .. import codec
from ..base import Needs, Part, Request, Response, Verdict, VerdictKind, told_to_wait_until
from ..codec.values import member
from ..gstn import gstn_error
from ..verdicts import (
    about_the_call,
    envelope_of,
    error_for_data,
    gstn_refusal,
    is_rows,
    is_spent,
    json_of,
    judge_gstn,
    judge_status,
    proven,
    reason_in,
)

# Steps of the login: GSTN's refusal of one is no reason to renew the session that it is about.
LOGIN: Final = frozenset({"otp", "verify", "refresh", "logout"})
_STALE_TOKEN: Final = frozenset({"err-expired-token", "err-invalid-token"})
_GSTN_SAID: Final = "err-gstn-returned-error"
TOO_MANY_TOKENS: Final = "err-active-tokens-limit-exceeded"
_NOT_ALLOWED: Final = frozenset({"err-invalid-org", TOO_MANY_TOKENS})
# Answered with 500 or 502, and yet no outage: two are about encrypted headers, which are the sender's to
# mend, and the last is GSTN's refusal, here in a form that tells no code of GSTN's.
_NO_OUTAGE: Final = frozenset(
    {
        "err-unable-to-decrypt-message-with-key",
        "err-aes-decryption-failed",
        _GSTN_SAID,
    }
)
_WORDS: Final = {
    TOO_MANY_TOKENS: "ten tokens of this user are alive",
    "err-invalid-org": "the organisation is not known, or not this user's",
    "err-invalid-token": "the user token is not known",
    "err-expired-token": "the user token has ended",
    "err-resource-not-found": "there is no such task or page; results are kept for seven days",
}
_ADVICE: Final = {
    TOO_MANY_TOKENS: "share one between programs (user_token=…, or a credential store), or end some with "
    "client.sign_out()",
    "err-invalid-org": "check org_id",
    "err-invalid-token": "log in again",
}
_NO_REASON: Final = "GSTN refused without saying why"
# The vendor's own errors have a key for a message, and one of these types (Error payloads).
_KEY: Final = "err-"
_TYPES: Final = frozenset(
    {"Authorization", "Runtime", "ResourceNotFound", "ClientRequest", "ClientError", "Gstn"}
)


def judge(request: Request, response: Response) -> Verdict:
    """Tell a success from a failure, which may come under HTTP 200, and GSTN's word from an outage."""
    if response.status < 300 and is_rows(response):
        return Verdict(kind=VerdictKind.FINE)
    envelope = envelope_of(response)
    if not failed(envelope) and response.status < 300:
        return Verdict(kind=VerdictKind.FINE)
    verdict = _judge_failure(request, response, envelope)
    if verdict.kind is VerdictKind.FINE:
        return verdict
    return proven(verdict, response, own=_is_own(envelope), status=response.status)


def _judge_failure(request: Request, response: Response, envelope: dict[str, Any]) -> Verdict:
    said = _gstn_reason(envelope)
    by_gstn = said is not None or _told(envelope).get("message") == _GSTN_SAID
    if request.operation == "result" and by_gstn and response.status != 429:
        return Verdict(kind=VerdictKind.FINE)  # how the task ended: the call itself went well
    if said is not None and (response.status < 300 or said.code) and not about_the_call(response.status):
        session = request.operation not in LOGIN
        error = error_of(envelope, response)
        return judge_gstn(request, error, in_session=session, stale=Needs.TAXPAYER)
    if request.changes and response.status < 300 and _told(envelope).get("type") == "Runtime":
        # Trouble of the GSP's own under a success's status: no document says that nothing was done.
        return Verdict(kind=VerdictKind.UNAVAILABLE, error=_unavailable(_own_error(envelope, response)))
    own = _own_error(envelope, response)
    if said is not None:
        own = GatewayError(said.words or _NO_REASON, code=said.code or own.code, http_status=response.status)
    verdict = _judge_own(request, response, own)
    if verdict.kind is VerdictKind.THROTTLED or (
        response.status >= 300 and "retry-after" in response.headers
    ):
        return attrs.evolve(verdict, not_before=told_to_wait_until(response))
    return verdict


def _is_own(envelope: Mapping[str, Any]) -> bool:
    """Say whether a refusal is in Vayana's own words, or GSTN's with a code of GSTN's."""
    told, gstn = _told(envelope), _gstn_reason(envelope)
    key = told.get("message")
    own = isinstance(key, str) and (key.startswith(_KEY) or str(told.get("type")) in _TYPES)
    done = str(envelope.get("status")) == "1"  # which speaks against an error beside it
    return (own and not done) or bool(gstn and gstn.code)


def _unavailable(error: GatewayError) -> GatewayUnavailable:
    return GatewayUnavailable(error.message, code=error.code, http_status=error.http_status)


def _judge_own(request: Request, response: Response, error: GatewayError) -> Verdict:
    """Judge an error of the GSP's own."""
    status = response.status if response.status >= 300 else 400  # a failure under HTTP 200
    facts: dict[str, Any] = {"code": error.code or str(status), "http_status": response.status}
    of_user = error.code in _STALE_TOKEN | _NOT_ALLOWED
    if not of_user and (about_the_call(status) or is_spent(status, error.message)):
        return judge_status(response, status, error.message, facts)
    if error.code in _NO_OUTAGE:
        return Verdict(kind=VerdictKind.FAILED, error=error)
    if of_user or status in (401, 403):
        stale = error.code in _STALE_TOKEN and request.needs is not Needs.NONE
        # These are about the user; of another 403 no page says whose it is (Error payloads).
        of_account = of_user or status == 401
        refused = NotAuthorized(error.message, advice=error.advice, of_account=of_account, **facts)
        return Verdict(kind=VerdictKind.REFUSED if stale else VerdictKind.FAILED, error=refused)
    text = error.message
    if request.changes and status in (404, 405):
        text = f"{text}: the gateway knows no such route for a {request.operation}"
        if request.operation == "save":
            text += "; it is not public: set save_method and save_path"
    return judge_status(response, status, text, facts)


def failed(envelope: Mapping[str, Any]) -> bool:
    """True for an envelope that reports a failure. `status` is text, and missing from the older envelope.

    GSTN's own mark of a refusal, which this GSP takes off, is heeded should it come through.
    """
    status = envelope.get("status")
    told = bool(envelope.get("error")) if status is None else str(status) == "0"
    return told or gstn_refusal(envelope) is not None or error_for_data(envelope) is not None


def _told(envelope: Mapping[str, Any]) -> dict[str, Any]:
    error = envelope.get("error")
    return error if isinstance(error, dict) else {}


def _gstn_reason(envelope: Mapping[str, Any]) -> Reason | None:
    """Return what GSTN itself said, if it did."""
    args = _told(envelope).get("args")
    facts = args.get("gstn-err") if isinstance(args, dict) else None
    if isinstance(facts, dict):
        return read_reason(facts)
    refusal = gstn_refusal(envelope)
    return None if refusal is None else reason_in(refusal)


def error_of(envelope: Mapping[str, Any], response: Response) -> ImsError:
    """Return the typed error that an envelope reports: GSTN's own where it carries one, else by its key."""
    reason = _gstn_reason(envelope)
    if reason is None:
        return _own_error(envelope, response)
    words = reason.words or _NO_REASON
    return gstn_error(reason.code, words, http_status=response.status, transaction_id=None)


def _own_error(envelope: Mapping[str, Any], response: Response) -> GatewayError:
    told, reason = _told(envelope), reason_in(envelope)
    args = told.get("args")
    details = (
        ", ".join(f"{name} {value}" for name, value in args.items())
        if isinstance(args, dict)
        else read_reason(args).words
    )
    key = str(told.get("message") or "")
    what = _WORDS.get(key, "")
    if key == _GSTN_SAID:
        what = "GSTN refused" if details else _NO_REASON
    text = ": ".join(part for part in (what, details) if part)
    # Words in other places of the envelope of six are no key, but better than none.
    words = reason.words or read_reason([envelope.get(name) for name in ("alert", "info")]).words
    text = text or words or f"HTTP {response.status} from the gateway"
    facts: dict[str, Any] = {"code": reason.code or key, "http_status": response.status}
    return GatewayError(text, advice=_ADVICE.get(key, ""), **facts)


def payload(response: Response) -> Any:
    """Return GSTN's own payload, which the envelope holds at `data`."""
    return member(json_of(response), "data", "")


# -- tasks -----------------------------------------------------------------------------------------------


class Stage(Enum):
    """How far a task is."""

    RUNNING = auto()
    COMPLETED = auto()
    BROKEN_OFF = auto()


# Only `processing` and `completed` are documented; a word that says failure is one, any other is not final.
_COMPLETED: Final = frozenset({"completed"})
_BROKEN_OFF: Final = frozenset(
    {"failed", "failure", "fail", "error", "errored", "aborted", "cancelled", "canceled", "rejected"}
    | {"expired", "terminated", "timed-out", "timeout"}
)


@attrs.frozen
class Task:
    """A task's word for how far it is, and what else was told."""

    word: str
    stage: Stage
    told: dict[str, Any]

    @property
    def reason(self) -> Reason:
        """Why it broke off, should the task itself say so."""
        return read_reason(self.told)

    @property
    def documented(self) -> bool:
        """True for a word that can be relied on."""
        return self.stage is not Stage.RUNNING or self.word.strip().lower() == "processing"


def read_task(response: Response) -> Task:
    """Read a task's status, nested in `data.task` as one page shows it, or flat in `data` with `jobs`.

    https://docs.enriched-api.vayana.com (Long running tasks: Status API)
    """
    data = payload(response)
    nested = isinstance(data, dict) and isinstance(data.get("task"), dict)
    facts, path = (data["task"], "data.task") if nested else (data, "data")
    word = member(facts, "status", path)
    if not isinstance(word, str) or not word.strip():
        raise UnexpectedAnswer(problems=[f"{path}.status: {word!r:.60} is not text"])
    plain = word.strip().lower().replace("_", "-").replace(" ", "-")
    stage = (
        Stage.COMPLETED
        if plain in _COMPLETED
        else Stage.BROKEN_OFF
        if plain in _BROKEN_OFF
        else Stage.RUNNING
    )
    return Task(word, stage, dict(facts))


def read_pages(response: Response, base: int, task_id: str) -> Sequence[Part]:
    """Read into how many pages a download's result is divided."""
    data = payload(response)
    if isinstance(data, list):  # a task of several jobs answers with an envelope for each
        if len(data) != 1:
            raise UnexpectedAnswer(problems=[f"data: {len(data)} envelopes, where a download has one"])
        data = member(data[0], "data", "data[0]")
    pages = member(data, "pages", "data")
    count = int(pages) if isinstance(pages, str) and re.fullmatch("[0-9]{1,9}", pages) else pages
    if type(count) is not int or not 0 <= count <= _MOST_PAGES:
        raise UnexpectedAnswer(problems=[f"data.pages: {pages!r:.60} is not a number of pages"])
    return [Part(f"{task_id}/page/{number}") for number in range(base, base + count)]


_MOST_PAGES: Final = 100_000


def read_result(response: Response, word: str) -> JobStatus:
    """Read how a save or reset ended: GSTN's status, or one envelope for each job of the task.

    https://docs.enriched-api.vayana.com (IMS Invoice Status Reset: Result API response)
    """
    envelope = envelope_of(response)
    data = envelope.get("data")
    if failed(envelope) or not isinstance(data, list):
        return _one_result(envelope, response, word, "data")
    if not data:
        raise UnexpectedAnswer(problems=["data: an empty list"])
    return _together(
        [_one_result(part, response, word, f"data[{place}].data") for place, part in enumerate(data)]
    )


def _one_result(envelope: Any, response: Response, word: str, path: str) -> JobStatus:
    if isinstance(envelope, dict) and failed(envelope):
        return broken_off(word, error_of(envelope, response), polled_at=response.received_at)
    data = member(envelope, "data", path.rpartition(".")[0])
    return codec.read_status(data, path, polled_at=response.received_at, carrier_done=True)


def read_broken_off(response: Response, task: Task) -> JobStatus:
    """Read why a task broke off, from its result: GSTN's final word where there is one all the same."""
    envelope = envelope_of(response)
    if failed(envelope):
        return broken_off(task.word, error_of(envelope, response), polled_at=response.received_at)
    with contextlib.suppress(UnexpectedAnswer):
        status = read_result(response, task.word)
        if status.done:
            return status
    own = GatewayError(task.reason.words, code=task.reason.code) if task.reason else None
    return broken_off(task.word, own, polled_at=response.received_at)


def broken_off(word: str, reason: ImsError | None, *, polled_at: float | None) -> JobStatus:
    """Return the status of a job whose task broke off. What GSTN made of the job, nobody has heard.

    Except where GSTN said that another job runs: then it made nothing of this one.
    """
    return JobStatus(
        state=JobState.FAILED,
        raw_code=word,
        error_code=getattr(reason, "code", ""),
        error_message=getattr(reason, "message", str(reason or "")),
        polled_at=polled_at,
        carrier_done=True,
        carrier_failed=not isinstance(reason, JobInFlight),
    )


_RANK: Final = {"S": 0, "P": 1, "PE": 2}


def _together(parts: Sequence[JobStatus]) -> JobStatus:
    """Put the results of a task's jobs into one: the counts added up, the worst code, every error entry."""
    if len(parts) == 1:
        return parts[0]
    open_part = next((part for part in parts if _still_open(part)), None)
    bad = [part for part in parts if part.state in (JobState.FAILED, JobState.PARTIAL)]
    whole = all(part.state is JobState.FAILED for part in parts)
    worst = max(parts, key=lambda part: _RANK.get(part.raw_code.strip().upper(), 2))
    state, code = worst.state, worst.raw_code
    if open_part is not None:
        state, code = JobState.PROCESSING, open_part.raw_code
    elif bad:
        state, code = (JobState.FAILED, bad[0].raw_code) if whole else (JobState.PARTIAL, "PE")
    elif code.strip().upper() == "P" and _counted_in_part(parts):
        state, code = JobState.PARTIAL, "PE"
    told = together(Reason(part.error_code, part.error_message) for part in parts)
    errors = sum(part.errors or 0 for part in parts)
    return JobStatus(
        state=state,
        raw_code=code,
        processed=_sum([None if _counts_nothing(part) else part.processed for part in parts]),
        errors=errors or _sum([part.errors for part in parts]),  # what one part counts is no fewer of all
        error_code=told.code,
        error_message=told.words,
        error_report=tuple(entry for part in parts for entry in part.error_report),
        polled_at=worst.polled_at,
        carrier_done=True,
        carrier_failed=any(part.carrier_failed for part in parts),
        documented=all(part.documented for part in parts),
        in_the_way=all(part.in_the_way for part in parts),
        raw={"parts": [part.raw for part in parts]},
    )


def _still_open(part: JobStatus) -> bool:
    return part.state is JobState.PROCESSING and part.raw_code.strip().upper() != "P"


def _counted_in_part(parts: Sequence[JobStatus]) -> bool:
    """True where a part with code P counts nothing beside parts that do: they do not tell of its records.

    One without any count is done with its task; here the sum that the others make may fall short.
    """
    uncounted = any(part.processed is None and part.raw_code.strip().upper() == "P" for part in parts)
    return uncounted and any(part.processed is not None for part in parts)


def _counts_nothing(part: JobStatus) -> bool:
    """True where what a part counted is no count of records that were applied: an error stands beside it."""
    return part.state is JobState.FAILED or bool(part.error_code and not part.error_report)


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None

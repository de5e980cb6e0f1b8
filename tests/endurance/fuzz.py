"""Give every reader strange inputs: `python -m tests.endurance.fuzz --inputs 200000 [--seed N]`.

An input that breaks a promise is kept in a file; `--replay FILE` gives it to its reader again.
`--big` gives each reader long inputs of every kind as well.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from tests.endurance.fuzz_inputs import big, changed
from tests.endurance.fuzz_promises import Case, Reader, of_error
from tests.endurance.fuzz_readers import readers

try:
    import resource
except ImportError:  # another system
    resource = None  # type: ignore[assignment]

SECONDS: Final = 1.0  # of processor time, for one input
_GIVEN_UP: Final = 30  # seconds after which an input is broken off
_MEMORY: Final = 2 * 1024**3  # bytes
_STATUSES: Final = (*[200] * 8, 201, 204, 302, 400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 504, 599)
_HINTS: Final = (
    *("0", "30", "-1", "1e999", "nan", "9" * 400, "\u0661", "", " ,"),
    *("Wed, 06 May 2025 11:28:52 GMT", "Wed, 99 May 2025"),
)


class TooSlowError(BaseException):
    """An input was broken off."""


@attrs.define
class Tally:
    """What became of one reader's inputs."""

    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_bytes: int = 0
    errors: Counter[str] = attrs.field(factory=Counter)
    failures: dict[str, tuple[Case, str]] = attrs.field(factory=dict)
    """The first input of each kind of failure, with its traceback."""


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Break off what does not end, where the system has such an alarm."""
    if not hasattr(signal, "ITIMER_VIRTUAL"):
        yield
        return

    def stop(_: int, __: Any) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _GIVEN_UP)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _where(error: BaseException) -> str:
    """Where an error came from, to tell one defect from another."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "ims_async" in Path(frame.filename).parts] or frames
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    what = f": {error}" if isinstance(error, AssertionError | TooSlowError) else ""
    return f"{type(error).__name__} at {place}{what}"


def attempt(reader: Reader, case: Case, tally: Tally, *, limit: float = SECONDS) -> None:
    """Give a reader one input, and note what became of it."""
    began = time.process_time()
    try:
        with _limited():
            reader.read(case)
        kind = "read"
    except reader.errors as error:
        kind = type(error).__name__
        try:
            with _limited():
                of_error(error)
        except (Exception, TooSlowError) as broken:  # noqa: BLE001 # whatever it is, it is what is looked for
            kind = _failed(tally, case, broken)
    except (Exception, TooSlowError) as error:  # noqa: BLE001 # as above
        kind = _failed(tally, case, error)
    took = time.process_time() - began
    tally.inputs += 1
    tally.seconds += took
    tally.errors[kind] += 1
    if took > tally.slowest:
        tally.slowest, tally.slowest_bytes = took, len(case.body)
    if took > limit:
        tally.failures.setdefault("slow", (case, f"{took:.2f} s for {len(case.body):,} bytes\n"))


def _failed(tally: Tally, case: Case, error: BaseException) -> str:
    where = _where(error)
    if where not in tally.failures:
        tally.failures[where] = (case, "".join(traceback.format_exception(error, limit=-12)))
    return f"!! {where}"


def strange(reader: Reader, chance: random.Random) -> Case:
    """Make a reader's next input of its samples."""
    seed = chance.choice(reader.seeds)
    others = [chance.choice(reader.seeds).body for _ in range(2)]
    body = changed(seed.body, others, chance)
    if not reader.hints:
        return Case(body)
    status = seed.status if chance.random() < 0.6 else chance.choice(_STATUSES)
    headers = {}
    if chance.random() < 0.1:
        names = ("retry-after", "x-ratelimit-reset", "x-ratelimit-remaining")
        headers = {name: chance.choice(_HINTS) for name in names if chance.random() < 0.6}
    return Case(body, status, headers)


def run(reader: Reader, inputs: int, seed: int, *, limit: float = SECONDS) -> Tally:
    """Give a reader its samples as they are, and then strange inputs."""
    chance = random.Random(f"{seed} {reader.name}")  # noqa: S311 # the same each time
    tally = Tally()
    for case in dict.fromkeys((case.body, case.status) for case in reader.seeds):
        attempt(reader, Case(*case), tally, limit=limit)
    for _ in range(inputs - tally.inputs):
        attempt(reader, strange(reader, chance), tally, limit=limit)
    return tally


def run_big(reader: Reader, size: int, tally: Tally, *, limit: float = SECONDS) -> dict[str, float]:
    """Give a reader long inputs; returns the seconds that each kind took."""
    took: dict[str, float] = {}
    for kind, body in big(reader.seeds[0].body, size).items():
        before = tally.seconds
        attempt(reader, Case(body, reader.seeds[0].status), tally, limit=limit)
        took[kind] = tally.seconds - before
        if slow := tally.failures.pop("slow", None):
            tally.failures[f"slow: {kind}"] = slow
    return took


# -- the command ------------------------------------------------------------------------------------------


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _keep(folder: Path, reader: Reader, case: Case, why: str) -> Path:
    facts = {
        "reader": reader.name, "why": why, "status": case.status, "headers": case.headers,
        "body": base64.b64encode(case.body).decode(),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{reader.name.replace(' ', '-')}-{zlib.crc32(why.encode() + case.body):08x}.json"
    path.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return path


def _replay(path: Path) -> int:
    facts = json.loads(path.read_text(encoding="utf-8"))
    reader, tally = readers()[facts["reader"]], Tally()
    attempt(reader, Case(base64.b64decode(facts["body"]), facts["status"], facts["headers"]), tally)
    _say(f"{dict(tally.errors)} in {tally.seconds:.3f} s")
    for _, trace in tally.failures.values():
        _say(trace)
    return bool(tally.failures)


def _report(reader: Reader, tally: Tally, folder: Path) -> None:
    kinds = ", ".join(f"{kind} {count}" for kind, count in tally.errors.most_common(6))
    _say(
        f"{reader.name:45} {tally.inputs:9,} inputs {tally.seconds:7.1f} s; "
        f"slowest {tally.slowest * 1000:6.1f} ms of {tally.slowest_bytes:,} bytes; {kinds}"
    )
    for why, (case, trace) in tally.failures.items():
        kept, last = _keep(folder, reader, case, why), trace.splitlines()[-1][:300]
        _say(f"  BROKEN {why}: --replay {kept}\n    {last}")


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.endurance.fuzz", description=__doc__)
    add = parser.add_argument
    folder = Path(tempfile.gettempdir()) / "ims-async-fuzz"
    add("--inputs", type=int, default=100_000, help="in all, shared out among the readers")
    add("--seed", type=int, default=1)
    add("--reader", action="append", metavar="NAME", help="only readers whose name has this in it")
    add("--big", type=int, nargs="?", const=1_000_000, default=0, metavar="BYTES")
    add("--replay", type=Path, metavar="FILE")
    add("--keep", type=Path, default=folder, metavar="FOLDER", help="where failing inputs go")
    return parser.parse_args(given)


def _bounded_memory() -> None:
    """Make a MemoryError, which is a failure, of what would take all there is."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _peak() -> str:
    if resource is None:
        return "?"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"


def main(given: Sequence[str] | None = None) -> int:
    """Run the command; returns how many readers broke a promise."""
    options = _arguments(given)
    if options.replay:
        return _replay(options.replay)
    _bounded_memory()
    wanted = options.reader or [""]
    chosen = [reader for name, reader in readers().items() if any(part in name for part in wanted)]
    began, inputs, broken = time.perf_counter(), 0, 0
    for reader in chosen:
        tally = run(reader, max(options.inputs // len(chosen), 1), options.seed)
        if options.big:
            run_big(reader, options.big, tally)
        _report(reader, tally, options.keep)
        inputs, broken = inputs + tally.inputs, broken + bool(tally.failures)
    took = time.perf_counter() - began
    whole = f"{inputs:,} inputs to {len(chosen)} readers in {took:.0f} s, peak {_peak()}"
    _say(f"{whole}; {broken} broke a promise")
    return broken


if __name__ == "__main__":
    sys.exit(main())

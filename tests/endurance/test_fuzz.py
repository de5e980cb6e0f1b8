"""`tests.endurance.fuzz` in short: every reader, some hundred strange inputs, the same each time."""

from __future__ import annotations

import ast
import inspect
import random
import re
import signal
import time
import zlib
from pathlib import Path
from typing import Any, Final

import pytest

import ims_async
from ims_async import UnexpectedAnswer
from ims_async.gsp.base import Gsp
from ims_async.net.transport import Gunzip
from tests.endurance.fuzz import Tally, attempt, main, run, run_big, strange
from tests.endurance.fuzz_promises import Case, Reader, promise
from tests.endurance.fuzz_readers import readers
from tests.support import sandbox_talk, vayana_talk
from tests.support.sweeps import stride

READERS: Final = readers()
INPUTS: Final = 500 // stride(3)
LONG: Final = 100_000  # bytes

# What reads, by file and name, and the reader here that goes through it.
COVERED: Final = {
    "cli/inputs/environment.py flag": "vocabulary",
    "cli/inputs/files.py read_all": "read_decisions",
    "gsp/codec/answers.py read_added_back": "sandbox added-back-liabilities",
    "gsp/codec/answers.py read_counts": "vayana count",
    "gsp/codec/status.py read_error_report": "error_report",
    "gsp/codec/answers.py read_sales": "vayana sales",
    "gsp/codec/status.py read_status": "sandbox status",
    "gsp/codec/status.py read_regeneration": "sandbox regeneration",
    "gsp/codec/answers.py read_filed": "sandbox filings",
    "gsp/codec/answers.py read_quarterly": "sandbox filings",
    "gsp/codec/gstr2b.py read_gstr2b": "sandbox gstr2b",
    "gsp/codec/gstr2b_rows.py read_document": "sandbox gstr2b",
    "gsp/codec/gstr2b_rows.py read_supplier": "sandbox gstr2b",
    "gsp/verdicts.py read_or_none": "vayana filings",
    "model/reasons.py read_reason": "error_report",
    "gsp/codec/rows.py read_invoice": "rows b2b",
    "gsp/codec/invoices.py read_invoices": "sandbox invoices",
    "gsp/codec/values.py parse_day": "read_decisions",
    "net/credential_file.py load": "credentials",
    "gsp/verdicts.py json_of": "vayana count",
    "gsp/verdicts.py epoch": "jwt_expiry",
    "gsp/verdicts.py judge_gstn": "sandbox save",
    "gsp/verdicts.py judge_status": "sandbox save",
    "gsp/sandbox/answers.py judge": "sandbox save",
    "gsp/vayana/answers.py judge": "vayana save",
    "gsp/vayana/tasks.py read_broken_off": "vayana status of a task that broke off",
    "gsp/vayana/tasks.py read_pages": "vayana prepared after its task",
    "gsp/vayana/tasks.py read_result": "vayana status after its task",
    "gsp/vayana/tasks.py read_task": "vayana status",
    "journal/packing.py unpack": "journal records",
    "journal/packing.py unpack_status": "journal status",
    "model/secret.py jwt_expiry": "jwt_expiry",
    "model/tokens.py loads": "JobToken.loads",
    "cli/inputs/sheets.py read_books": "read_register",
    "cli/inputs/sheets.py read_sheets": "read_sheet",
    "decide/policy.py read_toml": "policy",
    "decide/register/reading.py read_register": "read_register",
    "tables/offline/outcome.py read_outcome": "read_outcome",
    "tables/offline/reading.py read_portal": "read_portal",
    "tables/offline/reading.py read_row": "read_portal",
    "tables/offline/reading.py read_rows": "read_portal",
    "tables/gstr2b/reading.py read_gstr2b": "read_gstr2b",
    "tables/reading.py read_decisions": "read_decisions",
    "tables/reading.py read_keeping": "read_with_information",
    "tables/reading.py read_records_with_information": "read_sheet",
    "tables/sheets.py read_sheet": "read_sheet",
    "tables/supplier_view/reading.py read_sales": "read_sales",
    "tables/reading.py read_records": "read_records",
    "tables/reading.py read_table": "decisions of rows",
    "tables/reading.py read_row": "read_decisions",
    "tables/reading.py read_with_information": "read_with_information",
    "net/transport.py __call__": "unpacking",
    "model/vocabulary.py parse": "vocabulary",
    "model/vocabulary.py parse_gstin": "vocabulary",
    "gsp/http.py check_base_url": "vocabulary",
    "gsp/base.py judge": "sandbox save",
    "gsp/codec/json.py parse_json": "parse_json",
    "gsp/codec/json.py parse_small": "rows b2b",
    "gsp/http.py read_retry_at": "read_retry_at",
}
_READS: Final = re.compile(
    r"(read|parse|judge|told)_\w+|loads|unpack\w*|parse|judge|jwt_expiry|epoch|flag|json_of"
)
_READS_TOO: Final = {
    "gsp/http.py check_base_url",
    "net/credential_file.py load",
    "net/transport.py __call__",
}
_NOT_OURS: Final = {"simulator"}
"""It plays the gateway, and reads what we send."""


@pytest.mark.parametrize("name", READERS)
def test_strange_inputs_break_no_promise(name: str) -> None:
    """Change the samples of every reader in every way, some hundred times."""
    tally = run(READERS[name], INPUTS, seed=20241105)
    assert not tally.failures, "\n".join(trace for _, trace in tally.failures.values())
    assert tally.inputs >= INPUTS
    assert tally.errors["read"], "no input was ever read: the samples do not fit the reader"


@pytest.mark.parametrize(
    "name",
    [
        "sandbox invoices",
        "sandbox gstr2b",
        "vayana reference",
        "sandbox count",
        "vayana sales",
        "unpacking",
        "read_decisions",
    ],
)
def test_long_inputs_take_no_longer_than_their_length(name: str) -> None:
    """Read 100 kB of numbers, of brackets, of digits, of nothing, each within a second."""
    tally = Tally()
    took = run_big(READERS[name], LONG, tally)
    assert not tally.failures, {why: case.body[:80] for why, (case, _) in tally.failures.items()}
    assert len(took) > 15


def _found() -> set[str]:
    folder = Path(inspect.getfile(ims_async)).parent
    functions = {
        f"{path.relative_to(folder).as_posix()} {node.name}"
        for path in folder.rglob("*.py")
        if path.relative_to(folder).parts[0] not in _NOT_OURS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    named = {name for name in functions if _READS.fullmatch(name.split()[1])}
    return named | functions & _READS_TOO


def test_nothing_reads_that_is_not_fuzzed() -> None:
    """Find what reads by its name; a new one fails here until a reader goes through it."""
    assert _found() == set(COVERED)
    assert set(COVERED.values()) <= set(READERS)


def test_a_reader_that_is_left_out_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """See that the comparison above can fail, both ways."""
    monkeypatch.delitem(COVERED, "gsp/codec/json.py parse_json")
    assert _found() - set(COVERED) == {"gsp/codec/json.py parse_json"}


def test_every_operation_of_every_gsp_is_fuzzed() -> None:
    """Have a conversation of each GSP for whatever the protocol offers."""
    for name, talk in (("sandbox", sandbox_talk.BY_NAME), ("vayana", vayana_talk.BY_NAME)):
        assert {f"{name} {operation}" for operation in talk} <= set(READERS)
    known = {
        *("authenticate", "sign_out", "request_otp", "verify_otp", "refresh", "logout", "counts", "invoices"),
        *("prepared", "part", "save", "reset", "status", "sales", "added_back_liabilities"),
        *("regenerate", "gstr2b", "filings"),
    }
    no_talk = {"sign", "judge", "kind", "base_url", "limits", "account_id"}
    assert {name for name in vars(Gsp) if not name.startswith("_")} - no_talk == known


# -- the harness itself ----------------------------------------------------------------------------------


def _careless(body: bytes) -> Any:
    return {"1": 1}[body.decode()]


def _toy(read: Any) -> Reader:
    return Reader("toy", (Case(b"1"),), lambda case: read(case.body))


def test_what_is_no_error_of_ours_is_a_failure() -> None:
    """Note a KeyError and a UnicodeDecodeError by their places, with the first input that gave each."""
    tally = run(_toy(_careless), 300, seed=1)
    kinds = {why.partition(" at ")[0] for why in tally.failures}
    assert {"KeyError", "UnicodeDecodeError"} <= kinds
    assert sum(tally.errors.values()) == tally.inputs == 300


def test_a_broken_promise_and_an_error_without_words_are_failures() -> None:
    """Note what is returned wrongly, and an error that says nothing."""

    class SilentError(UnexpectedAnswer):
        def __str__(self) -> str:
            return ""

    def silent(_: bytes) -> None:
        raise SilentError

    for read in (lambda body: promise(not body, "nothing comes of something"), silent):
        tally = Tally()
        attempt(_toy(read), Case(b"1"), tally)
        assert len(tally.failures) == 1


def test_what_takes_too_long_is_a_failure() -> None:
    """Measure each input in processor time."""
    tally = Tally()
    attempt(_toy(len), Case(b"1"), tally)
    assert not tally.failures
    attempt(_toy(len), Case(b"1"), tally, limit=-1.0)
    assert set(tally.failures) == {"slow"}
    if hasattr(signal, "ITIMER_VIRTUAL"):  # one that is left ends the whole process, much later
        assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@pytest.mark.skipif(not hasattr(signal, "ITIMER_VIRTUAL"), reason="this system has no such alarm")
def test_what_never_ends_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note the input that had a reader go round and round, and go on with the next."""

    def endless(body: bytes) -> None:
        while body == b"1":
            pass

    monkeypatch.setattr("tests.endurance.fuzz._GIVEN_UP", 0.05)
    tally = run(_toy(endless), 20, seed=1)
    assert any(why.startswith("TooSlowError") for why in tally.failures)
    assert tally.inputs == 20


def test_inputs_are_the_same_each_time() -> None:
    """Make the same inputs of the same seed, and others of another."""
    reader = READERS["vayana status"]
    made = [[strange(reader, random.Random(seed)) for _ in range(20)] for seed in (1, 1, 2)]  # noqa: S311
    assert made[0] == made[1] != made[2]


def test_a_failing_input_is_kept_and_can_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the command over a reader that fails, and replay what it kept."""
    monkeypatch.setattr("tests.endurance.fuzz.readers", lambda: {"toy": _toy(_careless)})
    monkeypatch.setattr("tests.endurance.fuzz._MEMORY", -1)
    assert main(["--inputs", "100", "--keep", str(tmp_path)]) == 1
    assert "KeyError" in capsys.readouterr().out
    kept = next(path for path in tmp_path.iterdir() if "KeyError" in path.read_text(encoding="utf-8"))
    assert main(["--replay", str(kept)]) == 1
    monkeypatch.setattr("tests.endurance.fuzz.readers", lambda: {"toy": _toy(len)})
    assert main(["--replay", str(kept)]) == 0


@pytest.mark.parametrize("size", [1, 3, 1000, 1 << 20])
def test_packed_text_in_parts_of_any_size_is_what_was_packed(size: int) -> None:
    """Unpack two members, one of them empty, in parts."""
    texts = (b"abc" * 5000, b"", bytes(range(256)))
    packers = [(zlib.compressobj(wbits=31), text) for text in texts]
    packed = b"".join(packer.compress(text) + packer.flush() for packer, text in packers)
    unpack = Gunzip()
    parts = [part for at in range(0, len(packed), size) for part in unpack(packed[at : at + size])]
    assert b"".join(parts) == b"".join(texts)
    assert unpack.complete


def test_many_small_members_cost_no_more_each_than_few() -> None:
    """Unpack 3 MB of small members within a second: zlib copies what is left after each of them."""
    packer, content = zlib.compressobj(wbits=31), bytes(range(60))
    member = packer.compress(content) + packer.flush()
    many = 3_000_000 // len(member)
    began = time.process_time()
    assert sum(map(len, Gunzip()(member * many))) == many * len(content)
    assert time.process_time() - began < 1.0

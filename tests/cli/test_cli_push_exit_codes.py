"""`push` and `push --run` end with the same exit code, whatever the gateway answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cli.cli_shell import QUICK, Shell, accept, opened, read_rows


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    """A shell of one taxpayer, who has a session."""
    with opened(tmp_path, monkeypatch, capsys, taxpayers=1, invoices=12, sections=["b2b"]) as found:
        found.with_token()
        yield found


def entry(number: str, row: dict[str, str]) -> dict[str, Any]:
    """Return GSTN's word on one record."""
    ids = {"stin": row["supplier"], "rtnprd": row["return period"], "inum": number}
    return {"b2b": [{**ids, "error_cd": "IMSSAV0010", "error_msg": "edited"}]}


NAMED, STRANGE = "named", "strange"
# The code; how many fewer than were sent it counts as processed; how many errors; what is listed; exit code.
ANSWERS: Final[Sequence[tuple[str, int | None, int | None, str, int]]] = (
    ("S", 0, None, "", 0),
    ("S", 0, 0, "", 0),
    ("S", 0, 1, "", 1),
    ("P", 0, 0, "", 0),
    ("PE", 0, None, "", 1),
    ("PE", 0, 0, "", 1),
    ("PE", 0, 1, "", 1),
    ("PE", -1, 1, "", 1),
    ("PE", -1, 1, NAMED, 1),
    ("PE", 0, 1, NAMED, 1),
    ("PE", 0, 1, STRANGE, 1),
    ("PE", None, None, "", 1),
    ("ER", None, None, "", 1),
)


@pytest.mark.parametrize("options", [(), ("--run", "november")], ids=["push", "push --run"])
@pytest.mark.parametrize(("code", "missing", "errors", "listed", "expected"), ANSWERS)
def test_the_exit_codes_agree(
    shell: Shell,
    code: str,
    missing: int | None,
    errors: int | None,
    listed: str,
    expected: int,
    options: Sequence[str],
) -> None:
    """0 only where every record is known to be applied: no count outweighs a code that says "errors"."""
    file, decided = shell.decided(accept)
    row = next(row for row in read_rows(file) if row["action"])
    status: dict[str, Any] = {"status_cd": code, "transTypCd": "SAV"}
    if code == "ER":
        status |= {"err_cd": "IMSSAV005", "err_msg": "Schema validation failure"}
    if missing is not None:
        status["proc_cnt"] = str(decided + missing)
    if errors is not None:
        status["err_cnt"] = str(errors)
    if listed:
        status["error_report"] = entry(row["number"] if listed == NAMED else "no such number", row)
    shell.sim.script_status(None, status)
    ended = shell.run("push", file, "--yes", *QUICK, *options)
    assert ended.code == expected, ended.out
    assert ("Every record" in ended.out) is (expected == 0)

"""A short way for these tests to call a simulator in memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ims_async.simulator import Record, Simulator

# On Python 3.11 to 3.13 the looptime plugin asks for "the" event loop before each test that is not async, and
# thereby makes one that nobody closes. Once it has been said that there is none, none is made.
asyncio.set_event_loop(None)

BASE = "/gst/compliance/tax-payer"
GSTRS = f"{BASE}/gstrs"
_NOT_SENT = {"action", "ispendactblocked", "srcfilstatus", "hash"}


class Portal:
    """One taxpayer's way into a simulator."""

    def __init__(self, simulator: Simulator, gstin: str | None = None) -> None:
        self.simulator = simulator
        self.gstin = gstin or simulator.gstins[0]
        self.token = simulator.token(self.gstin)

    def answer(
        self, method: str, path: str, body: object = None, **headers: str | None
    ) -> tuple[int, dict[str, str], Any]:
        """Call; a header given as None is left out, underscores in names stand for dashes."""
        sent: dict[str, str | None] = {
            "x-api-key": "key_test_demo",
            "authorization": self.token,
            "x-api-version": "1.0.0",
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        present = {name: value for name, value in sent.items() if value is not None}
        status, received, content = self.simulator.handle(method, path, present, raw)
        return status, received, json.loads(content)

    def data(self, method: str, path: str, body: object = None) -> Any:
        """Call with success and return what is under `data`."""
        status, _, content = self.answer(method, path, body)
        assert (status, content["code"]) == (200, 200)
        return content["data"]

    def payload(self, method: str, path: str, body: object = None) -> Any:
        """Call with success and return what is under `data.data`."""
        data = self.data(method, path, body)
        assert data["status_cd"] == "1", data
        return data["data"]

    def refusal(self, method: str, path: str, body: object = None) -> tuple[str, str]:
        """Call, be refused by GSTN, and return its code and message."""
        data = self.data(method, path, body)
        assert (data["status_cd"], {*data}) == ("0", {"status_cd", "error"}), data
        return data["error"]["error_cd"], data["error"]["message"]

    def rows(self, section: str = "b2b", status: str = "") -> list[dict[str, Any]]:
        """List the rows of a section."""
        query = f"section={section}" + (f"&status={status}" if status else "")
        found = self.payload("GET", f"{BASE}/invoices?{query}")
        (rows,) = found.values()
        assert isinstance(rows, list)
        return rows

    def row(self, record: Record) -> dict[str, Any]:
        """Return the row of a record."""
        number = "nt_num" if record.section.startswith(("b2bcn", "b2bdn")) else "inum"
        (row,) = [
            row
            for row in self.rows(record.section)
            if (row["stin"], row[number], row["rtnprd"]) == record.key
        ]
        return row

    def free(self, section: str = "b2b") -> Record:
        """Return the first record of a section with no action and no bar on Pending."""
        records = self.simulator.records(self.gstin, section)
        return next(record for record in records if record.action == "N" and not record.blocked)

    def body(self, kind: str, lines: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        """Build the body of a save or reset."""
        return {"rtin": self.gstin, "reqtyp": kind.upper(), "invdata": lines}

    def send(self, kind: str, lines: dict[str, list[dict[str, Any]]]) -> str:
        """Send a save or reset and return its reference."""
        reply = self.payload("POST", f"{BASE}/invoices/status/{kind}", self.body(kind, lines))
        assert list(reply) == ["reference_id"]
        return str(reply["reference_id"])

    def status(self, reference: str) -> dict[str, Any]:
        """Ask where a job is."""
        found = self.payload("GET", f"{BASE}/invoices/status?reference_id={reference}")
        assert isinstance(found, dict)
        return found

    def statement(self, period: str, file: int | None = None) -> Any:
        """Fetch a GSTR-2B or one of its files: checksum and data."""
        query = "" if file is None else f"?file_number={file}"
        return self.payload("GET", f"{GSTRS}/gstr-2b/{period[2:]}/{period[:2]}{query}")

    def regenerate(self, period: str, body: object = None) -> str:
        """Ask for a GSTR-2B to be computed anew and return the reference."""
        reply = self.payload("POST", again(period), body)
        assert list(reply) == ["reference_id"]
        return str(reply["reference_id"])

    def regeneration(self, reference: str) -> dict[str, Any]:
        """Ask how far that is."""
        found = self.payload("GET", f"{GSTRS}/gstr-2b/regenerate?reference_id={reference}")
        assert isinstance(found, dict)
        return found

    def act(self, record: Record, action: str, **extra: object) -> dict[str, Any]:
        """Save one action on one record and return the job's status."""
        return self.status(
            self.send("save", {record.section: [save_line(self.row(record), action, **extra)]})
        )


def again(period: str) -> str:
    """Return the address at which a GSTR-2B is regenerated."""
    return f"{GSTRS}/gstr-2b/{period[2:]}/{period[:2]}/regenerate"


def save_line(row: dict[str, Any], action: str, **extra: object) -> dict[str, Any]:
    """Turn a row of the list into a line of a save."""
    return {**reset_line(row), "action": action, **extra}


def reset_line(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a row of the list into a line of a reset."""
    kept = {name: value for name, value in row.items() if name not in _NOT_SENT}
    return {**kept, "prev_status": row["action"]}

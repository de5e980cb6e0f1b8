"""A short way for these tests to call the simulator's Vayana API in memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ims_async.simulator import Record, Simulator

SSO = "/theodore/apis/v1"
V3 = "/basic/gstn/v3.0/taxpayerapi/v0.2/authenticate"
V1 = "/basic/gstn/v1.0/taxpayerapi/v0.2/authenticate"
BASIC = "/basic/gstn/v1.0/taxpayerapi/v0.3/returns/ims"
ENRICHED = "/enriched/gstn/v1.0"
TASKS = "/enriched/tasks/v1.0"
UPDATES = {"save": "ims-invoice-status-update", "reset": "ims-invoice-status-reset"}

UNAUTHORIZED = ("RET11402", "Unauthorized User")


class VayanaPortal:
    """A client of the Vayana API for one taxpayer, by default with a session."""

    def __init__(self, simulator: Simulator, gstin: str | None = None, *, session: bool = True) -> None:
        self.simulator = simulator
        self.gstin = gstin or simulator.gstins[0]
        self.session = simulator.token(self.gstin) if session else ""
        self.user_token = simulator.user_token

    def answer(
        self, method: str, path: str, body: object = None, **headers: str | None
    ) -> tuple[int, dict[str, str], Any]:
        """Call; a header given as None is left out, underscores in names stand for dashes."""
        sent: dict[str, str | None] = {
            "X-FLYNN-N-ORG-ID": "org-demo",
            "X-FLYNN-N-USER-TOKEN": self.user_token,
            "X-FLYNN-N-GSTIN": self.gstin,
            "ACCEPT": "application/json",
        }
        sent |= {name.replace("_", "-").upper(): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        present = {name: value for name, value in sent.items() if value is not None}
        status, received, content = self.simulator.handle(method, path, present, raw)
        return status, received, json.loads(content)

    def data(self, method: str, path: str, body: object = None, **headers: str | None) -> Any:
        """Call with success and return what is in the envelope of six keys."""
        status, _, content = self.answer(method, path, body, **headers)
        assert status == 200, content
        assert {**content, "data": 0} == {
            "status": "1",
            "data": 0,
            "error": None,
            "info": None,
            "additionalInfo": None,
            "alert": None,
        }
        return content["data"]

    def error(
        self, method: str, path: str, body: object = None, **headers: str | None
    ) -> tuple[int, str, str, Any]:
        """Call without success and return HTTP status, key, type and arguments."""
        status, _, content = self.answer(method, path, body, **headers)
        error = content["error"]
        assert {**content, "error": 0} == {
            "status": "0",
            "data": None,
            "error": 0,
            "info": None,
            "additionalInfo": None,
            "alert": None,
        }
        return status, error["message"], error["type"], error.get("args")

    def gstn_error(
        self, method: str, path: str, body: object = None, **headers: str | None
    ) -> tuple[str, str]:
        """Call without success at GSTN and return its code and message."""
        status, key, kind, args = self.error(method, path, body, **headers)
        assert (status, key, kind) == (502, "err-gstn-returned-error", "Gstn")
        error = args["gstn-err"]
        assert error["status-code"] == "0"
        return error["error-code"], error["message"]

    def basic(self, action: str, **query: str) -> Any:
        """Call the basic API with success."""
        return self.data("GET", self.address(action, **query))

    def address(self, action: str, **query: str) -> str:
        """Write the address of a call of the basic API."""
        pairs = {"gstin": self.gstin, **query}
        return f"{BASIC}/{action}?" + "&".join(f"{name}={value}" for name, value in pairs.items())

    def body(self, kind: str, lines: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        """Build the body of a save or reset."""
        return {"rtin": self.gstin, "reqtyp": kind.upper(), "invdata": lines}

    def send(self, kind: str, lines: dict[str, list[dict[str, Any]]]) -> str:
        """Send a save or reset and return its task."""
        reply = self.data("PUT", f"{ENRICHED}/{UPDATES[kind]}", self.body(kind, lines))
        assert list(reply) == ["task-id"]
        return str(reply["task-id"])

    def start(self, section: str = "B2B", **query: str) -> str:
        """Start a download of invoices and return its task."""
        extra = "".join(f"&{name}={value}" for name, value in query.items())
        reply = self.data("GET", f"{ENRICHED}/ims-invoices?section={section}{extra}")
        assert list(reply) == ["task-id"]
        return str(reply["task-id"])

    def state(self, task: str) -> str:
        """Ask where a task is, in the nested shape."""
        status, _, content = self.answer("GET", f"{TASKS}/status/{task}", x_flynn_n_gstin=None)
        assert status == 200, content
        assert list(content) == ["data"]
        assert content["data"]["task"]["id"] == task
        return str(content["data"]["task"]["status"])

    def result(self, task: str) -> Any:
        """Fetch what came of a task."""
        return self.data("GET", f"{TASKS}/result/{task}", x_flynn_n_gstin=None)

    def page(self, task: str, number: int) -> dict[str, Any]:
        """Fetch a page of a download."""
        found = self.data("GET", f"{TASKS}/result/{task}/page/{number}", x_flynn_n_gstin=None)
        assert isinstance(found, dict)
        return found

    def rows(self, section: str = "b2b", **query: str) -> list[dict[str, Any]]:
        """List the rows of a section by the basic API."""
        (rows,) = self.basic("GETINV", section=section, **query).values()
        assert isinstance(rows, list)
        return rows

    def lines(self, action: str, *records: Record) -> list[dict[str, Any]]:
        """Build the lines of a save of records of one section, whose rows are fetched for it."""
        keys = {record.key for record in records}
        rows = [
            row
            for row in self.rows(records[0].section)
            if (row["stin"], row.get("inum", row.get("nt_num")), row["rtnprd"]) in keys
        ]
        return [save_line(row, action) for row in rows]


def save_line(row: dict[str, Any], action: str) -> dict[str, Any]:
    """Turn a row of the list into a line of a save."""
    shown_only = {"action", "ispendactnallwd", "srcfilstatus", "hash"}
    kept = {name: value for name, value in row.items() if name not in shown_only}
    return {**kept, "prev_status": row["action"], "action": action}

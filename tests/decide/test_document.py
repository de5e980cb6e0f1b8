"""The page on decisions shows what works."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from ims_async import Invoice
from ims_async.decide import MatchKind, Policy
from ims_async.simulator import Simulator

from ..conftest import QUICK, make_client
from ..support.documents import DOCUMENTS, program_with

TEXT = DOCUMENTS["docs/decide.md"]


def write_register(path: Path, invoices: list[Invoice]) -> None:
    """Write what books have of these."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["GSTIN", "Bill No", "Bill Date", "Taxable Value", "IGST", "CGST", "SGST", "Cess", "Type"]
        )
        for one in invoices:
            kind = "Credit Note" if "cn" in one.section else "Purchase"
            writer.writerow(
                [one.supplier, one.number, f"{one.date:%d-%m-%Y}", one.taxable_value,
                 one.igst, one.cgst, one.sgst, one.cess, kind]
            )  # fmt: skip


@pytest.mark.sim(job_seconds=0.0, download_seconds=0.0)
async def test_the_program_of_the_page_runs(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the policy of the page; it accepts what the books have and the supplier has filed."""
    policy, register = tmp_path / "firm.toml", tmp_path / "purchases.csv"
    (toml,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    policy.write_text(toml, encoding="utf-8")
    program, names = program_with("decide_month"), dict[str, Any]()
    assert len(program.splitlines()) < 25
    exec(compile(program, "docs/decide.md", "exec"), names)  # noqa: S102 # our own text
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    async with make_client(sim, poll=QUICK) as client:
        acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
        invoices = [row async for row in acme.all_invoices()]
        write_register(register, invoices[::2])
        await names["decide_month"](acme, str(register), str(policy))
        accepted = [row async for row in acme.all_invoices() if row.action == "A"]
    shown = capsys.readouterr().out
    assert re.search(r"^[1-9]\d* applied, 0 refused$", shown, re.MULTILINE)
    assert re.search(r"^accept +b2b +\S+ +\d", shown, re.MULTILINE)
    assert "Nothing in the books is like" in shown
    assert len(accepted) > len([row for row in invoices if row.action == "A"])


def test_the_page_names_every_kind_and_every_key() -> None:
    """Of the matching and of a policy."""
    assert [kind for kind in MatchKind if kind not in TEXT] == []
    keys = [key for key in Policy.__annotations__ if key != "tolerances"]
    assert [key for key in keys if not re.search(rf"^#?\[?{key}\b", TEXT, re.MULTILINE)] == []
    assert re.findall(r"^\| (\d) \|", TEXT, re.MULTILINE) == list("1234560")

"""Records and statements of the simulator's portal, which was written from the documents: they agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from ims_async import Invoice, ItcReduction, Section, Taxpayer
from ims_async.decide import ComparedKind, Comparison, DocumentChangeKind, compare_async
from ims_async.model.gstr2b import TaxAmounts
from ims_async.simulator import Simulator

from ..conftest import QUICK, make_client
from ..support.documents import program_with

PERIOD, EARLIER = "122024", ("102024", "112024")
K: Final = ComparedKind
NOTES: Final = (Section.B2BCN, Section.B2BCNA)


def decisions(found: Comparison) -> list[Any]:
    """Decide the other way on what counts, a third each; accept what is rejected."""
    made: list[Any] = []
    for place, one in enumerate(found.of(K.COUNTED)):
        record = one.invoice
        assert record is not None
        if place % 3 == 0:
            made.append(record.reject())
        elif place % 3 == 1 and record.pending_allowed is not False:
            made.append(record.keep_pending())
    return made + [accepted(one.invoice) for one in found.of(K.REJECTED) if one.invoice is not None]


def accepted(record: Invoice) -> Any:
    """Accept it; of a credit note give up all."""
    return record.accept(itc_reduction=ItcReduction.full() if record.section in NOTES else None)


@pytest.mark.sim(
    taxpayers=1, invoices=400, job_seconds=0.0, download_seconds=0.0, regenerate_seconds=0.0,
    gstr2b_extras=True, gstr2b_rows=50, gstr2b_file_rows=20,
)  # fmt: skip
async def test_actions_after_the_draft_are_found_and_settled_by_computing_it_anew(
    sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the page does it."""
    pytest.importorskip("xlsxwriter", reason="the extra `xlsx` is not installed")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(program_with("decide.compare_async"), "docs/decide.md", "exec"), names)  # noqa: S102 # our own text
    async with make_client(sim, poll=QUICK) as client:
        acme = client.taxpayer(sim.gstins[0], token=sim.token(sim.gstins[0]))
        drafted = await names["look"](acme, PERIOD)
        made = decisions(drafted)
        assert len(made) > 20
        assert len((await (await acme.save(made))).succeeded) == len(made)
        before = await compare_all(acme)
        await (await acme.regenerate_gstr2b(PERIOD))
        after = await compare_all(acme, before)
    assert "Nothing needs a person" in str(after)
    assert (tmp_path / f"{PERIOD}.xlsx").exists()
    assert "records of IMS and" in capsys.readouterr().out
    assert {*after.counts} >= {K.COUNTED}
    stale = {
        kind for kind in (K.REJECTED_COUNTED, K.PENDING_LISTED, K.ACCEPTED_REJECTED) if before.counts[kind]
    }
    assert len(stale) == 3
    assert {one.kind for one in before.findings} <= stale | {K.ACTION_DIFFERS}
    assert before.recompute_due
    assert not after.recompute_due
    assert after.difference == TaxAmounts()
    assert (before.expected, before.credit) == (after.credit, after.credit_before)
    kinds = [one.kind for one in after.changes]
    assert (
        kinds.count(DocumentChangeKind.MOVED)
        == before.counts[K.REJECTED_COUNTED] + before.counts[K.ACCEPTED_REJECTED]
    )
    assert kinds.count(DocumentChangeKind.WENT) == before.counts[K.PENDING_LISTED]
    for kind in (K.REVERSE_CHARGE, K.ISD, K.IMPORT, K.REVERSAL, K.CREDIT_BLOCKED):
        assert after.counts[kind]


async def compare_all(acme: Taxpayer, earlier: Comparison | None = None) -> Comparison:
    """Read everything again, and compare."""
    return await compare_async(
        [row async for row in acme.all_invoices()],
        await acme.gstr2b(PERIOD),
        before=None if earlier is None else earlier.gstr2b,
        filings=[await acme.filing(period) for period in (PERIOD, *EARLIER)],
    )

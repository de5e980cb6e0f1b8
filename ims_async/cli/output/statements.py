"""What came of each taxpayer's GSTR-2B that was to be computed anew: tables, sentences, facts, a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from ...bulk import TaxpayerReport
from ...bulk.gstr2b import Gstr2bProof
from ...errors import GatewayError, OutcomeUnknown, RegenerationRefused
from ...model.gstr2b import TaxAmounts
from ...model.report import CANNED
from ...tables.writing import write_rows
from ..inputs.accounts import chosen
from .console import Console
from .grouping import Grouped
from .next_commands import Commands
from .tables import MOST_ROWS, counted, rupees, table

COMPUTED: Final = "computed anew"
UNCHANGED: Final = "nothing changed"
PENDING: Final = "pending"
UNKNOWN: Final = "unknown"
OUTDATED: Final = "changed since"
_FILED_OR_WRONG_PERIOD: Final = "IMS2B007"
_WELL: Final = (UNCHANGED, COMPUTED)
HEADS: Final = ("IGST", "CGST", "SGST", "cess")
_COLUMNS: Final = (
    *("GSTIN", "period", "outcome", "not before", "code", "message"),
    *("generated on before", "checksum before", "generated on", "checksum", "credit before", "credit"),
    *(f"credit change {head}" for head in HEADS),
)


def is_well(one: TaxpayerReport) -> bool:
    """Say whether a taxpayer's GSTR-2B is up to date, computed anew or unchanged."""
    return outcome_of(one) in _WELL


def asked_for(one: TaxpayerReport) -> bool:
    """Say whether a taxpayer's GSTR-2B was to be computed anew, as far as that got."""
    return one.gstr2b is not None or one.gstr2b_error is not None or _is_pending(one)


def _is_pending(one: TaxpayerReport) -> bool:
    return any(token.kind.repeatable for token in one.pending)


def _error_of(one: TaxpayerReport) -> Exception | None:
    return one.gstr2b_error or (one.error if one.gstr2b is None else None)


def outcome_of(one: TaxpayerReport) -> str:
    """Say in two or three words what came of it."""
    error, report = _error_of(one), one.gstr2b
    if isinstance(error, RegenerationRefused):
        return f"not before {error.not_before:%d-%m-%Y}" if error.not_before else "refused"
    if isinstance(error, OutcomeUnknown):
        return UNKNOWN
    if error is not None:
        return "error"
    if report is None:
        return PENDING if _is_pending(one) else "not asked for"
    if not report.ok:
        return "failed"
    if one.pending_count or not one.gstr2b_is_current:
        return OUTDATED
    return UNCHANGED if report.unchanged else COMPUTED


def _why(console: Console, one: TaxpayerReport) -> str:
    """Say why it was not computed anew; empty where it was."""
    if (error := _error_of(one)) is not None:
        return console.reason(one.gstin, error)
    report, outcome = one.gstr2b, outcome_of(one)
    if outcome == OUTDATED:
        return "records were changed after it was computed, or may have been"
    if report is None or report.ok:
        return ""
    return CANNED if report.canned else f"{report.error_code} {report.reason}".strip()


def in_words(console: Console, one: TaxpayerReport) -> str:
    """Say in a few words what came of a taxpayer's GSTR-2B; empty where it was not asked for."""
    if not asked_for(one):
        return ""
    why = "" if one.gstr2b_error is None and one.gstr2b is None else _why(console, one)
    return f"GSTR-2B: {outcome_of(one)}{f' ({why})' if why else ''}"


def due(
    commands: Commands, period: str, gstins: Sequence[str], *, journal: bool = True, host: str = ""
) -> str:
    """Say whose GSTR-2B is due to be computed anew, and how that is done; `journal`: it knows them.

    `host` is where that is, if the environment does not name it.
    """
    whose = gstins[0] if len(gstins) == 1 else counted(len(gstins), "taxpayer")
    whose += f" at {host}" if host else ""
    what = f"GSTR-2B of {period} is due to be computed anew for {whose}, unless GSTR-3B of it is filed"
    if not chosen(commands.gsp).regenerates:
        return f"{what}: have it computed on the GST portal."
    return f"{what}: `{commands.regenerate(period, *(() if journal else gstins))}`"


def tell_due(
    console: Console,
    period: str,
    gstins: Sequence[str],
    *,
    commands: Commands | None = None,
    journal: bool = True,
    host: str = "",
    counts: bool = True,
) -> dict[str, Any]:
    """Say it if it is due for anybody, and note it for the exit code, if it `counts`; return plain values."""
    if gstins:
        console.say(due(commands or console.commands, period, gstins, journal=journal, host=host))
        console.due = True if counts else console.due
    return {"period": period, "gstins": [*gstins]}


def earlier_may_have_it(period: str, gstins: Sequence[str]) -> str:
    """Say that GSTR-3B of an earlier period decides about what is missing, and how it is asked."""
    whose = gstins[0] if len(gstins) == 1 else counted(len(gstins), "taxpayer")
    where = f"What is missing of {whose} may be in an earlier GSTR-2B"
    return f"{where}, if GSTR-3B of {period} is not filed: --ask-filing asks the gateway."


# -- tables ----------------------------------------------------------------------------------------------


def outcomes_table(console: Console, period: str, parts: Sequence[TaxpayerReport]) -> Table:
    """Show what came of each, the trouble first; of very many the first, and the others by outcome."""
    confirmed = any(one.gstr2b_proof is not None for one in parts)
    ordered = sorted(parts, key=is_well)
    rows: list[tuple[object, ...]] = []
    for one in ordered[:MOST_ROWS]:
        row = (one.gstin, outcome_of(one), *(_marks(one.gstr2b_proof) if confirmed else ()))
        rows.append((*row, _why(console, one)))
    for outcome, count in Counter(map(outcome_of, ordered[MOST_ROWS:])).items():
        rows.append((f"{count:,} more", outcome, *(("", "", "") if confirmed else ()), ""))
    columns = ["GSTIN", "outcome", *(("before", "generated on", "checksum") if confirmed else ()), "reason"]
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return table(f"GSTR-2B of {period}", columns, rows)


def _marks(proof: Gstr2bProof | None) -> tuple[object, ...]:
    if proof is None:
        return None, None, ""
    both = proof.checksum is not None and proof.checksum_before is not None
    checksum = ("another one" if proof.checksum != proof.checksum_before else "the same") if both else "?"
    return proof.generated_on_before, proof.generated_on, checksum


def credit_table(period: str, parts: Sequence[TaxpayerReport]) -> Table | None:
    """Show what changed in the credit, by GSTIN and head, in rupees; None where nothing was read.

    All of them, however many: for these figures it was asked for.
    """
    proofs = {one.gstin: one.gstr2b_proof for one in parts if one.gstr2b_proof is not None}
    known = {gstin: proof for gstin, proof in proofs.items() if proof.credit_change is not None}
    if not known:
        return None
    changes = {gstin: proof.credit_change or TaxAmounts() for gstin, proof in known.items()}
    names = sorted(known, key=lambda gstin: changes[gstin] == TaxAmounts())
    rows = [_credit_row(gstin, [known[gstin]]) for gstin in names]
    columns = ("GSTIN", "before", "after", *HEADS, "change")
    total = _credit_row(f"all {len(known):,}", known.values()) if len(known) > 1 else None
    return table(f"Credit by GSTR-2B of {period} in rupees, and what changed", columns, rows, total=total)


def _credit_now(parts: Sequence[TaxpayerReport]) -> dict[str, TaxAmounts]:
    """Return the credit of those of whom it is not known what it was before."""
    proofs = {one.gstin: one.gstr2b_proof for one in parts if one.gstr2b_proof is not None}
    return {
        gstin: proof.credit
        for gstin, proof in proofs.items()
        if proof.credit is not None and proof.credit_before is None
    }


def credit_now_table(period: str, credit: Mapping[str, TaxAmounts]) -> Table:
    """Show the credit, by GSTIN and head, in rupees, where it is not known what it was before."""
    rows = [_amounts_row(gstin, one) for gstin, one in credit.items()]
    everything = sum(credit.values(), TaxAmounts())
    total = _amounts_row(f"all {len(credit):,}", everything) if len(credit) > 1 else None
    columns = ("GSTIN", *HEADS, "credit")
    return table(f"Credit by GSTR-2B of {period} in rupees, as it is now", columns, rows, total=total)


def _amounts_row(name: str, tax: TaxAmounts) -> tuple[object, ...]:
    return (name, *map(rupees, (*heads_of(tax), tax.total)))


def _credit_row(name: str, proofs: Iterable[Gstr2bProof]) -> tuple[object, ...]:
    before = after = TaxAmounts()
    for proof in proofs:
        before, after = before + (proof.credit_before or TaxAmounts()), after + (proof.credit or TaxAmounts())
    change = after - before
    return (name, *map(rupees, (before.total, after.total, *heads_of(change), change.total)))


def heads_of(tax: TaxAmounts) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Return the amounts in the order of `HEADS`."""
    return tax.igst, tax.cgst, tax.sgst, tax.cess


def tell_outcomes(console: Console, period: str, parts: Sequence[TaxpayerReport]) -> None:
    """Show what came of each, and the credit, where it was read, with what changed in it."""
    console.show(outcomes_table(console, period, parts))
    if (credit := credit_table(period, parts)) is not None:
        console.say()
        console.show(credit)
    if only_now := _credit_now(parts):
        console.say()
        console.show(credit_now_table(period, only_now))
    console.say()
    counts = Counter(map(outcome_of, parts))
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common())
    console.say(f"GSTR-2B of {period} for {counted(len(parts), 'taxpayer')}: {said}.")
    if only_now:
        console.say(_before_is_not_known(console, period, only_now))
    if unread := [one.gstin for one in parts if _could_not_be_read(one.gstr2b_proof)]:
        pull, whose = console.commands.pull_statement(period, *unread), counted(len(unread), "taxpayer")
        console.say(f"Once computed, GSTR-2B of {period} could not be read for {whose}: try `{pull}`.")
    if lost := [one.gstin for one in parts if outcome_of(one) == UNKNOWN]:
        again = console.commands.regenerate(period, *lost)
        console.say(f"Where it is not known, ask for it again, which does no harm: `{again}`")
    asks = Grouped(console.say)
    for gstin in (one.gstin for one in parts if _code(one) == _FILED_OR_WRONG_PERIOD):
        command = console.commands.filing(period, gstin)
        asks.add(_FILED_OR_WRONG_PERIOD, f"Whether GSTR-3B of {period} is filed for {gstin}: `{command}`")
    asks.end()


def _could_not_be_read(proof: Gstr2bProof | None) -> bool:
    """Say whether nothing is known of what was computed anew, though it was to be read."""
    return proof is not None and (proof.generated_on, proof.checksum, proof.credit) == (None, None, None)


def _before_is_not_known(console: Console, period: str, gstins: Collection[str]) -> str:
    """Say of how many it is not known what the credit was before, and how it can be compared."""
    what = f"What the credit was before is not known for {counted(len(gstins), 'taxpayer')}"
    why = "an earlier part of the run asked for it, or it could not be read"
    compare = console.commands.compare_with_before(period, *gstins)
    return f"{what}: {why}. `{compare}` compares it with a GSTR-2B that was pulled before."


# -- facts and files -------------------------------------------------------------------------------------


def facts_of(console: Console, one: TaxpayerReport) -> dict[str, Any]:
    """Return what came of a taxpayer's GSTR-2B as plain values."""
    error, report, proof = _error_of(one), one.gstr2b, one.gstr2b_proof
    not_before = error.not_before if isinstance(error, RegenerationRefused) else None
    facts: dict[str, Any] = {
        "ok": is_well(one),
        "outcome": outcome_of(one),
        "not_before": not_before and not_before.isoformat(),
        "code": _code(one),
        "reason": _why(console, one),
        "unchanged": report is not None and report.unchanged,
    }
    if proof is not None:
        change = proof.credit_change
        facts |= {**proof.to_dict(), "changed": proof.changed, "credit_change": change and change.to_dict()}
    return facts


def _code(one: TaxpayerReport) -> str:
    error = _error_of(one)
    if error is not None:
        return error.code if isinstance(error, GatewayError) else ""
    return "" if one.gstr2b is None else one.gstr2b.error_code


def write_outcomes(
    console: Console, file: Path, period: str, parts: Sequence[TaxpayerReport], left_out: Mapping[str, str]
) -> None:
    """Write a line for each taxpayer; `left_out` are those that were not asked for, with the reason."""
    lines = [_line(console, period, one) for one in parts]
    rest = (None,) * (len(_COLUMNS) - 6)
    lines += [(gstin, period, "left out", None, "", why, *rest) for gstin, why in left_out.items()]
    write_rows(file, _COLUMNS, lines, overwrite=console.overwrite)


def _line(console: Console, period: str, one: TaxpayerReport) -> tuple[object, ...]:
    error, proof = _error_of(one), one.gstr2b_proof or Gstr2bProof()
    not_before = error.not_before if isinstance(error, RegenerationRefused) else None
    before, after, change = proof.credit_before, proof.credit, proof.credit_change
    return (
        *(one.gstin, period, outcome_of(one), not_before, _code(one), _why(console, one)),
        *(proof.generated_on_before, proof.checksum_before, proof.generated_on, proof.checksum),
        *(before and before.total, after and after.total),
        *(heads_of(change) if change is not None else (None,) * len(HEADS)),
    )

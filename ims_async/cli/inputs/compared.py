"""The records and the GSTR-2Bs that a comparison takes from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ... import tables
from ...errors import InvalidInput
from ...files import is_folder
from ...model.gstr2b import Gstr2b
from ...model.records import Invoice
from ...model.vocabulary import Action
from ...tables import SheetRow
from ...tables.row import PARSERS, any_action
from ..output.console import Console
from ..output.tables import are, counted
from .settings import checked_gstin
from .sheets import read_sheets, taxpayers_without


def records_as_pulled(
    console: Console, files: Sequence[Path], gstin: str | None, *, check: bool
) -> dict[str, list[Invoice]]:
    """Return the records of files by GSTIN, as they stood when they were pulled; `gstin` is the only one."""
    own = checked_gstin(gstin, check=check)
    sheets, rows = read_sheets(console, files, gstin=own if gstin else None, otherwise=own, check=check)
    if "" in rows:
        raise InvalidInput(f"{rows[''][0].row.file} names no taxpayer: pass --gstin")
    unsent = sum(_is_unsent(row) for those in rows.values() for row in those)
    if unsent:
        console.tell(
            f"{counted(unsent, 'row')} {are(unsent)} decided otherwise than when pulled: what counts here is "
            "how they stood. Push them and pull again (pull --keep), or name no files."
        )
    records = {name: list(map(_as_pulled, those)) for name, those in rows.items()}
    return {name: [] for name in taxpayers_without(sheets)} | records


def _is_unsent(row: SheetRow) -> bool:
    typed = any_action(row["action"])
    return typed is not None and typed is not row.invoice.action


def _as_pulled(row: SheetRow) -> Invoice:
    """Return the record with the ITC reduction that it was accepted with, if the gateway showed one."""
    if row.invoice.action is not Action.ACCEPT:
        return row.invoice
    try:
        return attrs.evolve(row.invoice, itc_reduction=PARSERS["ITC reduction"](row["ITC reduction"]))
    except ValueError as error:
        raise InvalidInput(f"{row.row.where('ITC reduction')}: {error}") from None


def statement_files(given: Path | None) -> Mapping[str, Path]:
    """Return the files of statements by GSTIN. Raises `InvalidInput`."""
    if given is None:
        return {}
    if not is_folder(given):
        return {tables.read_gstr2b(given).gstin.upper(): given}
    found = {file.stem.upper(): file for file in sorted(given.glob("*.json"))}
    if not found:
        raise InvalidInput(f"{given} holds no .json file: gstr2b pull --out {given}/ --format json writes it")
    return found


def statement_from(files: Mapping[str, Path], gstin: str, period: str, *, option: str) -> Gstr2b:
    """Read the GSTR-2B of a taxpayer and period from its file, one of an `option`. Raises `InvalidInput`."""
    if gstin not in files:
        raise InvalidInput(f"there is no GSTR-2B of {gstin} among the files of {option}")
    found = tables.read_gstr2b(files[gstin])
    if (found.gstin.upper(), found.period) != (gstin, period):
        have, want = f"of {found.gstin} for {found.period}", f"of {gstin} for {period}"
        if found.gstin.upper() == gstin:
            have, want = f"for {found.period}", f"for {period}"
        raise InvalidInput(f"{files[gstin]} is the GSTR-2B {have}, not {want} (--period says which)")
    return found

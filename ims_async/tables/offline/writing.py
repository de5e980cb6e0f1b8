"""Write decisions on a download as the file that is uploaded at the portal.

A record goes back as it was downloaded, each key in its own spelling: but for the action, the remarks and the
ITC reduction, and without what both public tools leave out. docs/offline-tool.md says what is known of it.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from ... import files, rules
from ...errors import InvalidInput
from ...gsp.codec.json import json_text
from ...model.records import Decision, Invoice, ItcReduction, Record
from ...model.vocabulary import Action
from ..problems import Problem, raise_all
from .reading import FLAGS, ITC_NAMES, PortalFile, PortalRecord, plain
from .settings import OfflineSettings

_NOT_SENT: Final = frozenset({"tradenm", "hash", "error_msg"})
_DEFAULTS: Final = OfflineSettings()
_Said = tuple[Action, str | None, ItcReduction | None]
UNPROVEN: Final = (
    "action N in an upload is unproven: one public tool writes it, another one never does; look at the "
    "portal whether these records have no action once the file is processed"
)
"""What is said where decisions are taken back."""


@attrs.frozen(kw_only=True)
class Upload:
    """What was written. `file` is None if nothing differs from the download: then no file was made.

    `written` has the decisions (or invoices, for no action) that are in the file, `unchanged` those that
    stand so already; both as they were handed in. `findings` has the warnings of the offline checks, and
    `warnings` what else is to be said.
    """

    file: Path | None
    written: tuple[Record, ...] = attrs.field(repr=lambda found: f"<{len(found):,}>")
    unchanged: tuple[Record, ...] = attrs.field(default=(), repr=lambda found: f"<{len(found):,}>")
    findings: tuple[rules.Finding, ...] = attrs.field(default=(), repr=lambda found: f"<{len(found):,}>")
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.file is None:
            return f"no file was written: of {len(self.unchanged):,} decisions none differs from the download"
        return f"{self.file}: {len(self.written):,} written, {len(self.unchanged):,} unchanged"


def write_upload(
    target: str | os.PathLike[str],
    portal: PortalFile,
    decisions: Iterable[Record],
    *,
    settings: OfflineSettings | None = None,
    policy: rules.RulePolicy | None = None,
    today: dt.date | None = None,
    overwrite: bool = False,
) -> Upload:
    """Write decisions on the records of a download as a file to upload at the portal; only what is changed.

    `portal` is what `read_portal` returned, and the decisions are on its own records. An `Invoice` among them
    is taken back to no action (N), which is unproven: `warnings` says so. `policy` and `today` (the date in
    India) are those of the offline checks. The file is replaced in one step, and a file that is there only
    with `overwrite`. Raises `InvalidDecision` with every finding that refuses, `InvalidFile` for what the
    file could not say, `InvalidInput` if it cannot be written; no file is written then.
    """
    settings = settings or _DEFAULTS
    check_target(target, overwrite=overwrite)
    if portal.gstin is None:
        what = f"{portal.file} does not say whose records it has"
        raise InvalidInput(what, advice="name the taxpayer: read_portal(…, gstin=…)")
    decided = list(decisions)
    records = dict(zip(map(id, decided), _records_of(portal, decided), strict=False))
    written = [one for one in decided if _changes(one, settings)]
    _check_remarks(portal, written, settings)
    findings = rules.check(written, policy=policy, gstin=portal.gstin, today=today)
    rules.refuse(findings)
    _check_single(portal, decided)
    rows: dict[str, list[Any]] = {key: [] for key in portal.keys} if settings.empty_sections == "keep" else {}
    for one in written:
        record = records[id(one)]
        rows.setdefault(record.key, []).append(_row(record.row, one, settings))
    if written:
        body = {"rtin": portal.gstin, "reqtyp": "SAVE", "invdata": rows}
        _write(target, portal, json_text(body), overwrite=overwrite)
    return Upload(
        file=Path(target) if written else None,
        written=tuple(written),
        unchanged=tuple(one for one in decided if not _changes(one, settings)),
        findings=tuple(findings),
        warnings=(UNPROVEN,) if any(_said(one, settings)[0] is Action.NO_ACTION for one in written) else (),
    )


def remarks_problem(decision: Record, settings: OfflineSettings) -> str | None:
    """Return what is wrong with remarks on an acceptance, which the settings may allow."""
    if settings.remarks_on_accept != "refuse" or not isinstance(decision, Decision):
        return None
    if decision.action is not Action.ACCEPT or not decision.remarks:
        return None
    return (
        "an upload has remarks with R and P only, as far as is known: empty them, or set remarks-on-accept "
        "to drop (which leaves them out) or write"
    )


def _check_remarks(portal: PortalFile, decided: Sequence[Record], settings: OfflineSettings) -> None:
    found = ((one.key, remarks_problem(one, settings)) for one in decided)
    raise_all([_refused(portal, f"{key}: {what}", "remarks-on-accept") for key, what in found if what])


def _records_of(portal: PortalFile, decided: Sequence[Record]) -> list[PortalRecord]:
    """Return the record of each decision. Raises `InvalidFile` for those that have none in this download."""
    known = {record.invoice.key: record for record in portal.records}
    found: list[PortalRecord] = []
    problems: list[Problem] = []
    for one in decided:
        invoice = one.invoice if isinstance(one, Decision) else one
        record = known.get(invoice.key) if isinstance(invoice, Invoice) else None
        if record is not None and (record.invoice is invoice or record.invoice == invoice):
            found.append(record)
        else:
            what = f"{getattr(invoice, 'key', one)} is not a record of {portal.file} as it is there"
            problems.append(_refused(portal, f"{what}: decide on what read_portal returns", "unknown-record"))
    raise_all(problems)
    return found


def _check_single(portal: PortalFile, decided: Sequence[Record]) -> None:
    """Refuse two decisions on one record of which one stands already: the file would have the other one."""
    times = Counter(one.key for one in decided)
    twice = [key for key, count in times.items() if count > 1]
    raise_all([_refused(portal, f"{key} is decided twice: hand in one of them", "twice") for key in twice])


def _refused(portal: PortalFile, message: str, kind: str) -> Problem:
    return Problem(message, kind=kind, file=portal.file, gstin=portal.gstin)


def _said(one: Record, settings: OfflineSettings) -> _Said:
    """Return what an upload says of a record."""
    if not isinstance(one, Decision):
        return Action.NO_ACTION, None, None
    silent = one.action is Action.ACCEPT and settings.remarks_on_accept == "drop"
    return one.action, None if silent else one.remarks or None, one.itc_reduction


def _changes(one: Record, settings: OfflineSettings) -> bool:
    """Return whether a decision is another one than the record had in the download."""
    if not isinstance(one, Decision):
        return one.action is not Action.NO_ACTION
    invoice, as_given = one.invoice, (one.action, one.remarks or None, one.itc_reduction)
    return (invoice.action, invoice.remarks or None, invoice.itc_reduction) not in (
        as_given,
        _said(one, settings),
    )


def _row(row: Mapping[str, Any], one: Record, settings: OfflineSettings) -> dict[str, Any]:
    """Return a record as it is uploaded."""
    action, remarks, reduction = _said(one, settings)
    names = _itc_names(row, settings)
    said: dict[str, Any] = {"action": action.value, "remarks": remarks}
    if reduction is not None:
        said[names["required"]] = "Y" if reduction.required else "N"
        said |= {names[head]: amount for head, amount in reduction.amounts.items()}
    ours = {"action", "remarks", *ITC_NAMES["api"].values(), *ITC_NAMES["tool"].values()}
    left_out = _NOT_SENT | (FLAGS if settings.read_only_keys == "drop" else frozenset())
    kept = {key: said.get(key) if key in ours else value for key, value in row.items() if key not in left_out}
    made = {**kept, **said}
    return {key: plain(value) for key, value in made.items() if key not in ours or value is not None}


def _itc_names(row: Mapping[str, Any], settings: OfflineSettings) -> dict[str, str]:
    """Return the keys of an ITC reduction: those of the record, if it has any."""
    for names in ITC_NAMES.values():
        if not row.keys().isdisjoint(names.values()):
            return names
    return ITC_NAMES[settings.itc_names]


def check_target(target: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise `InvalidInput` if an upload could not be written: no JSON file, or one that is there already."""
    if Path(target).suffix.lower() != ".json" and not files.is_stream(target):
        raise InvalidInput(f"{target} cannot be written: an upload is a .json file, name it so")
    files.check_writable(target, overwrite=overwrite)


def _write(target: str | os.PathLike[str], portal: PortalFile, text: str, *, overwrite: bool) -> None:
    if os.path.realpath(target) == os.path.realpath(portal.file):
        raise InvalidInput(f"{target} is the download itself: name another file for the upload")
    with files.replacing(target, overwrite=overwrite) as file:
        try:
            file.write(text)
        except OSError as error:
            raise files.unwritable(target, error) from None

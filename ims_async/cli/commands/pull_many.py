"""Many taxpayers pulled, into one file or into one file each, one taxpayer's records in memory at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from ... import bulk, tables
from ...bulk import Pulled
from ...bulk.outage import is_everybodys
from ...errors import DownloadQueued, ImsError, InvalidInput
from ...files import is_file, is_folder
from ...model.vocabulary import Action, Section
from ...tables import Problem
from ...tables.problems import FILE_KIND, raise_all
from ...tables.source import LONGEST_FILE
from ..inputs.settings import Settings
from ..output import tables as show
from ..output.console import NOT_ALL_WELL, OK, Console
from ..output.errors import reason_of, sentence_of, words_of
from ..output.grouping import Grouped, kind_of
from ..output.run_progress import ticking


class _NothingReadError(Exception):
    """Nobody's records could be read: the file that was there is better than an empty one."""


def folder_of(out: str) -> Path | None:
    """Return the folder that `--out` means: one that is there, or a name that ends with a slash."""
    ends = tuple(filter(None, ("/", os.sep, os.altsep)))
    return Path(out) if out.endswith(ends) or is_folder(out) else None


@attrs.frozen
class ManyPull:
    """What is to be pulled, and how. One of many taxpayers that cannot be read is named and skipped."""

    console: Console
    settings: Settings
    sections: Sequence[Section] | None
    status: Action | None
    concurrency: int
    first_poll: float
    facts: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    """The facts of each GSTIN, for `--json`."""
    left_out: list[Problem] = attrs.field(factory=list)
    """The rows that cannot be read, and the taxpayers that are skipped."""
    said: Grouped = attrs.field(init=False)

    @said.default
    def _grouped(self) -> Grouped:
        return Grouped(self.console.tell)

    def into_file(self, gstins: Sequence[str], out: Path) -> int:
        """Write all into one file, which is replaced when all of it is written."""
        try:
            with tables.writing_invoices(out, overwrite=self.console.overwrite) as add:
                self.console.wait_for(self._pull(gstins, lambda found: add(found.gstin, found.invoices)))
                if not self._any_read:
                    raise _NothingReadError
        except _NothingReadError:
            return self._end(None, {"file": None})
        if is_file(out) and out.stat().st_size > LONGEST_FILE:
            self.console.tell(f"{out} is larger than push reads: pull into a folder, --out {out.stem}/")
        return self._end(out, {"file": str(out)})

    def into_folder(self, files: Mapping[str, Path], folder: Path) -> int:
        """Write each taxpayer's file, as its records come."""

        def write(found: Pulled) -> int:
            file, overwrite = files[found.gstin], self.console.overwrite
            count = tables.write_invoices(file, found.invoices, gstin=found.gstin, overwrite=overwrite)
            self.facts[found.gstin]["file"] = str(file)
            return count

        self.console.wait_for(self._pull(list(files), write))
        return self._end(folder if self._any_read else None, {"folder": str(folder)})

    def missing(self, gstin: str, section: Section, error: DownloadQueued) -> Problem:
        """Say why a section's records are not in the file, and how they can be had."""
        why = sentence_of(error, self.console.gsp)
        if error.download is None and self.status is None:
            command = attrs.evolve(self.console.commands, gstin=gstin).pull(section, "no_action")
            why += f"; the records at one action may come at once: `{command}`"
        return Problem(f"{section}: {why}", kind="section-missing", gstin=gstin)

    @property
    def _any_read(self) -> bool:
        return any("records" in facts for facts in self.facts.values())

    async def _pull(self, gstins: Sequence[str], write: Callable[[Pulled], int]) -> None:
        client = self.settings.client(first_poll=self.first_poll)
        async with client:
            self.settings.hand_in_token(client)
            run = bulk.pull_all(
                client,
                gstins,
                sections=self.sections,
                status=self.status,
                concurrency=self.concurrency,
                check=self.settings.check,
            )
            with ticking(self.console, "pulled", len(gstins)) as tick:
                async with contextlib.aclosing(run.__aiter__()) as all_found:
                    async for found in all_found:
                        if isinstance(found.error, ImsError) and is_everybodys(found.error):
                            self._stop(found.error, gstins)
                            return
                        self._take(found, write)
                        tick()
                        del found

    def _take(self, found: Pulled, write: Callable[[Pulled], int]) -> None:
        facts = self.facts[found.gstin] = {}
        if found.error is not None and not found.count:
            missing = [self.missing(found.gstin, name, error) for name, error in found.queued.items()]
            reason = reason_of(found.error, self.console.gsp, found.gstin)
            facts["error"] = "; ".join(map(str, missing)) or reason
            kind = kind_of(found.error) if isinstance(found.error, ImsError) else type(found.error).__name__
            self.said.add(f"skipped, {kind}", f"{found.gstin} is skipped: {facts['error']}")
            self.left_out.append(Problem(facts["error"], kind=kind, gstin=found.gstin))
            return
        facts["records"] = write(found)
        facts["sections"] = {name.value: len(rows) for name, rows in found.sections.items()}
        missing = [self.missing(found.gstin, name, error) for name, error in found.queued.items()]
        facts["problems"] = [*found.problems, *map(str, missing)]
        facts["missing"] = list(found.queued)
        self.left_out.extend(missing)
        for one in missing:
            self.said.add(one.kind, f"{found.gstin}: {one}")
        if not self.console.error_screen().is_terminal:
            self.console.tell(f"{found.gstin}: {show.counted(found.count, 'record')}")
        for section, rows in found.sections.items():
            for problem in rows.problems:
                left_out = left_out_row(problem, section, found.gstin)
                self.left_out.append(left_out)
                self.said.add(
                    left_out.kind, f"{found.gstin}: a row cannot be read and is left out: {problem}"
                )
            for name in rows.other:
                unknown = f"the answer also holds {name!r}, which this release does not know"
                self.console.tell(f"{found.gstin} {section}: {unknown}")

    def _stop(self, error: ImsError, gstins: Sequence[str]) -> None:
        """Ask no more, and keep what was read; where nothing was, the error says all there is to say."""
        if not self._any_read:
            raise error
        for gstin in gstins:
            self.facts.setdefault(gstin, {"error": reason_of(error, self.console.gsp, gstin)})
        self.console.tell(f"{sentence_of(error, self.console.gsp)}: the others were not asked for.")

    def _end(self, out: Path | None, facts: dict[str, Any]) -> int:
        console = self.console
        self.said.end()
        facts["report_file"] = write_left_out(console, self.left_out)
        skipped = [gstin for gstin, own in self.facts.items() if "error" in own]
        faulty = [gstin for gstin, own in self.facts.items() if own.get("problems")]
        records = sum(own.get("records", 0) for own in self.facts.values())
        if out is None:
            console.say("Nothing was written: no taxpayer's records could be read.")
        else:
            whose = show.counted(len(self.facts) - len(skipped), "taxpayer")
            console.say(
                f"{show.counted(records, 'record')} of {whose} are in {out}. Fill in the column 'action', "
                f"then: {console.commands.push(out)}"
            )
        if lacking := [
            gstin + without(own["missing"]) for gstin, own in self.facts.items() if own.get("missing")
        ]:
            console.say(
                f"{show.counted(len(lacking), 'taxpayer', be=True)} incomplete: {'; '.join(lacking)}."
            )
        if skipped:
            console.say(f"{show.counted(len(skipped), 'taxpayer')} skipped: {', '.join(skipped)}.")
        ok = not skipped and not faulty
        findings = [one.facts for one in self.left_out]
        console.document(
            {"ok": ok, **facts, "records": records, "taxpayers": self.facts, "findings": findings}
        )
        return OK if ok else NOT_ALL_WELL


def without(sections: Iterable[Section]) -> str:
    """Say which sections are missing, if any are."""
    names = ", ".join(sections)
    return f" without {names}" if names else ""


def left_out_row(problem: str, section: Section, gstin: str) -> Problem:
    """Return what is wrong with a row of a gateway's answer."""
    return Problem(problem, kind=f"unreadable-{section}", gstin=gstin)


def write_left_out(console: Console, left_out: Sequence[Problem]) -> str | None:
    """Write what was left out to the file of `--report`, if there is one; return its name."""
    if console.report is None:
        return None
    tables.write_problems(
        console.report, (("left out", problem) for problem in left_out), overwrite=console.overwrite
    )
    console.say(f"What was left out is in {console.report}: {show.counted(len(left_out), 'line')}.")
    return str(console.report)


def make_folder(folder: Path) -> None:
    """Make a folder if need be. Raises `InvalidInput`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder} cannot be made: {(error.strerror or str(error)).lower()}") from None


def check_targets(files: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse what cannot be written, and without `overwrite` what is there. Raises `InvalidFile`."""
    problems: list[Problem] = []
    for file in files:
        try:
            if not overwrite:
                _refuse_decisions(file)
            tables.check_writable(file, overwrite=overwrite)
        except InvalidInput as error:
            problems.append(Problem(words_of(error), kind=FILE_KIND))
    raise_all(problems)


def _refuse_decisions(file: Path) -> None:
    """Say how much work a file holds, where it does: that it is there already would be the lesser news."""
    try:
        if not is_file(file):
            return
        decided = len(tables.read_decisions(file, check_suppliers=False, may_be_empty=True))
    except (InvalidInput, OSError, ValueError):  # a letter, say; or a name that no file can have
        return
    if decided:
        instead = "choose another name, or pass --overwrite"
        raise InvalidInput(f"{file} holds {show.counted(decided, 'decision')}: {instead}")

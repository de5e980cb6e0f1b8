"""The commands that messages name, with every option that they need to work as printed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from ...model.tokens import JobToken
from ..inputs.accounts import chosen
from ..inputs.environment import Variables

_MOST_NAMED: Final = 5  # GSTINs


@attrs.frozen(kw_only=True)
class Commands:
    """What was asked for, which the next command needs too.

    `gsp` is what `--gsp` said, `journal` what `--journal` said, `check` is False with `--no-check`; `report`
    is the file of `--report`, and `overwrite` whether it may take the place of another.
    """

    gsp: str | None = None
    gstin: str = ""
    journal: Path | None = None
    check: bool = True
    report: Path | None = None
    overwrite: bool = False

    def login(self) -> str:
        """Return the command that begins the taxpayer's session."""
        return self._command("login", *self._whose(), *(self._unchecked() if self.gstin else ()))

    def resume(self) -> str:
        """Return the command that finds out what became of what was sent."""
        return self._command("jobs", "resume", *self._kept())

    def runs(self) -> str:
        """Return the command that names the runs of the journal."""
        return shlex.join(["ims-async", "jobs", "list", "--runs", *self._kept()])

    def show(self, token: JobToken) -> str:
        """Return the command that waits for a job, from any terminal."""
        name = token.reference_id or ""
        if not name[:1].isalnum():  # it would be taken for an option, or for a token
            name = token.dumps()
        options = ["--gstin", token.gstin, *self._unchecked(), *self._kept()]
        if self.report is not None:
            options += ["--report", str(self.report), *(["--overwrite"] if self.overwrite else [])]
        return self._command("jobs", "show", name, "--wait", *options, gsp=self.gsp or token.gsp)

    def pull(self, section: str, status: str) -> str:
        """Return the command that pulls those records of one section that stand at one action."""
        only = ["--section", section, "--status", status]
        return self._command("pull", *only, "--out", "FILE", *self._whose(), *self._unchecked())

    def push(self, files: object, *options: str, verb: str = "push") -> str:
        """Return the command that sends the decisions of files."""
        return self._command(verb, str(files), *options, *self._unchecked(), *self._kept())

    def regenerate(self, period: str, *gstins: str, files: Sequence[Path] = ()) -> str:
        """Return the command that has GSTR-2B computed anew: of these, or those for whom it is due."""
        named = _named(gstins) or ["--due"]
        if len(gstins) > _MOST_NAMED and files:
            named = list(map(str, files))
        words = ["gstr2b", "regenerate", "--period", period, *named]
        return self._command(*words, *self._unchecked(), *self._kept())

    def filing(self, period: str, gstin: str) -> str:
        """Return the command that asks whether GSTR-3B of a taxpayer and period is filed."""
        words = ["deadlines", period, "--ask-filing", "--gstin", gstin]
        return self._command(*words, *self._unchecked())

    def pull_statement(self, period: str, *gstins: str) -> str:
        """Return the command that reads the GSTR-2B of these."""
        words = ["gstr2b", "pull", "--period", period, *_named(gstins), "--out", "FOLDER/"]
        return self._command(*words, *self._unchecked())

    def compare_with_before(self, period: str, *gstins: str) -> str:
        """Return the command that compares the GSTR-2B of these with one that was pulled before."""
        words = ["gstr2b", "compare", "--period", period, *_named(gstins), "--before", "FILE_OR_FOLDER"]
        return self._command(*words, *self._unchecked())

    def policy_check(self, file: object) -> str:
        """Return the command that looks at a policy."""
        return shlex.join(["ims-async", "policy", "check", str(file)])

    def _command(self, *words: str, gsp: str | None = None) -> str:
        """Return a command that names the GSP, unless IMS_GSP or the default does."""
        gsp = gsp or self.gsp
        gateway = ["--gsp", gsp] if gsp not in (None, chosen(None).name) else []
        return shlex.join(["ims-async", *words, *gateway])

    def _whose(self) -> list[str]:
        """Name the taxpayer, unless IMS_GSTIN does."""
        return ["--gstin", self.gstin] if self.gstin not in ("", Variables().get("IMS_GSTIN").upper()) else []

    def _unchecked(self) -> list[str]:
        return [] if self.check else ["--no-check"]

    def _kept(self) -> list[str]:
        return [] if self.journal is None else ["--journal", str(self.journal)]


def _named(gstins: Sequence[str]) -> list[str]:
    """Name taxpayers; many by a file."""
    if len(gstins) > _MOST_NAMED:
        return ["--gstins", "FILE"]
    return [word for gstin in gstins for word in ("--gstin", gstin)]

"""The options that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..model.times import QUIET, in_minutes


def _option(name: str, metavar: str, words: str, **more: Any) -> Any:
    """Return an option with a value; what it is by default its help says, if anything does."""
    return typer.Option(name, metavar=metavar, help=words, **{"show_default": False, **more})


Gstin = Annotated[
    str | None,
    _option("--gstin", "GSTIN", "The taxpayer; IMS_GSTIN otherwise. Example: --gstin 29AAACQ3770E1ZF"),
]
ManyGstins = Annotated[
    list[str] | None,
    _option(
        "--gstin",
        "GSTIN",
        "The taxpayer; may be given several times. IMS_GSTIN otherwise. "
        "Example: --gstin 29AAACQ3770E1ZF --gstin 27AAPFU0939F1ZV",
    ),
]
GstinsFile = Annotated[
    Path | None,
    _option(
        "--gstins",
        "FILE",
        "A file of taxpayers: a GSTIN in each line, # begins a comment; or a CSV file whose first "
        "column is GSTIN. Example: --gstins clients.txt",
    ),
]
OwnGstin = Annotated[
    str | None,
    _option(
        "--gstin",
        "GSTIN",
        "The taxpayer of files that name none (in a column GSTIN, or in their own name); IMS_GSTIN "
        "otherwise. A file of another taxpayer is refused. Example: --gstin 29AAACQ3770E1ZF",
    ),
]
GspName = Annotated[
    str | None,
    _option(
        "--gsp",
        "NAME",
        "The gateway: sandbox or vayana; IMS_GSP otherwise, else sandbox. Example: --gsp vayana",
    ),
]
NoCheck = Annotated[
    bool,
    typer.Option(
        "--no-check",
        help="Take GSTINs without looking at their check digit: test hosts use invalid ones. "
        "Example: --gstin 29XXXXX0000X1ZX --no-check",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines. Example: --json")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. Example: --debug")]
FIRST_POLL: Final = 2.0  # seconds
FirstPoll = Annotated[
    float,
    _option(
        "--first-poll",
        "SECONDS",
        "Ask whether the job is done, or the rows are ready, for the first time after this long, "
        "then ever less often. Every poll is billed. Example: --first-poll 10",
        min=0.0,
        show_default=True,
    ),
]
Report = Annotated[
    Path | None,
    _option(
        "--report",
        "FILE",
        "Write what became of each record, or what is wrong with each row, to this CSV file. "
        "Example: --report outcome.csv",
    ),
]
FindingsReport = Annotated[
    Path | None,
    _option(
        "--report",
        "FILE",
        "Write all that was found, by file and row, to this CSV file. Example: --report findings.csv",
    ),
]
LeftOutReport = Annotated[
    Path | None,
    _option(
        "--report",
        "FILE",
        "Write which rows and taxpayers are left out to this CSV file. Example: --report left-out.csv",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before sending. Example: --yes")]
Sections = Annotated[
    list[str] | None,
    _option(
        "--section",
        "SECTION",
        "Only this section (b2b, b2ba, dn, dna, cn, cna, ecom, ecoma); may be given several times. "
        "Example: --section b2b --section cn",
    ),
]
PullTo = Annotated[
    str,
    _option(
        "--out",
        "FILE_OR_FOLDER",
        "The CSV file to write; or a folder (one that is there, or a name that ends with a slash), in "
        "which each taxpayer gets a file GSTIN.csv. Example: --out acme.csv, or --out november/",
        show_default=True,
    ),
]
Status = Annotated[
    str | None,
    _option(
        "--status",
        "ACTION",
        "Only records that stand at this action: no_action, accepted, rejected or pending. "
        "Example: --status no_action",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace files of --out and --report that are there; they are refused otherwise. "
        "Example: --out a.csv --overwrite",
    ),
]
Out = Annotated[
    Path | None,
    _option("--out", "FILE", "Write to this CSV file instead of the screen. Example: --out view.csv"),
]
FOLDERS: Final = (
    "Of a folder all *.csv are taken, but no folders in it, and no reports (they have a column 'outcome')."
)
DecisionFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE_OR_FOLDER",
        help=f"Files of pull's, their column 'action' filled in with A, R or P. {FOLDERS}",
    ),
]
PulledFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE_OR_FOLDER", help=f"Files of pull's; every record in them is reset. {FOLDERS}"
    ),
]
Decided = Annotated[
    bool,
    typer.Option("--decided", help="Reset only the rows that are decided in the files. Example: --decided"),
]
RunName = Annotated[
    str | None,
    _option(
        "--run",
        "NAME",
        "The name of the run. With that of an earlier one, this goes on where that broke off: what it "
        "sent is looked after, and not sent again. Example: --run 2026-11",
    ),
]
JournalFile = Annotated[
    Path | None,
    _option(
        "--journal",
        "FILE",
        "Where each batch is written down before it is sent; IMS_JOURNAL otherwise, else journal.db in "
        "~/.local/state/ims-async. Example: --journal november.db",
    ),
]
Rate = Annotated[
    int | None,
    _option(
        "--rate",
        "N",
        "At most so many requests a minute; IMS_RATE otherwise, else as the gateway allows. "
        "Example: --rate 300",
        min=1,
    ),
]
AT_ONCE: Final = 200  # taxpayers whose jobs are waited for
READ_AT_ONCE: Final = 16  # taxpayers whose rows are in memory
Concurrency = Annotated[
    int,
    _option(
        "--concurrency",
        "N",
        "Work on so many taxpayers at once. Example: --concurrency 50",
        min=1,
        show_default=True,
    ),
]
MaxRecords = Annotated[
    int | None,
    _option(
        "--max-records",
        "N",
        "Send at most so many records in a job; a taxpayer's jobs go one after the other. "
        "Example: --max-records 2000",
        min=1,
    ),
]
MaxOutage = Annotated[
    float,
    _option(
        "--max-outage",
        "SECONDS",
        "Of a run: give up a taxpayer whose requests and polls the gateway does not answer for so long; "
        "the run goes on with it when it is called again. What became of a change whose answer was lost may "
        f"take {in_minutes(QUIET)} to be known, however short this is. Example: --max-outage 600",
        min=0.0,
        show_default=True,
    ),
]
Year = Annotated[int, typer.Argument(help="The year of the return period. Example: 2024")]
Month = Annotated[int, typer.Argument(help="The month of the return period, 1 to 12. Example: 10")]
AddedBackSectionName = Annotated[
    str,
    _option(
        "--section",
        "SECTION",
        "cdnr (credit and debit notes), cdnra, b2ba or ecoma. Example: --section cdnr",
        show_default=True,
    ),
]
SupplierSectionName = Annotated[
    str,
    _option(
        "--section",
        "SECTION",
        "b2b, b2ba, cdnr (credit and debit notes), cdnra, ecom or ecoma. Example: --section cdnr",
        show_default=True,
    ),
]

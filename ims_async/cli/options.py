"""The options that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..model.times import QUIET, in_minutes
from ..tables.formats import NAMES


def option(name: str, words: str, example: str = "", **more: Any) -> Any:
    """Return an option, `--name METAVAR`, with its help."""
    flag, _, metavar = name.partition(" ")
    help_ = f"{words} Example: {f'{flag} {example}'.rstrip()}".lstrip()
    return typer.Option(flag, metavar=metavar or None, help=help_, **more)


_FOLDERS: Final = (
    f"A folder stands for all {NAMES} files in it, without its own folders, and without reports (they have "
    "a column 'outcome') and what sales and followup wrote."
)
_DECISIONS: Final = typer.Argument(
    metavar="FILE_OR_FOLDER",
    help=f"Files that pull wrote, with A, R or P in their column 'action'. {_FOLDERS}",
)
DecisionFiles = Annotated[list[Path], _DECISIONS]
CheckedFiles = Annotated[list[Path] | None, _DECISIONS]
PulledFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE_OR_FOLDER", help=f"Files that pull wrote; every record in them is reset. {_FOLDERS}"
    ),
]
_COMPARED: Final = typer.Argument(
    metavar="FILE_OR_FOLDER", help=f"Files of pull's, which are compared with the books. {_FOLDERS}"
)
_NAMING: Final = typer.Argument(
    metavar="FILE_OR_FOLDER", help=f"Files of pull's: their taxpayers are meant. {_FOLDERS}"
)
NamingFiles = Annotated[list[Path] | None, _NAMING]
ComparedFiles = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE_OR_FOLDER",
        help="Files that pull wrote: their records are compared, as they stood then. Without any the records "
        f"are read now. {_FOLDERS}",
    ),
]
MatchedFiles = Annotated[list[Path], _COMPARED]
FollowedFiles = Annotated[list[Path] | None, _COMPARED]
RegisterColumns = Annotated[
    Path | None,
    option(
        "--columns FILE", "A TOML file that names columns of the register: number = 'Bill No'.", "map.toml"
    ),
]

# -- who asks for whom ---------------------------------------------------------------------------------

Gstin = Annotated[
    str | None, option("--gstin GSTIN", "The taxpayer; IMS_GSTIN otherwise.", "29AAACQ3770E1ZF")
]
ManyGstins = Annotated[
    list[str] | None,
    option(
        "--gstin GSTIN",
        "The taxpayer, or each of several; IMS_GSTIN otherwise.",
        "29AAACQ3770E1ZF --gstin 27AAPFU0939F1ZV",
    ),
]
OwnGstin = Annotated[
    str | None,
    option(
        "--gstin GSTIN",
        "The one taxpayer of all files: a file of another, by its column GSTIN or its name, is refused. "
        "IMS_GSTIN refuses none: it is the taxpayer of files that name none.",
        "29AAACQ3770E1ZF",
    ),
]
GstinsFile = Annotated[
    Path | None,
    option("--gstins FILE", "A GSTIN in each line, # begins a comment; or CSV, first column GSTIN.", "c.txt"),
]
GspName = Annotated[
    str | None, option("--gsp NAME", "sandbox or vayana; IMS_GSP otherwise, else sandbox.", "vayana")
]
NoCheck = Annotated[
    bool, option("--no-check", "Take GSTINs whose check digit is wrong, as test hosts use them.")
]

# -- what is read, and where it is written -------------------------------------------------------------

Sections = Annotated[
    list[str] | None,
    option(
        "--section SECTION", "Only this one (b2b, b2ba, dn, dna, cn, cna, ecom, ecoma).", "b2b --section cn"
    ),
]
AddedBackSectionName = Annotated[
    str, option("--section SECTION", "cdnr (credit and debit notes), cdnra, b2ba or ecoma.", "cdnr")
]
SupplierSectionName = Annotated[
    str | None,
    option(
        "--section SECTION",
        "Only this one: b2b, b2ba, cdnr (credit and debit notes), cdnra, ecom or ecoma.",
        "cdnr",
    ),
]
Status = Annotated[
    str | None,
    option("--status ACTION", "Only what stands at no_action, accepted, rejected or pending.", "no_action"),
]
Year = Annotated[int, typer.Argument(help="The year of the return period. Example: 2024")]
Month = Annotated[int, typer.Argument(help="The month of the return period, 1 to 12. Example: 10")]
PullTo = Annotated[
    str | None,
    option(
        "--out FILE_OR_FOLDER",
        f"The file to write, {NAMES}; or a folder (one that is there, or a name with a slash at its end), "
        "for a file GSTIN.csv of each taxpayer, or of another --format.",
        "acme.csv, or --out november/",
    ),
]
PortalFile = Annotated[
    Path | None,
    option(
        "--from FILE",
        "The JSON that the portal's IMS dashboard gives under 'Offline', 'Download': its records are taken, "
        "and no gateway is asked.",
        "portal.json",
    ),
]
UploadTo = Annotated[
    Path | None,
    option(
        "--to FILE",
        "Write a JSON file to upload at the portal, instead of sending anything; needs --from, with the "
        "download that the sheets were made from or a newer one.",
        "upload.json",
    ),
]
UploadSettings = Annotated[
    list[str] | None,
    option(
        "--set NAME=VALUE",
        "How --to writes what no document says: itc-names=api or tool, remarks-on-accept=refuse, drop or "
        "write, read-only-keys=keep or drop, empty-sections=drop or keep; may be given several times.",
        "itc-names=tool",
    ),
]
Keep = Annotated[
    str | None,
    option(
        "--keep FILE_OR_FOLDER",
        "Instead of --out: bring files of an earlier pull up to date. All that you typed stays; the column "
        "'change' says what is new, amended, action changed, as decided, now filed, gone or unchanged. "
        "Without --gstin or --gstins: of all taxpayers in them.",
        "november/",
    ),
]
Format = Annotated[
    str | None,
    option(
        "--format FORMAT",
        f"{NAMES.replace('.', '')}, for the files in a folder; otherwise that of the taxpayers' files which "
        "are there, else csv.",
        "xlsx",
    ),
]
Period = Annotated[str, option("--period MMYYYY", "The GSTR-2B period.", "102026")]
AskFiling = Annotated[
    bool,
    option(
        "--ask-filing",
        "Ask the gateway whether GSTR-3B of the period is filed: two requests a taxpayer, each billed.",
    ),
]
AskFilings = Annotated[
    bool,
    option(
        "--ask-filing",
        "Ask the gateway for which return periods of the decisions GSTR-3B is filed, and warn of the records "
        "that it closes: two requests for each taxpayer and period, each billed.",
    ),
]
Regenerate = Annotated[
    list[str] | None,  # a second one is refused: of one value the parser would take the last
    option(
        "--regenerate MMYYYY",
        "Then have GSTR-2B of this one period computed anew for each taxpayer of which anything was applied, "
        "and show what changed in its credit: it is read before and after. With --ask-filing not for those "
        "that have filed GSTR-3B of it.",
        "102026",
    ),
]
StatementsReport = Annotated[
    Path | None,
    option("--report FILE", f"Write to this file ({NAMES}) what came of each taxpayer's.", "statements.csv"),
]
Out = Annotated[
    Path | None, option("--out FILE", f"Write to this file ({NAMES}) instead of the screen.", "view.csv")
]
Overwrite = Annotated[
    bool, option("--overwrite", "Replace a file that is there already, instead of refusing.")
]


Report = Annotated[
    Path | None,
    option(
        "--report FILE",
        f"Write to this file ({NAMES}) what became of each record, or what is wrong.",
        "outcome.csv",
    ),
]
FindingsReport = Annotated[
    Path | None,
    option("--report FILE", f"Write all that was found to this file ({NAMES}).", "findings.csv"),
]
LeftOutReport = Annotated[
    Path | None,
    option(
        "--report FILE",
        f"Write which rows and taxpayers are left out to this file ({NAMES}).",
        "left-out.csv",
    ),
]
ProblemsReport = Annotated[
    Path | None,
    option(
        "--report FILE",
        f"Write to this file ({NAMES}) what is wrong with files, by row, and who is left out.",
        "wrong.csv",
    ),
]
FailIfDue = Annotated[
    bool,
    option(
        "--fail-if-due",
        "For a scheduler: exit code 3, and not 0, where a GSTR-2B is said to be due to be computed anew.",
    ),
]
Json = Annotated[bool, option("--json", "Print one JSON document for machines.")]
Debug = Annotated[bool, option("--debug", "Show the traceback of an error.")]

# -- a simulated gateway -------------------------------------------------------------------------------

Taxpayers = Annotated[int, option("--taxpayers", "How many there are.", "2", min=1)]
JobSeconds = Annotated[float, option("--job-seconds", "How long a job takes.", "10", min=0.0)]
Seed = Annotated[int, option("--seed", "Another seed, another world.", "1")]

# -- how changes are sent ------------------------------------------------------------------------------

FIRST_POLL: Final = 2.0  # seconds
FirstPoll = Annotated[
    float,
    option(
        "--first-poll SECONDS",
        "Ask whether the job is done, or the rows are ready, after this long, then ever less often. Every "
        "poll is billed.",
        "10",
        min=0.0,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before sending. Example: --yes")]
Decided = Annotated[bool, option("--decided", "Reset only the rows that are decided in the files.")]
RunName = Annotated[
    str | None,
    option(
        "--run NAME",
        "The run's name. That of an earlier one goes on where that broke off: what was sent is looked "
        "after, and not sent again.",
        "2026-11",
    ),
]
JournalFile = Annotated[
    Path | None,
    option(
        "--journal FILE",
        "The file in which all that is sent is written down; IMS_JOURNAL otherwise, else journal.db in "
        "~/.local/state/ims-async.",
        "november.db",
    ),
]
Rate = Annotated[
    int | None,
    option(
        "--rate N", "Requests a minute at most; IMS_RATE otherwise, else the gateway's own.", "300", min=1
    ),
]
AT_ONCE: Final = 200  # taxpayers whose jobs are waited for
READ_AT_ONCE: Final = 16  # taxpayers whose rows are in memory
Concurrency = Annotated[int, option("--concurrency N", "Work on this many taxpayers at once.", "50", min=1)]
MaxRecords = Annotated[
    int | None, option("--max-records N", "Send at most this many records in a job.", "2000", min=1)
]
MaxOutage = Annotated[
    float,
    option(
        "--max-outage SECONDS",
        "Give up a taxpayer whose requests and polls the gateway does not answer for this long; the same "
        "command goes on with it. What became of a change whose answer was lost may take "
        f"{in_minutes(QUIET)} to be known, however short this is.",
        "600",
        min=0.0,
    ),
]

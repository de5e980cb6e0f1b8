"""The options that several commands share, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

Gstin = Annotated[
    str | None,
    typer.Option(
        "--gstin",
        metavar="GSTIN",
        help="The taxpayer; IMS_GSTIN otherwise. Example: --gstin 29AAACQ3770E1ZF",
        show_default=False,
    ),
]
GspName = Annotated[
    str | None,
    typer.Option(
        "--gsp",
        metavar="NAME",
        help="The gateway: sandbox or vayana; IMS_GSP otherwise, else sandbox. Example: --gsp vayana",
        show_default=False,
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
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document for machines. Example: --json"),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. Example: --debug")]
FIRST_POLL: Final = 2.0  # seconds
FirstPoll = Annotated[
    float,
    typer.Option(
        "--first-poll",
        metavar="SECONDS",
        min=0.0,
        help="Ask whether the job is done, or the rows are ready, for the first time after this long, "
        "then ever less often. Every poll is billed. Example: --first-poll 10",
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write what became of each record to this CSV file. Example: --report outcome.csv",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before sending. Example: --yes")]
Sections = Annotated[
    list[str] | None,
    typer.Option(
        "--section",
        metavar="SECTION",
        help="Only this section (b2b, b2ba, dn, dna, cn, cna, ecom, ecoma); may be given several times. "
        "Example: --section b2b --section cn",
        show_default=False,
    ),
]
PullTo = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="The CSV file to write. Example: --out acme.csv")
]
Status = Annotated[
    str | None,
    typer.Option(
        "--status",
        metavar="ACTION",
        help="Only records that stand at this action: no_action, accepted, rejected or pending. "
        "Example: --status no_action",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a file even if decisions stand in it. Example: --out a.csv --overwrite"
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write to this CSV file instead of the screen. Example: --out view.csv",
        show_default=False,
    ),
]
DecisionFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A file of pull's, its column 'action' filled in with A, R or P."),
]
PulledFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file of pull's; every record in it is reset.")
]
Year = Annotated[int, typer.Argument(help="The year of the return period. Example: 2024")]
Month = Annotated[int, typer.Argument(help="The month of the return period, 1 to 12. Example: 10")]
AddedBackSectionName = Annotated[
    str,
    typer.Option(
        "--section",
        metavar="SECTION",
        help="cdnr (credit and debit notes), cdnra, b2ba or ecoma. Example: --section cdnr",
    ),
]
SupplierSectionName = Annotated[
    str,
    typer.Option(
        "--section",
        metavar="SECTION",
        help="b2b, b2ba, cdnr (credit and debit notes), cdnra, ecom or ecoma. Example: --section cdnr",
    ),
]

"""The portal's error file beside an upload: the outcome of each record, and the portal's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ims_async import Action, JobState, Section, tables
from ims_async.tables import InvalidFile
from ims_async.tables.offline import read_outcome
from tests.support.portal_files import GSTIN, SUPPLIER, row, written


def upload_of(here: Path, **sections: Any) -> Path:
    """Write what was uploaded."""
    return written(here / "upload.json", {"rtin": GSTIN, "reqtyp": "SAVE", "invdata": sections})


def errors_of(here: Path, *, rtin: str | None = None, **sections: Any) -> Path:
    """Write an error file."""
    document: dict[str, Any] = {"imsDetailsErr": sections}
    return written(here / "errors.json", document | ({"rtin": rtin} if rtin else {}))


def test_each_record_has_its_outcome(tmp_path: Path) -> None:
    """Also in a report; numbers of another section or period are other records."""
    accepted, note = row(action="A"), row(Section.B2BCN, action="R")
    older = row(action="A", idt="03-10-2025")
    upload = upload_of(tmp_path, b2b=[accepted, older, row(inum="2", action="N")], b2bcn=[note])
    errors = errors_of(
        tmp_path, b2b=[{**older, "error_msg": "edited"}], b2bcn=[{**note, "error_msg": "why?"}]
    )
    gstin, report = read_outcome(upload, errors)
    assert (gstin, report.state, report.submitted, report.ok) == (GSTIN, JobState.PARTIAL, 4, False)
    assert [(one.key.section, one.key.return_period, one.message) for one in report.failed] == [
        ("b2b", "102025", "edited"),
        ("b2bcn", "102026", "why?"),
    ]
    assert [(one.number, getattr(one, "action")) for one in report.succeeded] == [  # noqa: B009 # decisions
        ("0012345678901234", Action.ACCEPT),
        ("2", Action.NO_ACTION),
    ]
    out = tmp_path / "outcome.csv"
    assert tables.write_report(out, report, gstin=gstin) == 4
    assert f"{GSTIN},failed,b2bcn,{SUPPLIER},0012345678901234,03-10-2026,102026,R,,why?" in out.read_text(
        "utf-8-sig"
    )


def test_a_record_that_the_error_file_has_in_part_is_found_by_its_ids(tmp_path: Path) -> None:
    """Its amounts may be missing, and its reason too, or of another kind."""
    upload = upload_of(tmp_path, b2b=[row(action="A", inum="1", rtnprd="102026"), row(action="A", inum="2")])
    short = {"stin": SUPPLIER, "inum": "1", "rtnprd": "102026", "error_msg": {"code": 7}}
    _, report = read_outcome(upload, errors_of(tmp_path, b2b=[short]))
    assert [(one.key.number, one.message) for one in report.failed] == [("1", '{"code":7}')]
    _, report = read_outcome(upload, errors_of(tmp_path, b2b=[row(inum="2", action="A")]))
    assert [(one.key.number, one.message) for one in report.failed] == [("2", "the portal gives no reason")]


@pytest.mark.parametrize("stranger", [row(inum="9", error_msg="gone"), 7, {"error_msg": "?"}])
def test_of_an_error_that_fits_nothing_nothing_follows_for_the_others(
    tmp_path: Path, stranger: object
) -> None:
    """It may be about any of them."""
    upload = upload_of(tmp_path, b2b=[row(action="A"), row(action="A", inum="2")])
    failed = row(action="A", inum="2", error_msg="no")
    _, report = read_outcome(upload, errors_of(tmp_path, b2b=[failed, stranger]))
    assert (len(report.failed), len(report.unmatched), report.unaccounted_count) == (1, 1, 1)
    assert not report.succeeded


def test_errors_in_a_section_that_is_not_known_leave_nothing_applied(tmp_path: Path) -> None:
    """It may be the name that the portal gives there to a section of the upload."""
    upload = upload_of(tmp_path, b2b=[row(action="R")])
    one = {**row(Section.B2BCN), "error_msg": "why?"}
    sections: dict[str, Any] = {"b2b-cn": [one], "impg": []}
    _, report = read_outcome(upload, errors_of(tmp_path, **sections))
    assert (report.ok, report.succeeded, report.unaccounted_count) == (False, (), 1)
    assert [(error.section, error.number, error.message) for error in report.unmatched] == [
        ("b2b-cn", one["nt_num"], "why?")
    ]
    _, report = read_outcome(upload, errors_of(tmp_path, impg=[]))
    assert (report.ok, report.unaccounted_count) == (True, 0)


def test_two_errors_of_a_record_are_both_told(tmp_path: Path) -> None:
    """They have no code."""
    errors = errors_of(tmp_path, b2b=[{**row(), "error_msg": text} for text in ("first", "second")])
    _, report = read_outcome(upload_of(tmp_path, b2b=[row(action="R")]), errors)
    assert [one.message for one in report.failed] == ["first; second"]


def test_an_error_file_without_errors_leaves_all_applied(tmp_path: Path) -> None:
    """There may be none."""
    _, report = read_outcome(upload_of(tmp_path, b2b=[row(action="A")]), errors_of(tmp_path, b2b=[]))
    assert report.ok


def test_other_files_are_refused(tmp_path: Path) -> None:
    """The two mixed up, and those of another taxpayer."""
    upload, errors = upload_of(tmp_path, b2b=[row(action="A")]), errors_of(tmp_path, rtin=SUPPLIER)
    with pytest.raises(
        InvalidFile, match="is the portal's error file, and not a file to be uploaded: take the file"
    ):
        read_outcome(errors, upload)
    with pytest.raises(InvalidFile, match=f"is of the taxpayer {SUPPLIER}, and not of {GSTIN}"):
        read_outcome(upload, errors)
    with pytest.raises(
        InvalidFile, match=r"upload\.json: invdata\.b2b\[0\]\.action: missing: take the file as"
    ):
        read_outcome(upload_of(tmp_path, b2b=[row(action=None)]), errors_of(tmp_path))

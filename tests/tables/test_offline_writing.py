"""Decisions on the portal's download become a file to upload: what was decided differs, and nothing else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import Action, Decision, InvalidDecision, InvalidInput, ItcReduction, RulePolicy, Section
from ims_async.tables import InvalidFile
from ims_async.tables.offline import OfflineSettings, PortalFile, read_portal, write_upload
from tests.support.portal_files import GSTIN, SUPPLIER, details, loaded, row, written

B2BCN = Section.B2BCN


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where the upload goes."""
    return tmp_path / "upload.json"


def portal_of(here: Path, *, gstin: str | None = GSTIN, **sections: Any) -> PortalFile:
    """Write a download and read it."""
    return read_portal(written(here / "portal.json", details(**sections)), gstin=gstin)


def rows_of(out: Path) -> dict[str, Any]:
    """The sections of an upload."""
    rows: dict[str, Any] = loaded(out)["invdata"]
    return rows


def test_a_record_goes_back_as_it_was_with_the_decision(tmp_path: Path, out: Path) -> None:
    """The name of the supplier, a hash and an error stay here; a key that is not known goes back."""
    one = row(
        val=Decimal("11800.00"),
        iamt=Decimal("1800.10"),
        hash="ab",
        error_msg="x",
        newer={"a": Decimal("1.0")},
    )
    portal = portal_of(tmp_path, b2b=[row(inum="other"), one])
    upload = write_upload(out, portal, [portal.invoices[1].reject("not our purchase")])
    kept = {key: value for key, value in one.items() if key not in ("tradenm", "hash", "error_msg")}
    assert out.read_text(encoding="ascii").count("11800,") == 1  # a whole number, without .0
    assert loaded(out) == {
        "rtin": GSTIN,
        "reqtyp": "SAVE",
        "invdata": {"b2b": [{**kept, "action": "R", "remarks": "not our purchase"}]},
    }
    assert list(rows_of(out)["b2b"][0]) == [*kept, "remarks"]
    assert '"iamt":1800.10,' in out.read_text(encoding="ascii")
    assert '"newer":{"a":1}' in out.read_text(encoding="ascii")
    assert (upload.file, len(upload.written), upload.unchanged, upload.warnings) == (out, 1, (), ())
    assert str(upload) == f"{out}: 1 written, 0 unchanged"


def test_what_stands_already_is_left_out_and_nothing_changed_is_no_file(tmp_path: Path, out: Path) -> None:
    """Also where the portal shows remarks on an acceptance; and what is there stays."""
    rows = [row(inum="1", action="A", remarks="ok"), row(inum="2", action="R", remarks=""), row(inum="3")]
    portal = portal_of(tmp_path, b2b=rows)
    first, second, third = portal.invoices
    out.write_text("old", encoding="utf-8")
    upload = write_upload(out, portal, [first.accept("ok"), second.reject(), third], overwrite=True)
    assert (upload.file, upload.written, len(upload.unchanged)) == (None, (), 3)
    assert str(upload) == "no file was written: of 3 decisions none differs from the download"
    assert out.read_text(encoding="utf-8") == "old"
    assert write_upload(out, portal, [], overwrite=True).file is None


def test_two_decisions_on_one_record_are_refused(tmp_path: Path, out: Path) -> None:
    """Also where one of them stands already: the file would have the other one."""
    portal = portal_of(tmp_path, b2b=[row(action="A")])
    (one,) = portal.invoices
    with pytest.raises(InvalidFile, match="is decided twice"):
        write_upload(out, portal, [one.accept(), one.reject("not ours")])
    with pytest.raises(InvalidDecision, match="in the batch already"):
        write_upload(out, portal, [one, one.reject("not ours")])
    assert not out.exists()


@pytest.mark.parametrize(("key", "kept"), [("eco", "eco"), ("ECOM", "ECOM")])
def test_a_section_is_named_as_in_the_download(tmp_path: Path, out: Path, key: str, kept: str) -> None:
    """And unknown ones are not sent."""
    sections: dict[str, Any] = {key: [row(Section.ECOM)], "impg": [{"boenum": "1"}], "b2b": [row()]}
    portal = portal_of(tmp_path, **sections)
    write_upload(out, portal, [portal.invoices[0].accept()])
    assert list(rows_of(out)) == [kept]


def test_old_remarks_and_reductions_go_only_where_the_decision_says_them(tmp_path: Path, out: Path) -> None:
    """Accepted before with a reversal, and now kept pending; then the other way round."""
    itc = {"itcRedReq": "Y", "declIgst": 5, "declCgst": 0, "declSgst": 0, "declCess": 0}
    rows = [row(B2BCN, nt_num="1", action="A", **itc), row(B2BCN, nt_num="2", action="P", remarks="wait")]
    portal = portal_of(tmp_path, b2bcn=rows)
    first, second = portal.invoices
    write_upload(out, portal, [first.keep_pending(), second.accept(itc_reduction=ItcReduction.full())])
    one, other = rows_of(out)["b2bcn"]
    assert not (itc.keys() | {"remarks"}) & one.keys()
    assert other.items() >= {"action": "A", "itcRedReq": "Y"}.items()
    assert not {"remarks", "declIgst"} & other.keys()


@pytest.mark.parametrize("names", ["api", "tool"])
@pytest.mark.parametrize("there", [None, "itcRedReq", "itc_red_req"])
def test_the_spelling_of_a_reduction_is_the_records_else_the_settings(
    tmp_path: Path, out: Path, names: Any, there: str | None
) -> None:
    """The sources disagree on it."""
    portal = portal_of(tmp_path, b2bcn=[row(B2BCN, **({there: ""} if there else {}))])
    reduction = ItcReduction.partial(igst=Decimal("5.50"))
    decision = portal.invoices[0].accept(itc_reduction=reduction)
    write_upload(out, portal, [decision], settings=OfflineSettings(itc_names=names))
    (found,) = rows_of(out)["b2bcn"]
    api = {"itcRedReq": "Y", "declIgst": Decimal("5.50"), "declCgst": 0, "declSgst": 0, "declCess": 0}
    tool = dict(
        zip(("itc_red_req", "decl_igst", "decl_cgst", "decl_sgst", "decl_cess"), api.values(), strict=True)
    )
    mine, others = (
        (tool, api) if there == "itc_red_req" or (there is None and names == "tool") else (api, tool)
    )
    assert found.items() >= mine.items()
    assert not others.keys() & found.keys()


def test_no_reversal_is_said_too(tmp_path: Path, out: Path) -> None:
    """An N of its own, without amounts."""
    portal = portal_of(tmp_path, b2bcn=[row(B2BCN)])
    write_upload(out, portal, [portal.invoices[0].accept(itc_reduction=ItcReduction.none())])
    (found,) = rows_of(out)["b2bcn"]
    assert found["itcRedReq"] == "N"
    assert not [key for key in found if key.startswith("decl")]


# -- settings --------------------------------------------------------------------------------------------


def test_read_only_keys_and_empty_sections_are_settings(tmp_path: Path, out: Path) -> None:
    """Kept and left out by default."""
    one = row(isItcRedReqBlocked="Y")
    portal = portal_of(tmp_path, b2ba=[], b2b=[one, row(inum="2")], impg=[1])
    decisions = [portal.invoices[0].accept()]
    write_upload(out, portal, decisions)
    flags = {"srcfilstatus", "ispendactblocked", "isRemarksBlocked", "itcRedReqBlocked", "isItcRedReqBlocked"}
    assert flags <= rows_of(out)["b2b"][0].keys()
    assert list(rows_of(out)) == ["b2b"]
    settings = OfflineSettings(read_only_keys="drop", empty_sections="keep")
    write_upload(out, portal, decisions, settings=settings, overwrite=True)
    assert not flags & rows_of(out)["b2b"][0].keys()
    assert {key: len(rows) for key, rows in rows_of(out).items()} == {"b2ba": 0, "b2b": 1}


def test_remarks_on_an_acceptance_are_refused_dropped_or_written(tmp_path: Path, out: Path) -> None:
    """By a setting; without remarks there is nothing to refuse."""
    portal = portal_of(tmp_path, b2b=[row(), row(inum="2", action="A")])
    first, second = portal.invoices
    with pytest.raises(InvalidFile, match="has remarks with R and P only") as caught:
        write_upload(out, portal, [first.accept("why")])
    assert [one.kind for one in caught.value.problems] == ["remarks-on-accept"]
    assert not out.exists()
    drop, write = (OfflineSettings(remarks_on_accept=word) for word in ("drop", "write"))
    write_upload(out, portal, [first.accept("why")], settings=drop)
    assert "remarks" not in rows_of(out)["b2b"][0]
    assert write_upload(out, portal, [second.accept("why")], settings=drop, overwrite=True).file is None
    write_upload(out, portal, [first.accept("why")], settings=write, overwrite=True)
    assert rows_of(out)["b2b"][0]["remarks"] == "why"


def test_settings_are_read_from_texts() -> None:
    """As the command line has them."""
    given = ["itc-names=tool", " remarks-on-accept = Drop", "read-only-keys=drop", "empty-sections=keep"]
    wanted = OfflineSettings(
        itc_names="tool", remarks_on_accept="drop", read_only_keys="drop", empty_sections="keep"
    )
    assert OfflineSettings.of(given) == wanted
    assert OfflineSettings.of([]) == OfflineSettings()
    for text in ("itc-names", "itc_names=tool", "other=1", ""):
        with pytest.raises(
            InvalidInput, match=r"is not understood; there are: itc-names=…, remarks-on-accept=…"
        ):
            OfflineSettings.of([text])
    with pytest.raises(InvalidInput, match="itc-names 'camel' is unknown; it is one of: api, tool"):
        OfflineSettings.of(["itc-names=camel"])


# -- back to no action -----------------------------------------------------------------------------------


def test_no_action_is_written_on_demand_and_said_to_be_unproven(tmp_path: Path, out: Path) -> None:
    """An invoice is one that is taken back; one that has no action is left out."""
    rows = [row(inum="1", action="A", itcRedReq="N"), row(inum="2"), row(inum="3", action="R", remarks="no")]
    portal = portal_of(tmp_path, b2b=rows)
    upload = write_upload(out, portal, portal.invoices)
    assert [(one["inum"], one["action"]) for one in rows_of(out)["b2b"]] == [("1", "N"), ("3", "N")]
    assert not [one for one in rows_of(out)["b2b"] if {"remarks", "itcRedReq"} & one.keys()]
    assert len(upload.unchanged) == 1
    (warning,) = upload.warnings
    assert "action N in an upload is unproven" in warning


# -- what is refused -------------------------------------------------------------------------------------


def test_what_breaks_a_rule_is_refused_and_no_file_is_written(tmp_path: Path, out: Path) -> None:
    """All of it, with the rules' codes; a rule may be turned off, except for what cannot be written."""
    rows = [row(inum="1", ispendactblocked="Y"), row(inum="2", isRemarksBlocked=True)]
    rows += [row(inum="3"), row(inum="4")]
    portal = portal_of(tmp_path, b2b=rows, b2bcn=[row(B2BCN), row(B2BCN, nt_num="5", itcRedReqBlocked="Y")])
    one, two, three, four, note, blocked = portal.invoices
    wrong = [
        one.keep_pending(),
        two.reject("why"),
        Decision(invoice=three, action=Action.NO_ACTION, remarks="x" * 251),
        four.reject(),
        four.reject(),
        note.accept(),
        blocked.accept(itc_reduction=ItcReduction.full()),
    ]
    with pytest.raises(InvalidDecision) as caught:
        write_upload(out, portal, wrong)
    codes = [one.code for one in caught.value.findings if one.level == "refuse"]
    assert codes == [
        *("pending-blocked", "remarks-blocked", "action", "remarks-too-long", "duplicate"),
        *("itc-reduction-missing", "itc-reduction"),
    ]
    assert not out.exists()
    policy = RulePolicy(levels={"pending-blocked": "off"})
    assert write_upload(out, portal, [one.keep_pending()], policy=policy).written


def test_warnings_of_the_rules_are_in_the_result(tmp_path: Path, out: Path) -> None:
    """With today's date those that need it, too."""
    portal = portal_of(tmp_path, b2b=[row(srcfilstatus="SAVED")])
    upload = write_upload(out, portal, [portal.invoices[0].accept()], today=dt.date(2026, 11, 20))
    assert {finding.code for finding in upload.findings} == {"not-filed", "recompute"}


def test_only_records_of_this_download_are_written(tmp_path: Path, out: Path) -> None:
    """Of another one, or of a gateway, or changed here, or no record at all."""
    portal = portal_of(tmp_path, b2b=[row()])
    (mine,) = portal.invoices
    (other,) = portal_of(tmp_path, b2b=[row(val=1)]).invoices
    (theirs,) = portal_of(tmp_path, gstin=SUPPLIER, b2b=[row()]).invoices
    strangers: list[Any] = [
        other.accept(),
        theirs.accept(),
        attrs.evolve(mine, igst=Decimal(1)).accept(),
        attrs.evolve(mine, number="9"),
        "text",
    ]
    with pytest.raises(
        InvalidFile, match=r"is not a record of .*portal\.json as it is there: decide on"
    ) as caught:
        write_upload(out, portal, [mine.accept(), *strangers])
    assert [one.kind for one in caught.value.problems] == ["unknown-record"] * 5
    assert not out.exists()
    assert write_upload(out, portal, [attrs.evolve(mine).accept()]).file == out  # an equal one is the same


def test_a_download_of_nobody_in_particular_is_not_written(tmp_path: Path, out: Path) -> None:
    """An upload names its taxpayer."""
    portal = portal_of(tmp_path, gstin=None, b2b=[row()])
    with pytest.raises(InvalidInput, match="does not say whose records it has: name the taxpayer"):
        write_upload(out, portal, [portal.invoices[0].accept()])


@pytest.mark.parametrize("name", ["upload.csv", "upload"])
def test_an_upload_is_a_json_file(tmp_path: Path, name: str) -> None:
    """So no sheet is replaced by one."""
    portal = portal_of(tmp_path, b2b=[row()])
    with pytest.raises(InvalidInput, match=r"an upload is a \.json file"):
        write_upload(tmp_path / name, portal, [portal.invoices[0].accept()], overwrite=True)


def test_no_file_is_replaced_silently_and_the_download_never(tmp_path: Path, out: Path) -> None:
    """Nor half written."""
    portal = portal_of(tmp_path, b2b=[row()])
    decisions = [portal.invoices[0].accept()]
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"upload\.json is there already"):
        write_upload(out, portal, decisions)
    assert out.read_text(encoding="utf-8") == "mine"
    with pytest.raises(InvalidInput, match="is the download itself"):
        write_upload(tmp_path / "portal.json", portal, decisions, overwrite=True)
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "portal.json")
    with pytest.raises(InvalidInput, match="is the download itself"):
        write_upload(link, portal, decisions, overwrite=True)
    assert read_portal(tmp_path / "portal.json", gstin=GSTIN) == portal
    write_upload(out, portal, decisions, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.json", "portal.json", "upload.json"]

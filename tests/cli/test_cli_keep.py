"""`pull --keep`: a further pull brings files up to date, and loses nothing that was typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import attrs
import pytest

from ims_async import files
from ims_async.bulk import Pulled
from ims_async.cli.inputs.pulled import PulledFiles
from ims_async.simulator import Fault
from tests.cli.cli_shell import QUICK, Ended, Shell, opened, read_rows, write_rows
from tests.cli.test_cli_match import write_register
from tests.support.soffice import saved_by_libreoffice
from tests.support.workbooks import Edit, part_of, rows_of, type_into

SECTIONS = {"itc_reduction_required": False, "taxpayers": 2, "invoices": 40}
FORMATS = ("csv", "xlsx")


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gsp_name: str
) -> Iterator[Shell]:
    """A shell with sessions of two taxpayers."""
    with opened(tmp_path, monkeypatch, capsys, gsp_name, **SECTIONS) as found:
        found.log_in_all()
        yield found


def rows_in(file: Path) -> list[dict[str, Any]]:
    """Return a file's rows by column, in either format."""
    return rows_of(file) if file.suffix == ".xlsx" else list(read_rows(file))


def typed(file: Path, edit: Edit) -> Path:
    """Let a person type into a file."""
    if file.suffix == ".xlsx":
        type_into(file, edit)
    else:
        rows: list[dict[str, str]] = [{**row, **edit(row)} for row in read_rows(file)]  # type: ignore[dict-item]
        names = dict.fromkeys(name for row in rows for name in row)
        write_rows(file, [{name: row.get(name, "") for name in names} for row in rows])
    return file


@attrs.define
class World:
    """What happens at the gateway between two pulls."""

    shell: Shell
    gstin: str

    @property
    def book(self) -> Any:
        """The records of the section b2b, by key."""
        return self.shell.sim._world._books[self.gstin]["b2b"]

    def untouched(self, count: int) -> list[Any]:
        """Return so many records that nobody has acted on, filed ones."""
        found = [one for one in self.book.values() if one.action == "N" and one.filed]
        numbers = Counter(one.number for one in self.book.values())
        return [one for one in found if numbers[one.number] == 1][:count]

    def amend(self, one: Any) -> None:
        """Let the supplier edit it."""
        self.shell.sim.edit(self.gstin, "b2b", one.number, supplier=one.supplier, period=one.period)

    def put(self, one: Any, **facts: Any) -> None:
        """Let it be another one."""
        self.book[one.key] = replace(one, **facts)

    def remove(self, one: Any) -> None:
        """Let it go."""
        del self.book[one.key]


def keep(shell: Shell, *words: object) -> Ended:
    """Pull again, and keep what was typed."""
    return shell.run("pull", "--keep", *words, *QUICK, "--json")


def by_hash(file: Path) -> dict[str, dict[str, Any]]:
    """Return a file's rows by hash."""
    return {row["hash"]: row for row in rows_in(file)}


@pytest.mark.both_gsps
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_second_pull_keeps_what_was_typed_and_says_what_has_changed(shell: Shell, suffix: str) -> None:
    """Every change, with and without an action; a third pull writes nothing; push sends what still holds."""
    world = World(shell, shell.gstin)
    amended, bare, acted, done, gone, left, late, same, filed = world.untouched(9)
    world.put(filed, filed=False)
    world.remove(late)
    file = shell.pulled(f"nov.{suffix}")
    actions = {one.hash: "Reject" for one in (amended, acted)}
    actions |= {one.hash: "Accept" for one in (done, gone, same, filed)}

    def edit(row: dict[str, Any]) -> Mapping[str, object]:
        action, notes = actions.get(row["hash"]), {"my notes": f"ask {row['number']}"}
        return {**notes, "action": action, "remarks": "x"} if action else notes

    typed(file, edit)
    before = by_hash(file)
    world.amend(amended)
    world.amend(bare)
    world.put(acted, action="P")
    world.put(done, action="A")
    world.remove(gone)
    world.remove(left)
    world.put(late)
    world.put(filed, filed=True)
    ended = keep(shell, file)
    assert ended.code == 0, ended.err
    expected = {
        "new": 1, "amended": 2, "now filed": 1, "action changed": 1, "as decided": 1, "gone": 2,
        "unchanged": len(before) - 7,
    }  # fmt: skip
    assert ended.json()["changes"] == expected
    assert (ended.json()["set_aside"], ended.json()["unread"]) == (3, 0)

    rows = rows_in(file)
    assert list(rows[0])[:9] == [*list(before[same.hash])[:7], "change", "earlier action"]
    now = {row["number"]: row for row in rows if row["section"] == "b2b"}
    marks = {
        amended: "amended", bare: "amended", acted: "action changed", done: "as decided", gone: "gone",
        left: "gone", late: "new", same: "unchanged", filed: "now filed",
    }  # fmt: skip
    assert {one.number: now[one.number]["change"] for one in marks} == {
        one.number: mark for one, mark in marks.items()
    }
    cells = {
        one.number: (now[one.number]["action"], now[one.number]["earlier action"])
        for one in (amended, acted, done, gone, same, filed, left, late)
    }
    assert cells == {
        amended.number: ("", "Reject"), acted.number: ("", "Reject"), done.number: ("", "Accept"),
        gone.number: ("", "Accept"), same.number: ("Accept", ""), filed.number: ("Accept", ""),
        left.number: ("", ""), late.number: ("", ""),
    }  # fmt: skip
    assert [row["my notes"] for row in rows] == [
        "" if row["number"] == late.number else f"ask {row['number']}" for row in rows
    ]
    assert {now[one.number]["remarks"] for one in (amended, acted, done, gone, same, filed)} == {"x"}
    edited = shell.sim.record(shell.gstin, "b2b", *amended.key)
    assert now[amended.number]["hash"] == edited.hash != amended.hash
    assert float(now[amended.number]["taxable value"]) == float(edited.taxable)
    assert [now[one.number]["action when pulled"] for one in (acted, done)] == ["P", "A"]
    assert [row["hash"] for row in rows[: len(before)] if row["hash"] in before] == [
        hash_ for hash_ in before if hash_ not in (amended.hash, bare.hash)
    ]

    content = file.read_bytes()
    again = keep(shell, file)
    assert (again.code, file.read_bytes()) == (0, content)
    assert again.json()["changes"] == dict.fromkeys(expected, 0) | {"unchanged": len(before) - 1, "gone": 2}

    assert shell.run("check", file).code == 0
    ended = shell.run("push", file, "--yes", "--report", "outcome.csv", *QUICK)
    assert ended.code == 0, ended.err
    outcomes = {row["number"]: row["outcome"] for row in read_rows(Path("outcome.csv"))}
    assert outcomes == {same.number: "applied", filed.number: "applied"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_was_set_aside_waits_for_a_person(shell: Shell, suffix: str) -> None:
    """Its mark stays over further pulls, match leaves it alone; decided again, it is pushed."""
    world = World(shell, shell.gstin)
    amended, other = world.untouched(2)
    file = typed(
        shell.pulled(f"nov.{suffix}", "--section", "b2b"),
        lambda row: {"action": "Reject"} if row["hash"] == amended.hash else {},
    )
    world.amend(amended)
    options = ("--section", "b2b")
    said = shell.run("pull", "--keep", file, *options, *QUICK)
    assert "1 action that you typed is now in 'earlier action': its record has changed since." in said.out
    world.amend(other)
    assert keep(shell, file, *options).json()["set_aside"] == 0
    marks = {row["number"]: row["change"] for row in rows_in(file)}
    assert (marks[amended.number], marks[other.number]) == ("amended", "amended")
    write_register(shell.here / "books.csv", [])
    policy = shell.here / "firm.toml"
    policy.write_text('[kinds]\n"not in books" = "reject"\n', encoding="utf-8")
    register = ("--register", "books.csv", "--policy", policy)
    ended = shell.run("match", file, *register)
    assert ended.code == 0, ended.err
    assert "1 is changed since you decided" in ended.out
    rows = {row["number"]: row for row in rows_in(file)}
    assert (rows[amended.number]["action"], rows[amended.number]["match"]) == ("", "not in books")
    assert rows[other.number]["action"] == "R"
    typed(file, lambda row: {"action": "Accept" if row["number"] == amended.number else ""})
    assert keep(shell, file, *options).json()["set_aside"] == 0
    ended = shell.run("push", file, "--yes", *QUICK)
    assert ended.code == 0, ended.err
    assert shell.sim.record(shell.gstin, "b2b", *amended.key).action == "A"
    assert shell.run("match", file, *register, "--overwrite-actions").code == 0


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_row_that_is_gone_is_no_record_to_anybody(shell: Shell, suffix: str) -> None:
    """Match, followup and reset pass it over; a decision typed on it is refused by name; it may come back."""
    world = World(shell, shell.gstin)
    gone, *others = world.untouched(3)
    file = typed(shell.pulled(f"nov.{suffix}", "--section", "b2b"), lambda _: {"my notes": "mine"})
    count = len(rows_in(file))
    world.remove(gone)
    assert keep(shell, file, "--section", "b2b").json()["changes"]["gone"] == 1
    write_register(shell.here / "books.csv", [])
    assert shell.run("match", file, "--register", "books.csv", "--json").json()["records"] == count - 1
    typed(file, lambda row: {"action": "A"} if row["number"] in {one.number for one in others} else {})
    ended = shell.run("reset", file, "--yes", "--json", *QUICK)
    assert ended.code == 0, ended.err
    typed(file, lambda row: {"action": "A"} if row["number"] == gone.number else {})
    ended = shell.run("push", file, "--yes", *QUICK)
    assert (ended.code, f"{gone.number} from {gone.supplier}: the gateway does not show" in ended.err) == (
        2, True
    )  # fmt: skip
    assert keep(shell, file, "--section", "b2b").json()["set_aside"] == 1
    assert shell.run("push", file, "--yes", *QUICK).code == 0
    world.put(gone)
    ended = keep(shell, file, "--section", "b2b")
    assert (ended.json()["changes"]["gone"], len(rows_in(file))) == (0, count)
    (row,) = (row for row in rows_in(file) if row["number"] == gone.number)
    assert (row["earlier action"], row["my notes"], row["action"]) == ("A", "mine", "")


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_folder_is_kept_taxpayer_by_taxpayer(shell: Shell, suffix: str) -> None:
    """All of its taxpayers, without naming them; one who cannot be read keeps the file as it was."""
    first, second = shell.sim.gstins
    folder = shell.pulled_all("november/", "--format", suffix)
    files_of = {gstin: folder / f"{gstin}.{suffix}" for gstin in (first, second)}
    assert sorted(folder.iterdir()) == sorted(files_of.values())
    for file in files_of.values():
        typed(file, lambda row: {"my notes": row["number"]})
    before = {gstin: file.read_bytes() for gstin, file in files_of.items()}
    for gstin in files_of:
        World(shell, gstin).amend(World(shell, gstin).untouched(1)[0])
    shell.sim.end_session(second)
    ended = keep(shell, f"{folder}/")
    assert ended.code == 1
    found = ended.json()["taxpayers"]
    assert (found[first]["changes"]["amended"], "error" in found[second]) == (1, True)
    assert files_of[second].read_bytes() == before[second]
    shell.log_in_all(first)
    ended = keep(shell, folder, "--gstin", second)
    assert (ended.code, list(ended.json()["taxpayers"])) == (0, [second]), ended.err
    assert all(row["my notes"] == row["number"] for row in rows_in(files_of[second]))
    said = shell.run("pull", "--keep", folder, *QUICK)
    assert (said.code, "changes since the last pull" in said.out) == (0, True)
    files_of[second].unlink()
    ended = keep(shell, folder, "--gstin", first, "--gstin", second)
    assert (ended.code, sorted(folder.iterdir())) == (0, sorted(files_of.values()))


@pytest.mark.parametrize("suffix", FORMATS)
def test_one_file_of_many_taxpayers_is_kept(shell: Shell, suffix: str) -> None:
    """It is written once, when all are read; of those that cannot be, the rows stay as they are."""
    first, second = shell.sim.gstins
    file = shell.pulled_all(f"all.{suffix}")
    count = len(rows_in(typed(file, lambda row: {"my notes": row["hash"]})))
    for gstin in (first, second):
        World(shell, gstin).amend(World(shell, gstin).untouched(1)[0])
    shell.sim.end_session(second)
    ended = keep(shell, file)
    assert (ended.code, ended.json()["changes"]["amended"]) == (1, 1)
    rows = rows_in(file)
    assert Counter(row["change"] for row in rows if row["GSTIN"] == second) == {"": count // 2}
    shell.log_in_all(first)
    ended = keep(shell, file)
    assert (ended.code, ended.json()["changes"]["amended"]) == (0, 1), ended.err
    assert Counter(row["change"] for row in rows_in(file)) == {"unchanged": count - 2, "amended": 2}
    assert all(row["my notes"] for row in rows_in(file))


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_is_gone_where_not_everything_was_read(shell: Shell, suffix: str) -> None:
    """Of a section that was not asked for, or at one action only; those rows stay as they are."""
    file = shell.pulled(f"nov.{suffix}")
    others = sum(row["section"] != "b2b" for row in rows_in(file))
    acted = sum(row["section"] == "b2b" and row["action when pulled"] != "N" for row in rows_in(file))
    said = shell.run("pull", "--keep", file, "--section", "b2b", *QUICK)
    assert f"{others} rows are as before: the records were not read." in said.out
    found = keep(shell, file, "--section", "b2b").json()
    assert (found["changes"]["gone"], found["unread"]) == (0, others)
    found = keep(shell, file, "--section", "b2b", "--status", "no_action").json()
    assert (found["changes"]["gone"], found["unread"]) == (0, others + acted)
    assert acted > 0 < others


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_cannot_be_kept_is_refused_by_name_before_anything_is_asked(
    shell: Shell, suffix: str
) -> None:
    """A register in the folder, a half file; two files of one taxpayer; a column `change` of one's own."""
    folder = shell.pulled_all("november/", "--format", suffix)
    file = folder / f"{shell.gstin}.{suffix}"
    content, asked = {one: one.read_bytes() for one in folder.iterdir()}, len(shell.sim.requests)
    other = folder / "purchases.csv"
    other.write_text("Bill No,Bill Date\n1,2\n")
    ended = keep(shell, folder)
    assert (ended.code, "purchases.csv is not a file of pull's" in ended.out) == (2, True)
    other.unlink()
    (folder / f"copy.{suffix}").write_bytes(content[file])
    ended = keep(shell, folder)
    assert (ended.code, "keep them in one file" in ended.out) == (2, True)
    (folder / f"copy.{suffix}").write_bytes(b"PK\3\4 spoilt")
    assert keep(shell, folder).code == 2
    (folder / f"copy.{suffix}").unlink()
    assert {one: one.read_bytes() for one in folder.iterdir()} == content
    assert len(shell.sim.requests) == asked
    typed(file, lambda _: {"change": "ring them up"})
    ended = keep(shell, file)
    assert (ended.code, "column change: 'ring them up' is nothing that a pull writes" in ended.out) == (
        2,
        True,
    )
    ended = keep(shell, file, "--gstin", shell.sim.gstins[1])
    assert (ended.code, "of none of the taxpayers asked for" in ended.out) == (2, True)


def test_where_it_goes_is_said_once(shell: Shell) -> None:
    """With --out or with --keep; --format is for folders, and knows the formats."""
    assert "--out for a new one" in shell.run("pull").err
    assert shell.run("pull", "--out", "a.csv", "--keep", "b.csv").code == 2
    assert (
        "--format is for the files in a folder" in shell.run("pull", "--out", "a.csv", "--format", "csv").err
    )
    ended = shell.run("pull", "--out", "nov/", "--format", "ods")
    assert (ended.code, ".ods files are not supported" in ended.err) == (2, True)


@pytest.mark.parametrize("suffix", FORMATS)
def test_keep_makes_what_is_not_there(shell: Shell, suffix: str) -> None:
    """A first pull by the same command; a folder has the format of its files afterwards."""
    assert keep(shell, f"nov.{suffix}").code == 0
    assert len(rows_in(Path(f"nov.{suffix}"))) == 40
    assert keep(shell, "november/", "--format", suffix).code == 0
    first, second = shell.sim.gstins
    assert shell.run("pull", "--out", "november/", "--gstin", second, *QUICK).code == 0
    assert sorted(Path("november").iterdir()) == sorted(
        Path("november", f"{gstin}.{suffix}") for gstin in (first, second)
    )


def test_a_taxpayer_who_had_no_records_gets_them(shell: Shell) -> None:
    """Its file is empty but for the header, and names it: it is not the taxpayer of IMS_GSTIN."""
    gstin = shell.sim.gstins[1]
    books = shell.sim._world._books[gstin]
    kept = {section: dict(own) for section, own in books.items()}
    for own in books.values():
        own.clear()
    assert shell.run("pull", "--out", "november/", "--gstin", gstin, *QUICK).code == 0
    for section, own in kept.items():
        books[section].update(own)
    ended = keep(shell, "november/")
    assert (ended.code, ended.json()["changes"]["new"]) == (0, 40), ended.err
    assert len(read_rows(Path("november", f"{gstin}.csv"))) == 40


def test_a_file_is_due_once_all_of_its_taxpayers_are_read() -> None:
    """So that of a large folder only a few taxpayers are in memory."""
    one, many = Path("a.csv"), Path("all.csv")
    found = PulledFiles({"A": one, "B": many, "C": many, "D": many}, {one, many}, check=True)
    assert found.each == [one, many]
    assert [found.add(Pulled(gstin=gstin)) for gstin in "BACD"] == [None, one, None, many]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("how", ["crash", "ctrl-c", "saved meanwhile"])
def test_a_pull_that_is_broken_off_leaves_the_file_whole(
    shell: Shell, suffix: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half written stays, and a file that a person saves meanwhile is theirs."""
    file = typed(shell.pulled(f"nov.{suffix}"), lambda row: {"my notes": row["number"]})
    World(shell, shell.gstin).amend(World(shell, shell.gstin).untouched(1)[0])
    content = file.read_bytes()
    if how == "saved meanwhile":
        calls = iter([(1, 1, 1), (1, 1, 1), (2, 2, 2)])
        monkeypatch.setattr(files, "stamp_of", lambda _: next(calls))
    else:
        error = KeyboardInterrupt() if how == "ctrl-c" else RuntimeError("power cut")

        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(files, "check_writable", _failing_second(files.check_writable, fail, file))
    ended = shell.run("pull", "--keep", file, *QUICK)
    assert ended.code != 0
    assert file.read_bytes() == content
    assert [one.name for one in shell.here.iterdir() if one.suffix == ".part"] == []
    if how == "saved meanwhile":
        assert "was saved by another program meanwhile" in ended.err


def _failing_second(check: Any, fail: Any, file: Path) -> Any:
    """Fail where the new content is complete, and about to replace the file."""

    def wrapped(path: Any, **options: Any) -> None:
        if list(file.parent.glob(".ims-async-*.part")):
            fail()
        check(path, **options)

    return wrapped


def test_a_failing_gateway_leaves_the_file_whole(shell: Shell) -> None:
    """As a command that was never given."""
    file = typed(shell.pulled(), lambda _: {"my notes": "mine"})
    content = file.read_bytes()
    shell.sim.script_fault("invoices", *[Fault.refused(400)] * 20)
    assert keep(shell, file).code != 0
    assert file.read_bytes() == content


def test_rows_that_a_spreadsheet_has_rewritten_are_kept(shell: Shell) -> None:
    """They are known by their hash, and get their ids again; an amended one by what its ids may have been."""
    world = World(shell, shell.gstin)
    amended, *_ = world.untouched(1)
    file = shell.pulled()
    before = {row["hash"]: row for row in read_rows(file)}
    typed(
        file,
        lambda row: {
            "number": row["number"].lstrip("0"),
            "return period": row["return period"].lstrip("0"),
            "date": "-".join(reversed(row["date"].split("-"))),
            "IGST": "1.2E+05",
            "action": "A" if row["hash"] == amended.hash else "",
        },
    )
    world.amend(amended)
    ended = keep(shell, file)
    assert (ended.code, ended.json()["set_aside"]) == (0, 1), ended.err
    assert ended.json()["changes"]["unchanged"] == len(before) - 1
    for row in read_rows(file):
        old = before.get(row["hash"], row)
        assert (row["number"], row["date"], row["IGST"]) == (old["number"], old["date"], old["IGST"])


def test_a_sheet_of_which_a_part_was_sorted_by_itself_is_refused(shell: Shell) -> None:
    """Else its decisions would go to other records than those they were typed at."""
    file = shell.pulled()
    rows = read_rows(file)
    hashes = [row["hash"] for row in rows]
    for row, text in zip(rows, [*hashes[1:], hashes[0]], strict=True):
        row["hash"] = text
    write_rows(file, rows)
    content = file.read_bytes()
    ended = keep(shell, file)
    assert (ended.code, "has a part of the sheet been sorted by itself?" in ended.out) == (2, True)
    assert file.read_bytes() == content


@pytest.mark.parametrize("locale", ["en-IN", "de-DE"])
def test_a_kept_workbook_that_libreoffice_has_saved_is_kept_matched_and_pushed(
    shell: Shell, locale: str
) -> None:
    """Everything typed is there, the lists and locks are, and every decision is applied."""
    world = World(shell, shell.gstin)
    amended, same, *_ = world.untouched(2)
    options = ("--section", "b2b", "--section", "cn")
    file = shell.pulled("nov.xlsx", *options)
    typed(file, lambda row: {"my notes": f"00{row['number']}", "due": 12.5, "action": "Accept"})
    world.amend(amended)
    assert keep(shell, file, *options).json()["changes"]["amended"] == 1
    typed(file, lambda row: {"action": "Accept" if row["hash"] == same.hash else ""})
    saved = saved_by_libreoffice(file, locale)
    content, before = saved.read_bytes(), rows_in(saved)
    found = keep(shell, saved, *options)
    assert (found.code, found.json()["changes"]["unchanged"]) == (0, len(before)), found.err
    assert saved.read_bytes() == content
    world.put(world.untouched(9)[-1], action="R")
    assert keep(shell, saved, *options).json()["changes"]["action changed"] == 1
    write_register(shell.here / "books.csv", [])
    assert shell.run("match", saved, "--register", "books.csv").code == 0
    after = rows_in(saved)
    typed_columns = ("action", "earlier action", "remarks", "ITC reduction", "my notes", "due")
    for old, row in zip(before, after, strict=True):
        assert [row[name] for name in typed_columns] == [old[name] for name in typed_columns]
        assert (row["number"], row["date"], row["value"]) == (old["number"], old["date"], old["value"])
    sheet = part_of(saved)
    assert ("<dataValidation " in sheet, "<sheetProtection " in sheet) == (True, True)
    ended = shell.run("push", saved, "--yes", "--report", "outcome.csv", *QUICK)
    assert ended.code == 0, ended.err
    assert [row["outcome"] for row in read_rows(Path("outcome.csv"))] == ["applied"]


@pytest.mark.parametrize("locale", ["en-IN", "de-DE"])
def test_a_csv_file_that_libreoffice_has_saved_is_kept_and_pushed(shell: Shell, locale: str) -> None:
    """Its ids are those of the gateway again, whatever the spreadsheet made of them; what was typed stays."""
    world = World(shell, shell.gstin)
    amended, same, *_ = world.untouched(2)
    file = shell.pulled("nov.csv", "--section", "b2b")
    decided = (amended.hash, same.hash)
    typed(file, lambda row: {"my notes": "Ravi, he knows", "action": "A" if row["hash"] in decided else ""})
    before = by_hash(file)
    saved = saved_by_libreoffice(file, locale, to="csv")
    world.amend(amended)
    ended = keep(shell, saved, "--section", "b2b")
    assert (ended.code, ended.json()["changes"]["amended"]) == (0, 1), ended.err
    rows = by_hash(saved)
    assert {row["my notes"] for row in rows.values()} == {"Ravi, he knows"}
    for hash_, row in before.items():
        if hash_ != amended.hash:
            assert {name: rows[hash_][name] for name in row} == row
    content = saved.read_bytes()
    assert keep(shell, saved, "--section", "b2b").code == 0
    assert saved.read_bytes() == content
    ended = shell.run("push", saved, "--yes", "--report", "outcome.csv", *QUICK)
    assert (ended.code, "rewritten" in ended.err) == (0, False)
    assert [row["number"] for row in read_rows(Path("outcome.csv"))] == [same.number]

"""Files are written in one way: no mode is widened, no link replaced, nothing lost or replaced unasked."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ims_async import FileCredentialStore, InvalidInput, JobReport, JobState, files, tables
from ims_async.gsp.base import Token
from ims_async.journal import SqliteJournal
from ims_async.model.sales import AddedBackLiability, SalesInvoice
from ims_async.model.secret import Secret
from tests.tables.test_tables import make_invoice

from .support.journals import add, decisions

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and links are those of POSIX")

REPORT = JobReport(state=JobState.SUCCEEDED, submitted=1)
NO_SALES: list[SalesInvoice] = []
NO_DEBTS: list[AddedBackLiability] = []
WRITERS: dict[str, Callable[..., Any]] = {
    "invoices": lambda file, **options: tables.write_invoices(file, [make_invoice()], **options),
    "sales": lambda file, **options: tables.write_sales(file, NO_SALES, **options),
    "liabilities": lambda file, **options: tables.write_added_back(file, NO_DEBTS, **options),
    "report": lambda file, **options: tables.write_report(file, REPORT, **options),
}


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Each of the library's writers."""
    return WRITERS[request.param]


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path: Path, write: Callable[..., Any]) -> None:
    """Write over a private file, by way of a link in another folder."""
    file, link = tmp_path / "data" / "a.csv", tmp_path / "link.csv"
    file.parent.mkdir()
    file.write_text("what was there")
    file.chmod(0o600)
    link.symlink_to(file)
    write(link)
    assert link.is_symlink()
    assert mode(file) == 0o600
    assert file.read_text("utf-8") != "what was there"
    assert [path.name for path in file.parent.iterdir()] == ["a.csv"]


def test_a_new_file_has_the_usual_mode(tmp_path: Path, write: Callable[..., Any]) -> None:
    """As any program's file."""
    (tmp_path / "usual").touch()
    write(tmp_path / "a.csv")
    assert mode(tmp_path / "a.csv") == mode(tmp_path / "usual")


def test_a_file_that_is_there_is_replaced_only_if_that_is_wanted(
    tmp_path: Path, write: Callable[..., Any]
) -> None:
    """The library replaces by default, but with `overwrite=False` no file that holds something."""
    file = tmp_path / "a.csv"
    file.touch()
    write(file, overwrite=False)
    content = file.read_bytes()
    file.write_text("Dear Sir")
    with pytest.raises(
        InvalidInput, match=r"a\.csv is there already: choose another name, or pass overwrite=True$"
    ):
        write(file, overwrite=False)
    assert file.read_text() == "Dear Sir"
    write(file)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "suffix",
    [
        ".ods",
        ".xlsm",
        ".csv.gz",
        ".zip",
        ".json",
        ".pdf",
        ".numbers",
        ".feather",
        ".tsv",
    ],
)
def test_a_suffix_of_another_format_is_refused(
    tmp_path: Path, write: Callable[..., Any], suffix: str
) -> None:
    """A program would call the file damaged, or take it for something else: one that is not written."""
    with pytest.raises(InvalidInput, match="files are not supported, name a"):
        write(tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.txt", "a", "november.30/a", "a.b.csv"])
def test_a_name_of_plain_text_is_taken(tmp_path: Path, write: Callable[..., Any], name: str) -> None:
    """By its last suffix, or without one."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write(tmp_path / name)
    assert (tmp_path / name).stat().st_size


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("bits", [0o640, 0o600, 0o4755])
def test_a_file_keeps_its_owner(tmp_path: Path, write: Callable[..., Any], bits: int) -> None:
    """Root writes over the file of somebody else, who can go on with it."""
    file = tmp_path / "a.csv"
    file.write_text("what was there")
    os.chown(file, 1234, 4321)
    file.chmod(bits)
    write(file)
    found = file.stat()
    assert (found.st_uid, found.st_gid, mode(file)) == (1234, 4321, bits)


def test_an_owner_that_cannot_be_kept_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., Any]
) -> None:
    """Who may write a file may not always give the new one to its owner; the group may be theirs to give."""
    file, given = tmp_path / "a.csv", []
    file.write_text("what was there")

    def fchown(handle: int, owner: int, group: int) -> None:
        given.append((owner, group))
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", fchown)
    write(file)
    assert given == [(-1, file.stat().st_gid), (file.stat().st_uid, -1)]
    assert file.read_text("utf-8") != "what was there"


def test_what_is_written_is_on_the_disk_before_it_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., Any]
) -> None:
    """The content before it takes the old one's place, the folder after that."""
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def replacing(self: Path, target: Path) -> Path:
        steps.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replacing)
    write(tmp_path / "a.csv")
    assert steps == ["file", "replace", "folder"]


def test_a_file_that_was_saved_since_it_was_read_is_not_replaced(tmp_path: Path) -> None:
    """With its stamp; one that was not is."""
    file = tmp_path / "nov.csv"
    file.write_text("before")
    stamp = files.stamp_of(file)
    with files.replacing(file, as_read=stamp) as out:
        out.write("after")
    assert (file.read_text(), files.stamp_of(tmp_path / "none.csv")) == ("after", None)
    with pytest.raises(InvalidInput, match="saved by another program meanwhile: nothing was written"):  # noqa: SIM117
        with files.replacing(file, as_read=stamp) as out:
            out.write("late")
    assert (file.read_text(), [one.name for one in tmp_path.iterdir()]) == ("after", ["nov.csv"])


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """Another program writes it while ours is being written."""
    file = tmp_path / "a.csv"

    def race() -> None:
        with files.replacing(file, overwrite=False) as out:
            out.write("ours")
            file.write_text("theirs")

    with pytest.raises(InvalidInput, match="is there already"):
        race()
    assert file.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "nowhere" / "a.csv", r"there is no folder .*nowhere: make it first"),
        (lambda folder: folder, "it is a folder"),
        (lambda folder: folder / "a\0.csv", "cannot be written: .*null"),
        (lambda folder: folder / ("a" * 300), "cannot be written: file name too long"),
    ],
)
def test_what_cannot_be_written_says_why(tmp_path: Path, make: Callable[[Path], Path], says: str) -> None:
    """Before anything is done."""
    with pytest.raises(InvalidInput, match=says):
        files.check_writable(make(tmp_path))
    with pytest.raises(InvalidInput, match=says):
        tables.write_invoices(make(tmp_path), [])


def test_a_name_that_no_file_can_have_is_none(tmp_path: Path) -> None:
    """Nor a folder, a pipe or a report: where it is opened it is refused."""
    for name in ("a" * 300, "a\0.csv", "a\ud800.csv", "a/b/c"):
        there = (files.is_file, files.is_folder, files.is_stream, tables.is_report)
        assert not any(ask(tmp_path / name) for ask in there)
        with pytest.raises(InvalidInput, match="cannot be read"):
            tables.read_decisions(tmp_path / name)


def test_what_cannot_be_looked_at_is_not_taken_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's folder, a broken disk: an error says so."""

    def refused(path: Path, **_: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refused)
    for ask in (files.is_file, files.is_folder, files.is_stream):
        with pytest.raises(InvalidInput, match=r"theirs/journal.db cannot be reached: permission denied"):
            ask("theirs/journal.db")


def test_a_protected_folder_or_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `access` tells it: these tests may run as root, who may do anything."""
    file = tmp_path / "a.csv"
    file.touch()
    refused: list[Path] = [file]
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) not in refused)
    with pytest.raises(InvalidInput, match="write-protected"):
        files.check_writable(file)
    refused[:] = [tmp_path]
    with pytest.raises(InvalidInput, match="you may not write into the folder"):
        files.check_writable(tmp_path / "b.csv")


def test_a_pipe_is_written_to_without_a_mark(tmp_path: Path) -> None:
    """What reads it may know nothing of byte order marks; a file has one, for Excel. Any name will do."""
    pipe = tmp_path / "to.gz"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        tables.write_invoices(pipe, [], overwrite=False)
        assert os.read(reader, 7) == b"section"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="this system has no /dev/fd")
def test_a_pipe_that_has_no_name_is_written_to() -> None:
    """As a shell hands it over: `--out /dev/stdout` in front of another program."""
    reader, writer = os.pipe()
    try:
        tables.write_invoices(f"/dev/fd/{writer}", [], overwrite=False)
        assert os.read(reader, 7) == b"section"
    finally:
        os.close(reader)
        os.close(writer)


# -- what holds secrets --------------------------------------------------------------------------------


def test_a_credential_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    """Both names share one lock, and the file that is meant has the token."""
    (tmp_path / "safe").mkdir()
    real, link = tmp_path / "safe" / "real.json", tmp_path / "credentials.json"
    link.symlink_to(real)
    kept = Token(value=Secret("tok"), expires_at=None)

    async def save_and_load() -> Token | None:
        await FileCredentialStore(link).save("a", "g", kept)
        return await FileCredentialStore(real).load("a", "g")

    assert asyncio.run(save_and_load()) == kept
    assert link.is_symlink()
    assert mode(real) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["credentials.json", "safe"]


@pytest.mark.parametrize("found", [0o644, 0o666, 0o604])
async def test_a_journal_that_everybody_can_read_is_closed_to_them(
    tmp_path: Path, found: int, caplog: pytest.LogCaptureFixture
) -> None:
    """With its two companions; the log says so once."""
    path = tmp_path / "jobs.db"
    async with SqliteJournal(path) as journal:
        await add(journal, "it")
    path.chmod(found)
    with caplog.at_level(logging.WARNING, "ims_async"):
        async with SqliteJournal(path) as journal:
            assert await journal.records("it") == decisions()
            names = ("jobs.db", "jobs.db-wal", "jobs.db-shm")
            assert [mode(tmp_path / name) for name in names] == [0o600] * 3
    assert f"could be read by everybody (mode {found:03o}): it is 0600 now" in caplog.text


async def test_rights_of_a_group_are_left_to_a_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A deployment that shares it among its programs chose them."""
    path = tmp_path / "jobs.db"
    async with SqliteJournal(path) as journal:
        await add(journal, "it")
    path.chmod(0o660)
    async with SqliteJournal(path) as journal:
        assert await journal.records("it") == decisions()
    assert mode(path) == 0o660
    assert caplog.text == ""

"""Many taxpayers pulled, into one file or a folder: who cannot be read is named, the others are written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ims_async import InvalidInput, tables
from ims_async.cli.commands.pull import Pull
from ims_async.cli.inputs.settings import gstins_of
from ims_async.simulator import Fault
from tests.cli.cli_shell import QUICK, Shell, accept, fill_in, read_rows, shell_of

shell = shell_of(taxpayers=3, invoices=12)


@pytest.mark.both_gsps
def test_all_are_in_one_file_with_whose_they_are(shell: Shell) -> None:
    """The column GSTIN is the first; a push needs nothing else."""
    ended = shell.run("pull", "--out", "all.csv", *shell.named(), *QUICK)
    assert ended.code == 0, ended.err
    rows = read_rows(Path("all.csv"))
    assert next(iter(rows[0])) == "GSTIN"
    assert Counter(row["GSTIN"] for row in rows) == dict.fromkeys(shell.sim.gstins, 12)
    assert "36 records of 3 taxpayers are in all.csv." in ended.out
    assert ended.out.endswith("then: ims-async push all.csv\n")
    assert sorted(ended.err.splitlines()) == sorted(f"{gstin}: 12 records" for gstin in shell.sim.gstins)
    assert [path.name for path in shell.here.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_gets_a_file_for_each(there: bool, shell: Shell) -> None:
    """One that is there, or a name that ends with a slash."""
    if there:
        (shell.here / "november").mkdir()
    out = "november" if there else "november/"
    ended = shell.run("pull", "--out", out, *shell.named(), *QUICK, "--json")
    assert ended.code == 0, ended.err
    assert sorted(path.stem for path in Path("november").iterdir()) == sorted(shell.sim.gstins)
    for gstin in shell.sim.gstins:
        assert {row["GSTIN"] for row in read_rows(Path("november", f"{gstin}.csv"))} == {gstin}
    found = ended.json()
    assert (found["ok"], found["folder"], found["records"]) == (True, "november", 36)
    assert {gstin: facts["records"] for gstin, facts in found["taxpayers"].items()} == dict.fromkeys(
        shell.sim.gstins, 12
    )


def test_one_taxpayers_folder_has_its_file(shell: Shell) -> None:
    """The taxpayer of IMS_GSTIN, without naming any."""
    assert shell.run("pull", "--out", "november/", *QUICK).code == 0
    assert [path.stem for path in Path("november").iterdir()] == [shell.gstin]


@pytest.mark.parametrize(
    "text",
    [
        "{0}\n\n# the second client\n{1}  # Acme\n{2}\n{0}\n",
        "\ufeffGSTIN;name\n{0};Acme\n# nobody\n{1};'=x'\n{2};Zed\n",
        "our clients\n\nGSTIN;name\n{0};Acme\n{1};Bee\n{2};Zed\n",
        'gstin,name\n"{0}","Acme, Tools\nand more"\n{1},\n{2},x\n',
    ],
    ids=["lines", "semicolons", "title", "commas"],
)
def test_a_file_lists_the_taxpayers(text: str, shell: Shell) -> None:
    """A line each with comments; or a CSV file whose first column is GSTIN."""
    Path("clients.txt").write_text(text.format(*shell.sim.gstins), "utf-8")
    ended = shell.run(
        "pull", "--out", "all.csv", "--gstins", "clients.txt", "--section", "b2b", *QUICK, "--json"
    )
    assert ended.code == 0, ended.err
    assert set(ended.json()["taxpayers"]) == set(shell.sim.gstins)
    assert {row["section"] for row in read_rows(Path("all.csv"))} == {"b2b"}


def test_a_pulled_file_lists_its_taxpayers(shell: Shell) -> None:
    """The next month's pull takes the last month's file."""
    shell.pulled_all()
    ended = shell.run("pull", "--out", "next.csv", "--gstins", "all.csv", *QUICK, "--json")
    assert set(ended.json()["taxpayers"]) == set(shell.sim.gstins)


def test_what_is_wrong_with_a_list_is_told_by_line(shell: Shell) -> None:
    """A mistyped GSTIN in it, and one on the command line; a list of nothing; no list."""
    good = shell.gstin
    Path("clients.txt").write_text(f"# ours\n{good}\n{good[:-1]}?\n29AAACQ3770E1Z\n", "utf-8")
    ended = shell.run("pull", "--out", "a.csv", "--gstins", "clients.txt", "--gstin", "x", "--json")
    assert ended.code == 2
    starts = ["--gstin: 'x'", "clients.txt row 3: ", "clients.txt row 4: "]
    found = ended.json()["error"]["problems"]
    assert [problem.startswith(start) for problem, start in zip(found, starts, strict=True)] == [True] * 3
    Path("none.txt").write_text("# nobody\n", "utf-8")
    ended = shell.run("pull", "--out", "a.csv", "--gstins", "none.txt")
    assert (ended.code, "none.txt lists no GSTIN" in ended.err) == (2, True)
    ended = shell.run("pull", "--out", "a.csv", "--gstins", "nothing.txt")
    assert (ended.code, "nothing.txt cannot be read: no such file" in ended.err) == (2, True)
    Path("evil.txt").write_text("../../x\n", "utf-8")
    assert shell.run("pull", "--out", "a/", "--gstins", "evil.txt", "--no-check").code == 2
    Path("latin.txt").write_bytes(b"caf\xe9\n")
    assert "is not UTF-8" in shell.run("pull", "--out", "a.csv", "--gstins", "latin.txt").err


@pytest.mark.both_gsps
@pytest.mark.parametrize("out", ["all.csv", "november/"])
def test_a_dead_session_skips_its_taxpayer_only(out: str, shell: Shell) -> None:
    """The others are written; the exit code is 1, and the way to a session is named."""
    dead = shell.sim.gstins[1]
    shell.sim.end_session(dead)
    ended = shell.run("pull", "--out", out, *shell.named(), *QUICK, "--json")
    assert ended.code == 1
    found = ended.json()
    assert f"`ims-async login --gstin {dead}`" in found["taxpayers"][dead]["error"]
    assert (found["ok"], found["records"]) == (False, 24)
    assert f"{dead} is skipped: " in ended.err
    files = [Path(out)] if out == "all.csv" else list(Path(out).iterdir())
    assert {row["GSTIN"] for file in files for row in read_rows(file)} == set(shell.sim.gstins) - {dead}
    told = shell.run("pull", "--out", out, "--overwrite", *shell.named(), *QUICK).out
    assert f"1 taxpayer skipped: {dead}." in told


def test_where_nobody_can_be_read_the_file_stays_as_it_was(shell: Shell) -> None:
    """End all sessions."""
    file = shell.pulled_all()
    before = file.read_bytes()
    for gstin in shell.sim.gstins:
        shell.sim.end_session(gstin)
    ended = shell.run("pull", "--out", file, *shell.named(), "--overwrite", *QUICK)
    assert (ended.code, file.read_bytes() == before) == (1, True)
    assert "Nothing was written" in ended.out
    assert [path.name for path in shell.here.iterdir() if path.suffix == ".part"] == []


def test_an_empty_wallet_ends_the_asking_and_keeps_what_was_read(shell: Shell) -> None:
    """After the first taxpayer nobody is asked for any more."""
    first, second, third = shell.sim.gstins
    content = b'{"code": 403, "message": "Insufficient wallet credits"}'
    told = Fault("", effect=False, status=403, content=content, headers={"Content-Type": "application/json"})
    shell.sim.script_fault("count", told, told, gstin=second)
    command = ("pull", "--out", "all.csv", *shell.named(), *QUICK, "--concurrency", 1)
    found = shell.run(*command, "--json")
    assert (found.code, shell.sim.count("count", third)) == (1, 0)
    assert {row["GSTIN"] for row in read_rows(Path("all.csv"))} == {first}
    parts = found.json()["taxpayers"]
    assert all("Insufficient wallet credits" in parts[gstin]["error"] for gstin in (second, third))
    ended = shell.run(
        "pull", "--out", "none.csv", "--gstin", second, "--gstin", third, *QUICK, "--concurrency", 1
    )
    assert (ended.code, ended.err) == (1, "Error: 403: Insufficient wallet credits\n")
    assert not Path("none.csv").exists()


def test_decisions_in_a_folder_are_not_written_over(shell: Shell) -> None:
    """All files that are there are named, with what somebody has decided in them; nothing is asked for."""
    folder = shell.pulled_all("november/")
    decided = [folder / f"{gstin}.csv" for gstin in shell.sim.gstins[:2]]
    for file in decided:
        fill_in(file, accept)
    before = len(shell.sim.requests)
    ended = shell.run("pull", "--out", folder, *shell.named(), "--json")
    assert ended.code == 2
    problems = ended.json()["error"]["problems"]
    assert [problem.split(" holds ")[0] for problem in problems[:2]] == [str(file) for file in decided]
    assert problems[2].startswith(f"{folder / shell.sim.gstins[2]}.csv is there already")
    assert len(shell.sim.requests) == before
    assert shell.run("pull", "--out", folder, *shell.named(), "--overwrite", *QUICK).code == 0
    assert tables.read_decisions(decided[0], may_be_empty=True) == []


@pytest.mark.parametrize("out", ["all.csv", "november/"])
def test_a_file_that_comes_to_be_there_while_a_pull_goes_on_is_not_written_over(
    out: str, shell: Shell
) -> None:
    """A long pull, and another program that writes under the same name meanwhile."""
    file = shell.here / out / f"{shell.sim.gstins[0]}.csv" if out.endswith("/") else shell.here / out
    take = Pull._take

    def later(self: Pull, *found: Any) -> None:
        file.write_text("Dear Sir")
        take(self, *found)

    shell.monkeypatch.setattr(Pull, "_take", later)
    ended = shell.run("pull", "--out", out, *shell.named(), *QUICK)
    assert (ended.code, f"{file.relative_to(shell.here)} is there already" in ended.err) == (2, True)
    assert file.read_text() == "Dear Sir"
    assert shell.run("pull", "--out", out, *shell.named(), "--overwrite", *QUICK).code == 0


@pytest.mark.parametrize("out", ["all.csv", "november/"])
def test_a_pull_that_is_there_is_not_replaced_by_another(out: str, shell: Shell) -> None:
    """Not even one that nobody has worked in; it is refused before anything is asked."""
    first = shell.pulled_all(out)
    whole = {file: file.read_bytes() for file in (first.iterdir() if first.is_dir() else [first])}
    before = len(shell.sim.requests)
    ended = shell.run("pull", "--out", out, *shell.named(), *QUICK)
    assert (ended.code, " is there already: choose another name, or pass --overwrite" in ended.err) == (
        2,
        True,
    )
    assert (len(shell.sim.requests), {file: file.read_bytes() for file in whole}) == (before, whole)


def test_a_row_that_cannot_be_read_is_told_with_its_taxpayer(shell: Shell) -> None:
    """The other rows, and the other taxpayers, are written."""
    shell.pulled("whole.csv", "--section", "b2b")
    headers = {
        "x-api-key": "key_test_demo",
        "authorization": shell.sim.token(shell.gstin),
        "x-api-version": "1.0.0",
    }
    path = "/gst/compliance/tax-payer/invoices?section=B2B"
    _, _, body = shell.sim.handle("GET", path, headers)
    shell.sim.script_answer("invoices", 200, body.replace(b'"idt":', b'"day":', 1))
    ended = shell.run(
        "pull", "--out", "all.csv", *shell.named(), "--section", "b2b", "--concurrency", 1, "--json"
    )
    assert ended.code == 1
    (problem,) = ended.json()["taxpayers"][shell.gstin]["problems"]
    assert f"{shell.gstin}: a row cannot be read and is left out: {problem}" in ended.err
    assert {row["GSTIN"] for row in read_rows(Path("all.csv"))} == set(shell.sim.gstins)


def test_the_token_of_the_environment_is_its_taxpayers_only(shell: Shell) -> None:
    """IMS_TOKEN belongs to IMS_GSTIN, whoever else is pulled."""
    for gstin in shell.sim.gstins:
        shell.sim.end_session(gstin)
    shell.with_token()
    found = shell.run("pull", "--out", "all.csv", *shell.named(), *QUICK, "--json").json()["taxpayers"]
    assert [gstin for gstin, facts in found.items() if "records" in facts] == [shell.gstin]


def test_a_folder_that_cannot_be_made_says_so(shell: Shell) -> None:
    """A file has its name."""
    (shell.here / "taken").write_text("a file")
    ended = shell.run("pull", "--out", "taken/", *shell.named())
    assert (ended.code, "taken cannot be made: " in ended.err) == (2, True)


def test_a_list_of_taxpayers_may_have_titles_above_its_heading(tmp_path: Path) -> None:
    """As a spreadsheet saves it, with the line that names its delimiter."""
    file = tmp_path / "clients.csv"
    one, other = "29AAACQ3770E1ZF", "27AAPFU0939F1ZV"
    file.write_text(f"sep=;\nOur clients;November\n;\nGSTIN;name\n{one};Acme\n{other};Zed\n")
    assert gstins_of([], file, check=True) == [one, other]
    file.write_text(f"sep=;\nnonsense;November\n{one};Acme\n")
    with pytest.raises(InvalidInput, match="nonsense"):
        gstins_of([], file, check=True)

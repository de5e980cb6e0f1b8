"""The credential file and several processes: none loses another's token, and none waits for ever."""

# ruff: noqa: ASYNC220, ASYNC240  # the file and its writers are what these tests look at

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ims_async import FileCredentialStore, InvalidInput
from ims_async.gsp.base import Token
from ims_async.model.secret import Secret
from ims_async.net.credential_file import _CHANGES, _lock

TOKEN = Token(value=Secret("tok_secret"), expires_at=1_746_530_932.0)
WRITER = """
import asyncio, sys
from ims_async import FileCredentialStore
from ims_async.model.secret import Secret
from ims_async.gsp.base import Token
from ims_async.net import credential_file

async def main(path, name, changes):
    credential_file._CHANGES = int(changes)
    store = FileCredentialStore(path)
    for number in range(25):
        await store.save(name, f"gstin{number}", Token(value=Secret(f"{name}-{number}")))

sys.stdin.readline()  # so that all begin at once
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("changes", [_CHANGES, -_CHANGES], ids=["adding lines", "replacing the file"])
async def test_processes_that_write_at_once_lose_nothing(changes: int, tmp_path: Path) -> None:
    """Three write twenty-five tokens each, all between the others' reading and writing."""
    path = tmp_path / "credentials.json"
    names = ["a", "b", "c"]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, str(changes)], stdin=subprocess.PIPE)
        for name in names
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.close()
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    store = FileCredentialStore(path)
    for name in names:
        kept = [await store.load(name, f"gstin{number}") for number in range(25)]
        assert [token and token.value.reveal() for token in kept] == [f"{name}-{n}" for n in range(25)]
    assert sorted(file.name for file in tmp_path.iterdir()) == [".credentials.json.lock", "credentials.json"]
    if os.name == "posix":
        assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.looptime
async def test_a_write_waits_for_its_turn_and_says_so_when_it_does_not_come(tmp_path: Path) -> None:
    """Reading does not wait: what is there is always whole. A wait that is given up leaves no lock behind."""
    path = tmp_path / "credentials.json"
    store = FileCredentialStore(path)
    await store.save("account", "gstin", TOKEN)
    with (tmp_path / ".credentials.json.lock").open("r+b") as other:
        _lock(other.fileno())
        with pytest.raises(InvalidInput, match="locked by another process"):
            await store.save("account", "gstin", None)
        assert await store.load("account", "gstin") == TOKEN
        given_up = asyncio.create_task(store.save("account", "gstin", None))
        waiting = asyncio.create_task(store.save("account", "other", TOKEN))
        await asyncio.sleep(1.0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert not waiting.done()
    await waiting
    assert await store.load("account", "gstin") == TOKEN
    assert await store.load("account", "other") == TOKEN


async def test_a_file_system_without_locks_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some network drives are."""

    def none(_: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("ims_async.net.credential_file._lock", none)
    store = FileCredentialStore(tmp_path / "credentials.json")
    await store.save("account", "gstin", TOKEN)
    assert await store.load("account", "gstin") == TOKEN


async def test_names_with_paths_in_them_stay_in_the_file(tmp_path: Path) -> None:
    """They are keys, not places."""
    store = FileCredentialStore(tmp_path / "folder" / "credentials.json")
    await store.save("../../account", "../other", TOKEN)
    assert await store.load("../../account", "../other") == TOKEN
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]
    assert len(list((tmp_path / "folder").iterdir())) == 2

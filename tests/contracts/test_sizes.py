"""How big the parts of the package may be: what is bigger is split along what it does, or listed here."""

from __future__ import annotations

import ast
import functools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import ims_async

ROOT: Final = Path(ims_async.__file__).parent
PYPROJECT: Final = Path(__file__).parents[2] / "pyproject.toml"

MOST: Final = {"file": 350, "class": 250, "function": 45, "folder": 14}
"""Lines of a file, a class, a function with its decorators left out; modules in one folder."""
MOST_ENTRIES: Final = 20  # at the top level: modules and packages
MOST_LAYERS: Final = 12  # of the contract that says which package may import which

# What is bigger, and how big. What fits is struck off; a figure is raised for a reason only.
BIGGER: Final = {
    # The reading of a row, written out by hand: each call more would be felt 100,000 times.
    "function gsp/codec/rows.py _quick_reader": 57,
}


def _sizes(root: Path) -> Iterator[tuple[str, int]]:
    folders: dict[Path, int] = {}
    for path in root.rglob("*.py"):
        folders[path.parent] = folders.get(path.parent, 0) + 1
        text, name = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
        yield f"file {name}", len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                kind = "class" if isinstance(node, ast.ClassDef) else "function"
                yield f"{kind} {name} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1
    for folder, modules in folders.items():
        yield f"folder {folder.relative_to(root).as_posix()}", modules


@functools.cache
def _too_big(root: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, size in _sizes(root):
        if size > MOST[name.partition(" ")[0]]:
            found[name] = max(size, found.get(name, 0))
    return found


def _entries(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}


def test_nothing_is_bigger_than_it_may_be() -> None:
    """A file, class, function or folder over its limit is in the list, and no bigger than it says."""
    assert {name: size for name, size in _too_big(ROOT).items() if size > BIGGER.get(name, 0)} == {}


def test_what_fits_is_struck_off() -> None:
    """Or it could grow again unnoticed."""
    assert set(BIGGER) - set(_too_big(ROOT)) == set()


def test_the_top_level_stays_short() -> None:
    """It is read at a glance by those who open the package for the first time."""
    assert 0 < len(_entries(ROOT)) <= MOST_ENTRIES


def test_the_contract_of_layers_stays_short() -> None:
    """A dozen lines say who may import whom."""
    settings = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    assert 0 < len(layers) <= MOST_LAYERS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\n" * 351, {"file part/one.py": 351}),
        ("class Long:\n" + "    a = 1\n" * 250, {"class part/one.py Long": 251}),
        ("async def long():\n" + "    a = 1\n" * 45, {"function part/one.py long": 46}),
        ("class Short:\n    def long(self):\n" + "        a = 1\n" * 45, {"function part/one.py long": 46}),
        ("def short():\n" + "    a = 1\n" * 44, {}),
    ],
    ids=["file", "class", "function", "method", "nothing"],
)
def test_what_is_too_big_is_found(tmp_path: Path, text: str, found: dict[str, int]) -> None:
    """See that the tests above can fail."""
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "one.py").write_text(text, encoding="utf-8")
    assert _too_big(tmp_path) == found


def test_a_folder_of_too_many_modules_is_found(tmp_path: Path) -> None:
    """See that of these too."""
    for number in range(15):
        (tmp_path / f"m{number}.py").touch()
    assert _too_big(tmp_path) == {"folder .": 15}
    assert len(_entries(tmp_path)) == 15

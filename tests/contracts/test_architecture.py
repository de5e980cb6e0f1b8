"""docs/architecture.md says what the code says."""

from __future__ import annotations

import re
import tomllib
from typing import Final

from ims_async.journal import Phase

from ..support.documents import DOCUMENTS, ROOT

TEXT: Final = DOCUMENTS["docs/architecture.md"]


def test_its_layers_are_those_that_import_linter_checks() -> None:
    """In the same order."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    section = TEXT.partition("\n## Layers\n")[2].partition("\n## ")[0]
    assert re.findall(r"^    (\S.*)$", section, re.MULTILINE) == [
        layer.replace("ims_async.", "") for layer in layers
    ]


def test_its_packages_are_those_that_there_are() -> None:
    """Each is in the table, and so is each module beside them that holds more than a start."""
    section = TEXT.partition("\n## Packages\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`ims_async/(\w+(?:\.py|/))`", section))
    there = {f"{path.parent.name}/" for path in (ROOT / "ims_async").glob("*/__init__.py")}
    there |= {path.name for path in (ROOT / "ims_async").glob("*.py")}
    assert named == there - {"__main__.py"}


def test_its_picture_shows_each_move_of_a_change_and_no_other() -> None:
    """`Journal.claim` is the one way to `SENDING`, which `Phase.moves` leaves to it."""
    (picture,) = re.findall(r"```mermaid\n(.*?)```", TEXT, re.DOTALL)
    shown = set(re.findall(r"^ +(\w+) --> (\w+)", picture, re.MULTILINE))
    moves = {(start.name, end.name) for start in Phase for end in Phase if start.moves(end)}
    assert shown == moves | {("QUEUED", "SENDING")}


def test_its_table_explains_each_state() -> None:
    """In the order of the code."""
    section = TEXT.partition("\n## The state of a change\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [phase.name for phase in Phase]

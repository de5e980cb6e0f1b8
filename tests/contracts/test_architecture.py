"""docs/architecture.md says what the code says."""

from __future__ import annotations

import itertools
import re
import tomllib
from typing import Final

from ims_async.model.moves import MOVES, ChangeState

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
    """By which events, in the order of the code; `MOVES` is where the package looks."""
    (picture,) = re.findall(r"```mermaid\n(.*?)```", TEXT, re.DOTALL)
    events: dict[tuple[ChangeState, ChangeState], list[str]] = {}
    for event, cells in MOVES.items():
        for start, end in cells.items():
            if isinstance(end, ChangeState):
                events.setdefault((start, end), []).append(event.name.lower().replace("_", " "))
    lines = [
        f"    {start.name} --> {end.name}: {', '.join(events[start, end])}"
        for start, end in itertools.product(ChangeState, ChangeState)
        if (start, end) in events
    ]
    assert picture.splitlines() == ["stateDiagram-v2", "    [*] --> QUEUED: handed in", *lines]


def test_its_table_explains_each_state() -> None:
    """In the order of the code."""
    section = TEXT.partition("\n## The state of a change\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [state.name for state in ChangeState]

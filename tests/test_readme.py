"""What the README shows is what works."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import ims_async
from ims_async import ImsError
from ims_async.simulator import Simulator

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_is_python_and_imports_what_there_is(program: str) -> None:
    """A name that was renamed shows here."""
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.ImportFrom) and node.module == "ims_async":
            assert [alias.name for alias in node.names if not hasattr(ims_async, alias.name)] == []


@pytest.mark.ims_simulator(seed=3, taxpayers=1, invoices=50)
@pytest.mark.parametrize("name", ["test_our_monthly_run", "test_a_lost_answer"])
async def test_the_tests_in_the_readme_pass(name: str, ims_simulator: Simulator) -> None:
    """As a user would paste them."""
    (program,) = (program for program in PROGRAMS if name in program)
    names: dict[str, Any] = {}
    exec(compile(program, "README.md", "exec"), names)  # noqa: S102 # our own text
    await names[name](ims_simulator)


def test_all_tests_in_the_readme_are_run() -> None:
    """None is forgotten above."""
    assert len([program for program in PROGRAMS if "async def test_" in program]) == 2


def test_every_error_that_the_readme_names_exists() -> None:
    """In the table of what to do."""
    table = README.partition("## When something goes wrong")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    assert named
    assert all(issubclass(getattr(ims_async, name), ImsError) for name in named)

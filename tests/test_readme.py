"""What the README shows is what works."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import ims_async
from ims_async import ImsClient, ImsError, PollPolicy, Sandbox
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
async def test_the_test_in_the_readme_passes(ims_simulator: Simulator) -> None:
    """As a user would paste it."""
    (program,) = (program for program in PROGRAMS if "ims_simulator" in program)
    names: dict[str, Any] = {
        "ImsClient": ImsClient, "PollPolicy": PollPolicy, "Sandbox": Sandbox, "pytest": pytest,
    }  # fmt: skip
    exec(compile(program, "README.md", "exec"), names)  # noqa: S102 # our own text
    await names["test_our_monthly_run"](ims_simulator)


def test_every_error_that_the_readme_names_exists() -> None:
    """In the table of what to do."""
    table = README.partition("## When something goes wrong")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    assert named
    assert all(issubclass(getattr(ims_async, name), ImsError) for name in named)

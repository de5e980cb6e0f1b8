"""Rules for the package's modules that no linter checks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ims_async

ROOT = Path(ims_async.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))
NAMING_A_GSP = {"gsp", "simulator", "cli", "_public.py"}


@pytest.mark.parametrize(
    "module",
    [module for module in MODULES if module.relative_to(ROOT).parts[0] not in NAMING_A_GSP],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_only_the_modules_of_a_gsp_and_the_shell_name_one(module: Path) -> None:
    """What is peculiar to one provider stays in its own package, words included."""
    text = module.read_text(encoding="utf-8").lower()
    assert "sandbox" not in text
    assert "vayana" not in text


COLD = """
import importlib, sys
for module in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ims_async"]:
        del sys.modules[name]
    importlib.import_module(module)
"""


def test_every_module_can_be_the_first_that_is_imported() -> None:
    """The package imports its names lazily; a module that asks it for another must not get all of them."""
    names = [".".join(("ims_async", *module.relative_to(ROOT).with_suffix("").parts)) for module in MODULES]
    modules = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    ended = subprocess.run(
        [sys.executable, "-c", COLD, *modules], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("name", ["a.b", "records.Invoice", "..", "nothing", "sandbox"])
def test_what_is_no_public_name_and_no_module_is_no_attribute(name: str) -> None:
    """Say so as Python does, whatever the name looks like."""
    assert not hasattr(ims_async, name)


def public_things() -> list[tuple[str, ast.AST]]:
    """Every public class and function of the modules that users meet."""
    found: list[tuple[str, ast.AST]] = []
    for module in MODULES:
        if module.relative_to(ROOT).parts[0] in {"cli", "simulator"}:
            continue
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                found.append((f"{module.stem}.{node.name}", node))
                found += [
                    (f"{module.stem}.{node.name}.{inner.name}", inner)
                    for inner in node.body
                    if isinstance(node, ast.ClassDef)
                    and isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
                ]
    return [(name, node) for name, node in found if not any(part.startswith("_") for part in name.split("."))]


def test_every_public_class_function_and_method_has_a_docstring() -> None:
    """One sentence at least; protocols' one-line members may speak through their names."""
    silent = [
        name
        for name, node in public_things()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and ast.get_docstring(node) is None
        and not _only_dots(node)
    ]
    assert silent == []


def _only_dots(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in node.body)

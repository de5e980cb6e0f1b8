"""Rules for the package's modules that no linter checks."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ims_async

ROOT = Path(ims_async.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py"))
NAMING_A_GSP = {"gsp", "simulator", "cli", "__init__.py"}


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


def imported(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield what runs as the module is imported: not what functions import later, nor for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            other = node.body if ast.unparse(node.test).startswith("not") else node.orelse
            yield from imported(ast.Module(other, []))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imported(node)


def packages_of(name: str) -> set[str]:
    """Return the packages that a module lies in: Python imports them first."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts))}


def import_graph(root: Path) -> dict[str, set[str]]:
    """Map each module of a package to those that have to be there before it is.

    A module that asks the top package for a public name needs the module that has it.
    """
    paths = {path.relative_to(root.parent).with_suffix(""): path for path in root.rglob("*.py")}
    modules = {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}
    top = ast.walk(ast.parse((root / "__init__.py").read_text(encoding="utf-8")))
    listed = [node for node in top if isinstance(node, ast.ImportFrom)]
    public = {alias.name: f"{root.name}.{node.module}" for node in listed for alias in node.names}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        here = name if path.name == "__init__.py" else name.rpartition(".")[0]
        needed: set[str] = set()
        asks_for_itself = False
        for node in imported(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                needed |= {alias.name for alias in node.names}
                continue
            above = ".".join(here.split(".")[: len(here.split(".")) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, (above, node.module)))
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                there = public.get(alias.name, origin) if origin == root.name else origin
                needed.add(inner if inner in modules else there)
                asks_for_itself |= there == name
        around = set().union(*map(packages_of, needed)) - packages_of(name)
        graph[name] = (needed | around) & modules.keys() - {name} | ({name} if asks_for_itself else set())
    return graph


def test_every_module_can_be_the_first_that_is_imported() -> None:
    """No module is needed before itself, also by names of the top package, which are fetched late."""
    order = [*TopologicalSorter(import_graph(ROOT)).static_order()]
    assert len(order) == len(MODULES)
    for name in order:
        importlib.import_module(name)


@pytest.mark.parametrize("ask", ["from pack import Name", "from . import Name", "from pack.sub import b"])
def test_a_module_that_is_needed_before_itself_is_found(tmp_path: Path, ask: str) -> None:
    """Asking for a public name, or a neighbour that asks back; not where a function does it later."""
    root = tmp_path / "pack"
    (root / "sub").mkdir(parents=True)
    (root / "__init__.py").write_text("if TYPE_CHECKING:\n from .sub.a import Name")
    (root / "sub/__init__.py").write_text("from .a import Name" if ask == "from . import Name" else "")
    (root / "sub/b.py").write_text("from .a import Name")
    (root / "sub/a.py").write_text(f"{ask}\nclass Name: ...")
    with pytest.raises(CycleError):
        TopologicalSorter(import_graph(root)).prepare()
    (root / "sub/a.py").write_text(f"class Name:\n def ask(self):\n  {ask}")
    TopologicalSorter(import_graph(root)).prepare()


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

"""What a release consists of: its metadata, and an sdist from which its own tests run."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from pathlib import Path

import pytest

import ims_async
from ims_async import bulk, journal, rules, simulator, tables

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
COMPATIBILITY = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
# https://hatch.pypa.io/latest/plugins/builder/sdist/: these are in every sdist.
ALWAYS = {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}


def test_all_that_the_tests_read_is_in_the_sdist() -> None:
    """Each file or folder beside `tests` that a test names."""
    named = set()
    for source in (ROOT / "tests").rglob("*.py"):
        text = source.read_text(encoding="utf-8")
        named |= set(re.findall(r'\b(?:ROOT|parents\[2\]) / "([^"/]+)', text))
    there = {name for name in named if (ROOT / name).exists()}
    assert {"docs", "README.md", "CHANGELOG.md"} <= there
    assert there - {*PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"], *ALWAYS} <= {
        ".mypy_cache"
    }


def test_the_project_says_where_it_lives() -> None:
    """In the metadata of a release."""
    urls = PROJECT["project"]["urls"]
    assert {"Source", "Documentation", "Changelog"} <= set(urls)
    assert all(url.startswith(urls["Source"]) for url in urls.values())


def test_this_version_has_a_dated_heading_in_the_changelog() -> None:
    """Below the one for what comes next, newest first."""
    headings = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == ims_async.__version__
    dates = [dt.date.fromisoformat(date) for _, date in headings[1:]]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize("package", [ims_async, bulk, journal, rules, tables, simulator])
def test_what_is_public_is_listed(package: object) -> None:
    """The page names each package with a list of names, and the list is there."""
    name = getattr(package, "__name__", "")
    assert f"`{name}.__all__`" in COMPATIBILITY or f"`{name}`" in COMPATIBILITY
    assert all(hasattr(package, listed) for listed in package.__all__)  # type: ignore[attr-defined]


def test_the_page_names_what_there_is() -> None:
    """Names of the package and files of the repository."""
    for name in re.findall(r"`([A-Z]\w+)`", COMPATIBILITY):
        assert hasattr(ims_async, name) or hasattr(tables, name) or name == "DeprecationWarning", name
    for file in re.findall(r"`([\w/]+\.(?:md|toml))`", COMPATIBILITY):
        assert (ROOT / file).exists(), file
    assert "`docs/compatibility.md`" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_hooks_of_a_commit_run_what_make_lint_runs() -> None:
    """From the project's own `.venv`: no hook is downloaded, and no version is named a second time."""
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (.*)", hooks) == ["local"]
    assert "rev:" not in hooks
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    linted = re.findall(r"\$\(BIN\)/(.*)", recipe)
    run = [entry.removesuffix(" --force-exclude") for entry in re.findall(r"entry: \.venv/bin/(.*)", hooks)]
    assert linted == run

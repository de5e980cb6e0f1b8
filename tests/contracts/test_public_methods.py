"""What a client, a taxpayer and a job offer is documented: no method that users must not call is public."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import pytest

from ims_async import ImsClient, ImsJob, Taxpayer

from ..support.documents import DOCUMENTS

FOR_USERS: Final = "\n".join(
    text
    for path, text in DOCUMENTS.items()
    if path == "README.md" or (path.startswith("docs/") and path != "docs/architecture.md")
)
"""The README and what it leads to; the architecture, which also names what is not public, left out."""
CALLED: Final = {ImsClient: ("client",), Taxpayer: ("taxpayer", "acme"), ImsJob: ("job",)}
"""How the documents call an object of each class."""


def _missing(text: str, names: Iterable[str], called: Iterable[str]) -> list[str]:
    """Return the names that stand in no code of a text: `client.name`, or `name` and `name(…)` alone."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    objects = "|".join(called)

    def stands(name: str) -> bool:
        wanted = re.compile(rf"\b(?:{objects})\.{name}\b|\A`{name}(?:\([^`]*\))?`\Z")
        return any(wanted.search(piece) for piece in code)

    return [name for name in names if not stands(name)]


@pytest.mark.parametrize("cls", CALLED)
def test_each_public_method_and_property_is_documented(cls: type) -> None:
    """One sentence at least, where a user would look for it; or it begins with an underscore."""
    names = [name for name in dir(cls) if not name.startswith("_")]
    assert names
    assert _missing(FOR_USERS, names, CALLED[cls]) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`await job.wait()`", []),
        ("```python\nawait job.wait(3)\n```", []),
        ("`wait`", []),
        ("`wait(timeout)`", []),
        ("job.wait", ["wait"]),
        ("`job.waiting`", ["wait"]),
        ("`client.wait()`", ["wait"]),
        ("`wait=True`", ["wait"]),
        ("wait for `job.status`, then wait", ["wait"]),
    ],
)
def test_what_is_not_documented_is_found(text: str, missing: list[str]) -> None:
    """See that the test above can fail."""
    assert _missing(text, ["wait"], ["job"]) == missing

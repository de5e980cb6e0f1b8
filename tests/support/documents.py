"""The documents of this repository, and the Python programs in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
"""Each document's text by its path. The changelog is none of them: it also says what was."""
PROGRAMS: Final[list[str]] = [
    program for text in DOCUMENTS.values() for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
]
"""All Python programs of all documents, complete ones and fragments."""


def program_with(mark: str) -> str:
    """Return the only program that contains some text."""
    (found,) = (program for program in PROGRAMS if mark in program)
    return found

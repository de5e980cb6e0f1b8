"""Variables: read from the environment, asked for at a terminal where they are missing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import Final

import attrs
import typer

from ...errors import InvalidInput

if sys.platform == "win32":
    import msvcrt
else:
    import termios

_YES: Final = frozenset({"1", "true", "yes", "on"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})


@attrs.frozen
class Variables:
    """Variables by name. The environment's values are secrets: they are not shown."""

    found: Mapping[str, str] = attrs.field(default=os.environ, repr=False)

    def get(self, name: str) -> str:
        """Return a variable's value, empty where it is not set."""
        return self.found.get(name, "").strip()

    def flag(self, name: str) -> bool:
        """Return a switch. Raises `InvalidInput` for what is neither on nor off."""
        value = self.get(name).lower()
        if value not in _YES | _NO:
            raise InvalidInput(f"{name} is {value!r}: set it to 1 for the test host, or leave it unset")
        return value in _YES

    def need(self, name: str, what: str, *, hidden: bool = False, or_else: str = "") -> str:
        """Return a variable's value, asked for where it is not set.

        Raises `InvalidInput`, which names the variable, where there is no terminal to ask at.
        """
        if found := self.get(name):
            return found
        if not at_terminal():
            hint = f" {or_else}" if or_else else ""
            raise InvalidInput(f"{what}: {name} is not set, and there is no terminal to ask at; set it{hint}")
        return str(typer.prompt(what, hide_input=hidden, err=True)).strip()


def at_terminal() -> bool:
    """True if there is somebody to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def forget_typed_ahead() -> None:
    """Throw away what was typed before a question was shown: it answers no question."""
    if sys.platform == "win32":
        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        with contextlib.suppress(termios.error, OSError, ValueError):  # no terminal
            termios.tcflush(sys.stdin, termios.TCIFLUSH)

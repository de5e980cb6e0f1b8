"""The shell of most tests: a module that needs another one has a fixture of its own."""

from __future__ import annotations

from .cli_shell import shell_of

shell = shell_of()

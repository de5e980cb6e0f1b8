"""The purchase register: what a taxpayer's accounting program says of its purchases."""

from __future__ import annotations

from .reading import Register, entries_of, read_register

__all__ = ["Register", "entries_of", "read_register"]

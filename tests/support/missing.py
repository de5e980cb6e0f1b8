"""Libraries that are not installed."""

from __future__ import annotations

import builtins
from typing import Any

import pytest


def take_away(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    """Let importing libraries fail, as where their extra is not installed."""
    real: Any = builtins.__import__

    def refusing(name: str, *rest: Any, **more: Any) -> Any:
        if name in libraries:
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refusing)

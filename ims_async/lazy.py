"""What a program pays for when it is first used, and not when it imports the package."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, AnyStr, cast


def names_of(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names are imported when they are first asked for.

    `modules` has the names, between spaces, by the module of the package that has them. The modules are found
    by their names, too, but for those further down: so no other name may be one of theirs.
    """
    place = {name: module for module, names in modules.items() for name in [module, *names.split()]}
    place = {name: module for name, module in place.items() if "." not in name}

    def fetch(name: str) -> Any:
        if name not in place:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f".{place[name]}", package)
        found = module if name == place[name] else getattr(module, name)
        setattr(sys.modules[package], name, found)  # from now on it is found without this function
        return found

    return fetch


class _Module:
    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


def module(name: str) -> Any:
    """Return a module that is imported when something of it is first asked for, by `get_type_hints` say."""
    return _Module(name)


class _Pattern:
    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        method = getattr(re.compile(self._text, self._flags), name)
        setattr(self, name, method)
        return method


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a regular expression that is compiled when it is first used.

    Sixty of them are a tenth of the time that importing everything takes.
    """
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))

"""What `typing.get_type_hints` finds of the public names, as frameworks that inject or validate call it."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
import typing
from collections.abc import Iterator
from typing import Any, Final

import aiohttp

from ims_async import ImsClient
from ims_async.rules import RulePolicy

PACKAGES: Final = (
    *("ims_async", "ims_async.bulk", "ims_async.decide", "ims_async.journal", "ims_async.journal.testing"),
    *("ims_async.rules", "ims_async.simulator", "ims_async.tables", "ims_async.tables.offline"),
)
UNRESOLVED: Final = {
    # of two modules one is imported before the other
    *("Sandbox", "Vayana", "Returns.__init__"),
    # made by attrs before the class has its name, which a field of it says: the class itself has them
    *("Change.__init__", "Tolerance.__init__"),
}


def public() -> Iterator[tuple[str, str, Any]]:
    """Yield each public class and function, and the methods and properties of classes, with both names."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                yield name, name, thing
                for part, member in inspect.getmembers(thing):
                    function: Any = member.fget if isinstance(member, property) else member
                    function = inspect.unwrap(function)
                    if (part == "__init__" or not part.startswith("_")) and inspect.isfunction(function):
                        yield name, f"{name}.{part}", function
            elif inspect.isfunction(thing):
                yield name, name, thing


def test_the_types_of_public_names_are_found_but_for_those_that_are_known() -> None:
    """One that is mended leaves the list."""
    met = set()
    for owner, name, thing in public():
        try:
            typing.get_type_hints(thing)
        except NameError:
            (known,) = {owner, name} & UNRESOLVED
            met.add(known)
    assert met == UNRESOLVED


def test_a_client_says_what_it_takes() -> None:
    """Though neither the rules nor aiohttp are imported for it before."""
    hints = typing.get_type_hints(ImsClient.__init__)
    assert hints["session"] == aiohttp.ClientSession | None
    assert hints["rules"] == RulePolicy | None
    script = (
        "import sys; from ims_async import ImsClient; "
        "print({'aiohttp', 'ims_async.rules.policy', 'sqlite3'} & {*sys.modules})"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"

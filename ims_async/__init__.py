"""Work with India's GST Invoice Management System (IMS) from asyncio: jobs you can await, every record
accounted for."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._public import *  # noqa: F403 # the one list of names, which type checkers follow
    from ._public import __all__ as __all__

__version__ = "0.1.0"


if not TYPE_CHECKING:  # a type checker that saw it would take every misspelt name for one of ours

    def __getattr__(name: str) -> Any:
        """Fetch the public names when one is first asked for.

        pytest imports this package at start-up, for its plugin, in every project that has it installed: those
        that do not use it there should not pay for it.
        """
        if name.startswith("__") and name != "__all__":
            raise AttributeError(name)
        # A module that was not imported yet, asked for by another module, say.
        if name.isidentifier() and find_spec(f"{__name__}.{name}"):
            return import_module(f".{name}", __name__)
        public = import_module("._public", __name__)
        if name != "__all__" and name not in public.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        there = vars(public)
        globals().update({known: there[known] for known in (*public.__all__, "__all__") if known in there})
        return getattr(public, name)


def __dir__() -> list[str]:
    return [*import_module("._public", __name__).__all__, "__version__"]

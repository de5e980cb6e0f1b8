"""A fake GST Suvidha Provider, for demos and for the tests of programs that use IMS.

It imports nothing else of this library, so that it does not share a misreading of the documents.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .faults import Fault
    from .gstr2b.generations import Overlap, Regeneration
    from .gstr2b.returns import Returns
    from .records import Effect, LoggedRequest, Record, RecordError, SimJob, Taxpayer
    from .simulator import Simulator

__all__ = [
    "Effect",
    "Fault",
    "LoggedRequest",
    "Overlap",
    "Record",
    "RecordError",
    "Regeneration",
    "Returns",
    "SimJob",
    "Simulator",
    "Taxpayer",
]

# pytest imports this package at start-up, for its plugin, in every project that has the library installed:
# so the modules are imported lazily, on first use of a name.
_MODULES = {
    "Fault": "faults",
    "Overlap": "gstr2b.generations",
    "Regeneration": "gstr2b.generations",
    "Returns": "gstr2b.returns",
    "Simulator": "simulator",
}

if not TYPE_CHECKING:  # with it a type checker would accept every misspelt name

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_MODULES.get(name, 'records')}", __name__), name)

"""What all commands have in common: `--json`, `--debug`, a console, and an exit code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, get_type_hints

import attrs

from ..tables import check_writable
from .options import Debug, FailIfDue, Json, Overwrite
from .output.console import DUE, NOT_ALL_WELL, OK, Console
from .output.next_commands import Commands

_HELD: Final = ("gsp", "journal", "report", "overwrite")
"""Options of the commands that messages name."""


def command(
    *, report: Any = None, says_due: bool = False
) -> Callable[[Callable[..., int]], Callable[..., None]]:
    """Make a command of a function that is given a console and options, and returns an exit code.

    A parameter whose type is a class of attrs stands for the options that are its fields. With `report` the
    command has that option, and `--overwrite`: `console.report` is a file that can be written. One that
    `says_due` whose GSTR-2B is due to be computed anew has `--fail-if-due`.
    """
    common: dict[str, Any] = {} if report is None else {"report": report, "overwrite": Overwrite}
    common |= {"fail_if_due": FailIfDue} if says_due else {}
    common |= {"json": Json, "debug": Debug}

    def made(work: Callable[..., int]) -> Callable[..., None]:
        _, *own = _options_of(work)
        groups = {one.name: one.annotation for one in own if attrs.has(one.annotation)}
        options: list[inspect.Parameter] = []
        for one in own:
            options += _options_of(one.annotation) if one.name in groups else [one]
        options.sort(key=lambda option: option.default is not inspect.Parameter.empty)
        options += [
            inspect.Parameter(name, _KIND, default=None if name == "report" else False, annotation=kind)
            for name, kind in common.items()
        ]

        def run(*, json: bool, debug: bool, **given: Any) -> None:
            held = {name: given[name] for name in _HELD if name in given}
            commands = Commands(check=not given.get("no_check"), **held)
            console = Console(json, debug, commands, takes_report=report is not None)
            for name, group in groups.items():
                fields = [field.name for field in attrs.fields(group)]
                given[name] = group(**{field: given.pop(field) for field in fields})

            own_ones = {name: value for name, value in given.items() if name not in common}
            console.run(lambda: _carried_out(console, lambda: work(console, **own_ones), given))

        run.__name__, run.__doc__, run.__module__ = work.__name__, work.__doc__, work.__module__
        run.__annotations__ = {option.name: option.annotation for option in options}
        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined] # what typer reads
        return run

    return made


def _carried_out(console: Console, work: Callable[[], int], given: Mapping[str, Any]) -> int:
    """Do the work; return its exit code, or with `--fail-if-due` where it is OK that of what is due."""
    if console.report is not None:
        check_writable(console.report, overwrite=console.overwrite)
    code = work()
    if code != OK or console.due is False or not given.get("fail_if_due"):
        return code
    if console.due is None:
        console.tell("Error: whether a GSTR-2B is due is not known: the journal cannot be read")
        return NOT_ALL_WELL
    return DUE


_KIND: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


def _options_of(made: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the parameters of a function, or the fields of a class, with their types."""
    hints = get_type_hints(made, include_extras=True)
    parameters = inspect.signature(made).parameters.values()
    return [one.replace(annotation=hints[one.name], kind=_KIND) for one in parameters]

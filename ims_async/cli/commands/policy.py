"""`policy init`, `policy check`: the firm's policy that `match` decides by, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ... import files
from ...decide import Policy
from ...decide.policy_file import TEMPLATE, sentences_of
from .. import options
from ..command import command
from ..output.console import OK, Console


@command()
def init(
    console: Console,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file to write.")] = Path(
        "policy.toml"
    ),
    overwrite: options.Overwrite = False,
) -> int:
    """Write a policy with every key and its default, explained: edit it, check it, match with it."""
    with files.replacing(file, overwrite=overwrite) as out:
        out.write(TEMPLATE)
    command = console.commands.policy_check(file)
    console.say(f"Written: {file}. It accepts what matches, and leaves the rest. Edit it, then `{command}`.")
    console.document({"ok": True, "file": str(file)})
    return OK


@command()
def check(
    console: Console,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The TOML file of a policy.")],
) -> int:
    """Say what a policy would do, or what is wrong with its file (exit code 2)."""
    sentences = sentences_of(Policy.load(file))
    for sentence in sentences:
        console.say(sentence)
    console.document({"ok": True, "file": str(file), "policy": sentences})
    return OK

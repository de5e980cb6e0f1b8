"""What has changed in records since they were pulled into a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...decide import ChangeKind
from .console import Console
from .tables import are, counted, table


def tell_changes(console: Console, taxpayers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Show what has changed since the files were pulled; return the facts of all taxpayers."""
    counts: Counter[ChangeKind] = Counter()
    for facts in taxpayers.values():
        counts.update(facts.get("changes", {}))
    set_aside = sum(facts.get("set_aside", 0) for facts in taxpayers.values())
    unread = sum(facts.get("unread", 0) for facts in taxpayers.values())
    rows = [(kind.value, counts[kind]) for kind in ChangeKind if counts[kind]]
    console.show(table("changes since the last pull", ("change", "records"), rows))
    console.say()
    if set_aside:
        these = f"{counted(set_aside, 'action')} that you typed {are(set_aside)} now in 'earlier action'"
        what = "its record has" if set_aside == 1 else "their records have"
        console.say(f"{these}: {what} changed since. Look there, and decide again.")
    if unread:
        console.say(f"{counted(unread, 'row')} {are(unread)} as before: the records were not read.")
    changes = {kind.value: counts[kind] for kind in ChangeKind}
    return {"changes": changes, "set_aside": set_aside, "unread": unread}

"""What meets every taxpayer, an account that is used up say, in the midst of many."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ....bulk.outage import is_everybodys
from ....errors import ImsError
from ...output.console import Console


def not_asked_for(
    console: Console, error: ImsError, names: Sequence[str], found: Collection[str]
) -> dict[str, str]:
    """Keep what was `found` until then; return why the others have no answer, in words.

    Raises the error where nothing was found, or if it is one taxpayer's own.
    """
    if not found or not is_everybodys(error):
        raise error
    console.tell(f"{console.sentence(error)}: the others were not asked for.")
    return {gstin: console.reason(gstin, error) for gstin in names if gstin not in found}

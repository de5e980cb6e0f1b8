"""How long a change may take, in seconds: each limit is here once, and the later ones follow from it."""

from __future__ import annotations

from typing import Final

SEND_DEADLINE: Final = 150.0
"""From the moment a change is handed to the transport until its first byte leaves; else it does not leave."""
ANSWER_DEADLINE: Final = 900.0
"""From the first byte of a change until its answer is read; else the answer counts as lost."""
WRITE_MARGIN: Final = 30.0
"""For writing the claim and the answer into a busy journal, and for clocks that differ."""
SENDER_IS_DEAD: Final = SEND_DEADLINE + ANSWER_DEADLINE + WRITE_MARGIN
"""After its claim: a change that is still being sent by then is not slow, its process has died."""
GATEWAY_WORKS: Final = 720.0
"""At most so long the gateway works on what arrived last."""
LANDING: Final = 10.0
"""For what is under way besides changes when a client closes (a renewal, a logout): then it is broken off."""
QUIET: Final = SENDER_IS_DEAD + GATEWAY_WORKS
"""After a change was sent: records that do not show it by then will not show it any more."""
FIRST_LOOK: Final = 120.0
"""After a change whose answer was lost: most jobs have ended by then, and records show what was applied."""
LOOK_MARGIN: Final = 1.0
"""A look takes place so much later than the moment that it waits for."""


def in_minutes(seconds: float) -> str:
    """Say a time in words for a person: `30 minutes`."""
    return f"{seconds / 60:g} minutes"

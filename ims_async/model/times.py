"""The time limits of a change, in seconds. The later ones are derived from the first ones."""

from __future__ import annotations

from typing import Final

SEND_DEADLINE: Final = 150.0
"""From the hand-over of a change to the transport until its first byte is sent; later it is not sent."""
ANSWER_DEADLINE: Final = 900.0
"""From the first byte of a change until its answer is read; after that the answer counts as lost."""
WRITE_MARGIN: Final = 30.0
"""For writing the claim and the answer to a busy journal, and for differences between clocks."""
SENDER_IS_DEAD: Final = SEND_DEADLINE + ANSWER_DEADLINE + WRITE_MARGIN
"""After its claim: if a change is still being sent then, its process has died."""
GATEWAY_WORKS: Final = 720.0
"""The longest time that the gateway needs for the last request that arrived."""
LANDING: Final = 10.0
"""When a client closes, for a running renewal or logout to end; after that it is cancelled."""
QUIET: Final = SENDER_IS_DEAD + GATEWAY_WORKS
"""After a change was sent: records that do not show it by then never will."""
FIRST_LOOK: Final = 120.0
"""After a change whose answer was lost: most jobs have ended by then, and the records show the result."""
LOOK_MARGIN: Final = 1.0
"""Added to the time of each look at the records."""


def in_minutes(seconds: float) -> str:
    """Return a time as text for a person: `30 minutes`."""
    return f"{seconds / 60:g} minutes"

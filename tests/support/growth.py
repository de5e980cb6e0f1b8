"""CPU time by the number of rows, for tests that it grows as the rows do."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable


def cpu_seconds(action: Callable[[], object]) -> float:
    """Return the CPU time of an action, the least of two.

    Without the garbage collector, whose passes grow with all that the other tests of the process hold.
    """
    taken = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            began = time.process_time()
            action()
            taken.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(taken)

"""Thread priorities. Where cores are short, threads that receive, answer and search go first."""

import os
import sys
import threading

_NICENESS = 5
"""With more, a thread that holds Python's lock while it is preempted would hold up all others."""


def give_way() -> None:
    """Lower the priority of this thread and of those that it starts, so that searches go first."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)

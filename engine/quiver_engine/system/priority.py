"""Which threads run first where cores are short: those that receive, answer and search."""

import os
import sys
import threading

_NICENESS = 5
"""More, and a thread that is put off with Python's lock in its hand puts off everybody."""


def give_way() -> None:
    """Have this thread, and those that it starts, run when searches leave cores idle."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)

"""What can go wrong, each with what to do about it."""

from __future__ import annotations

from pathlib import Path

from machine.errors import SetupError

TAIL_LINES = 15


class LocalClusterError(SetupError):
    """Anything that localcluster refuses or fails to do; the message says what to do about it."""


class ProcessFailedError(LocalClusterError):
    """One of the cluster's processes ended or never became ready."""


class CommandError(LocalClusterError):
    """A kubectl, helm or ctr call returned an error; the message carries its stderr."""


def log_tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The log's address and its last lines, indented, for an error message."""
    try:
        kept = log.read_text(errors="replace").splitlines()[-lines:]
    except OSError as error:
        return f"log {log} cannot be read: {error}"
    return "\n".join([f"log {log}, its last lines:", *(f"    {line}" for line in kept)])

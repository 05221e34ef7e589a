"""Where the story plays: a Kubernetes with a node, or what of it goes without root."""

from typing import Protocol

from demo.footprint import Footprint
from demo.shell import Shell
from machine.errors import SetupError

SYSTEM_NAMESPACE = "quiver-system"
ENGINE = "main"
RESYNC_S = 5
"""Seconds after which the operator looks again though nothing was heard. 60 is the default."""
NO_DEFAULT_RESYNC = (
    f"This is no default installation: the operator looks again every {RESYNC_S} s "
    f"(resyncPeriod; 60 by default), so drift is repaired sooner than elsewhere."
)


class Refused(SetupError):
    """The stage cannot be where it was to be, and nothing was made there."""


class Stage(Protocol):
    """What differs between the places; the story itself is the same."""

    has_pods: bool
    has_gpus: bool
    leaves_out: str
    """What this stage cannot show, in a sentence; empty where it shows everything."""

    @property
    def shell(self) -> Shell:
        """Commands bound to the cluster."""

    def start(self) -> None:
        """Start Kubernetes."""

    def install(self) -> None:
        """Install Quiver and have the operator run."""

    def apply_engine(self) -> None:
        """Have the VectorEngine `main`."""

    def engine_address(self) -> str:
        """HOST:PORT at which this machine reaches the engine."""

    def kill_operator(self) -> None:
        """End the operator without a warning, and have another in its place."""

    def kill_engine(self) -> None:
        """End the engine without a warning, and have it start again on its data."""

    def operator_log(self) -> str:
        """Return the operator's last lines, as well as they can be had."""

    def uninstall(self) -> None:
        """Take the operator away."""

    def footprint(self) -> Footprint:
        """Look what there is of this stage."""

    def stop(self) -> None:
        """Take Kubernetes away. Does nothing when it is gone already."""

    def leave(self) -> None:
        """Leave everything running, and say what to type next."""

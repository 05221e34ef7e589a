"""A shell that reaches one cluster of localcluster's and leaves the user's own settings alone."""

from demo.screen import Screen
from demo.shell import Shell
from localcluster import Binaries, ControlPlane
from localcluster.commands import Commands
from machine.pymilvus1 import pymilvus_python


def bound_shell(cluster: ControlPlane, screen: Screen) -> Shell:
    """Return a shell with kubectl, helm, and a `python` that has pymilvus 1.1.2.

    What is missing of them is built or installed into the user's cache first.
    """
    found = Binaries.ensure(screen.progress, ("kubectl", "helm"))
    programs = {name: found.path(name) for name in ("kubectl", "helm")}
    commands = Commands(cluster.kubeconfig, cluster.layout.directory / "cache")
    # pymilvus 1.1.2 is from 2021: today's setuptools warns of it at each start.
    environment = {**commands.environment(), "PYTHONWARNINGS": "ignore::UserWarning"}
    return Shell(screen, {**programs, "python": pymilvus_python()}, environment)

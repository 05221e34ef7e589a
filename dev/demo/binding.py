"""A shell that reaches one cluster of localcluster's and leaves the user's own settings alone."""

import shlex

from demo.screen import Screen
from demo.shell import Shell
from localcluster import Binaries, ControlPlane
from localcluster.commands import Commands
from machine.pymilvus1 import pymilvus_python

PROGRAMS = ("kubectl", "helm")


def bound_shell(cluster: ControlPlane, screen: Screen) -> Shell:
    """Return a shell with kubectl, helm, and a `python` that has pymilvus 1.1.2.

    What is missing of them is built or installed into the user's cache first.
    """
    found = Binaries.ensure(screen.progress, PROGRAMS)
    programs = {name: found.path(name) for name in PROGRAMS}
    commands = Commands(cluster.kubeconfig, cluster.layout.directory / "cache")
    # pymilvus 1.1.2 is from 2021: today's setuptools warns of it at each start.
    environment = {**commands.environment(), "PYTHONWARNINGS": "ignore::UserWarning"}
    return Shell(screen, {**programs, "python": pymilvus_python()}, environment)


def exports(cluster: ControlPlane) -> list[str]:
    """Return the lines that give a user's own shell the cluster, kubectl and helm."""
    found = Binaries.ensure(names=PROGRAMS)
    folders = dict.fromkeys(str(found.path(name).parent) for name in PROGRAMS)
    return [
        f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}",
        f'export PATH="{":".join(folders)}:$PATH"',
    ]


def client_command(address: str) -> str:
    """Return a command that lists the collections of the engine at this address."""
    return f"{pymilvus_python()} -W ignore dev/demo/client.py {address} list"

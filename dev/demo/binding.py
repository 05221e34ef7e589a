"""A shell that reaches one cluster of localcluster's and leaves the user's own settings alone."""

import os
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from demo.screen import Screen
from demo.shell import Shell
from localcluster import Binaries, ControlPlane
from localcluster.commands import Commands
from machine.pymilvus1 import pymilvus_python

KUBECTL = ("kubectl",)
KUBECTL_AND_HELM = ("kubectl", "helm")


def bound_shell(
    cluster: ControlPlane,
    screen: Screen,
    names: Sequence[str],
    python: Callable[[], Path] = pymilvus_python,
) -> Shell:
    """Return a shell with these programs, and a `python` that has a client of Milvus.

    What is missing of the programs is built into the user's cache first, the client is installed
    there when it is called for.
    """
    found = Binaries.ensure(screen.progress, names)
    programs = {name: partial(found.path, name) for name in names}
    commands = Commands(cluster.kubeconfig, cluster.layout.directory / "cache")
    # pymilvus 1.1.2 is from 2021: today's setuptools warns of it at each start.
    environment = {**commands.environment(), "PYTHONWARNINGS": "ignore::UserWarning"}
    environment["PATH"] = os.pathsep.join([*_folders(found, names), os.environ["PATH"]])
    return Shell(screen, {**programs, "python": python}, environment)


def exports(cluster: ControlPlane, names: Sequence[str] = KUBECTL_AND_HELM) -> list[str]:
    """Return the lines that give a user's own shell the cluster and these programs."""
    found = Binaries.ensure(names=names)
    folders = _folders(found, names)
    return [
        f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}",
        f'export PATH="{":".join(folders)}:$PATH"',
    ]


def _folders(found: Binaries, names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(str(found.path(name).parent) for name in names))


def client_command(address: str) -> str:
    """Return a command that lists the collections of the engine at this address."""
    return f"{pymilvus_python()} -W ignore dev/demo/client.py {address} list"

"""The cluster and the login of whoever runs a command, as kubectl finds them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, list_kube_config_contexts, load_kube_config

from quiver.adapters.kubernetes.connection import CONNECTIONS, NoCluster

DEFAULT_NAMESPACE = "default"
_DEFAULT_FILE = str(Path("~/.kube/config").expanduser())
_CURE = "name one with --kubeconfig, or in KUBECONFIG"


class Context(NamedTuple):
    """A context of a kubeconfig file, with the namespace that it names."""

    configuration: Configuration
    namespace: str


async def load_context(
    kubeconfig: str | None = None,
    context: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Context:
    """Read the kubeconfig file, or those that KUBECONFIG lists, else ~/.kube/config.

    Raises: NoCluster.
    """
    files = kubeconfig or environment.get("KUBECONFIG") or _DEFAULT_FILE
    if not _exist(files):
        raise NoCluster(f"there is no kubeconfig file {files}: {_CURE}")
    configuration = Configuration()
    configuration.connection_pool_maxsize = CONNECTIONS
    try:
        contexts, current = list_kube_config_contexts(config_file=files)
        named = {found["name"]: found for found in contexts}
        if context is not None and context not in named:
            raise NoCluster(f"{files} has no context {context!r}: it has {', '.join(named)}")
        await load_kube_config(
            config_file=files, context=context, client_configuration=configuration
        )
    except (ConfigException, OSError) as error:
        raise NoCluster(f"{files}: {error}. If the file is another one, {_CURE}") from error
    chosen = named[context] if context is not None else current
    return Context(configuration, chosen["context"].get("namespace") or DEFAULT_NAMESPACE)


def _exist(files: str) -> bool:
    """Tell whether one of the files is there. A missing one beside others is as good as empty."""
    return any(Path(file).expanduser().exists() for file in files.split(os.pathsep) if file)

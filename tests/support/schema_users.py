"""People who bring whole schemas: they apply YAML with kubectl, and use pymilvus."""

import asyncio
import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from localcluster import ControlPlane
from machine.milvus_servers import pymilvus_python
from quiver.domain.kubernetes_types import Manifest

PAGE = Path(__file__).resolve().parents[2] / "docs/milvus-schemas.md"
SAMPLES = Path(__file__).resolve().parents[2] / "manifests/samples/collections-milvus-schemas.yaml"
TOLD = "\nimport json\nprint(json.dumps(told))\n"


def sample(name: str) -> Manifest:
    """Return one of the examples of the documentation."""
    found = yaml.safe_load_all(SAMPLES.read_text())
    manifest: Manifest = next(m for m in found if m["metadata"]["name"] == name)
    return manifest


def lines_for(name: str) -> str:
    """Return the lines of Python that the documentation has for the example, with what the search
    finds first in `told`.
    """
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (lines,) = [block for block in blocks if f'"{name}"' in block]
    *insert, search = lines.strip().split("\nclient.")
    return "\nclient.".join(insert) + f"\nfound = client.{search}\ntold = found[0][0]['entity']\n"


def collection_of(name: str, milvus: Manifest, **spec: Any) -> Manifest:
    return {
        "apiVersion": "quiver.dev/v1alpha1",
        "kind": "VectorCollection",
        "metadata": {"name": name},
        "spec": {"engineRef": {"name": "milvus"}, "milvus": deepcopy(milvus), **spec},
    }


async def apply(plane: ControlPlane, namespace: str, manifest: Manifest, *how: str) -> None:
    """Raises: CommandError with what kubectl says."""
    text = yaml.safe_dump(manifest)
    arguments = ("apply", "--filename=-", f"--namespace={namespace}", *how)
    await asyncio.to_thread(lambda: plane.kubectl(*arguments, input=text))


async def pymilvus(script: str, address: str) -> Any:
    """Run lines of Python in which `client` is connected; return what they leave in `told`."""
    head = f'from pymilvus import MilvusClient\n\nclient = MilvusClient("http://{address}")\n'
    python = await asyncio.to_thread(pymilvus_python)
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", head + script + TOLD, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said)

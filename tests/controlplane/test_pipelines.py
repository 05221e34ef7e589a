"""The commands that the documentation gives for a pipeline, run as they stand there."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

from localcluster import ControlPlane
from support.namespaces import Namespace
from support.operators import running

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gitops.md"
MANAGED = "replicas: 1\n  storage:\n    size: 10Gi"


def commands(namespace: str) -> str:
    """Return the page's pipeline, for another namespace."""
    section = PAGE.read_text().split("\n## In a pipeline\n", 1)[1]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1].replace("search-staging", namespace)


def repository(folder: Path, namespace: str, address: str) -> Path:
    """Make a repository of the samples, with an engine that needs no node."""
    root = Path(shutil.copytree(ROOT / "manifests" / "gitops", folder / "repository"))
    for path in (root / "teams" / "search").rglob("*.yaml"):
        text = path.read_text().replace("search-staging", namespace)
        path.write_text(text.replace(MANAGED, f"external: {{endpoints: ['{address}']}}"))
    return root


async def test_the_pipeline_of_the_documentation_works(
    fake_world: Namespace, fake_address: str, quiver_api: ControlPlane, tmp_path: Path
) -> None:
    """It checks, shows what changes, applies and waits until all is Ready; the second time it shows
    no change.
    """
    world = fake_world
    root = repository(tmp_path, world.namespace, fake_address)
    kubectl = quiver_api.binaries.path("kubectl")
    path = f"{kubectl.parent}:{os.environ['PATH']}"
    environment = {**os.environ, "KUBECONFIG": str(quiver_api.kubeconfig), "PATH": path}

    def run() -> str:
        script = ["bash", "-euo", "pipefail", "-c", commands(world.namespace)]
        done = subprocess.run(
            script, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    async with running(world.operator_api, world.engines):
        first = await asyncio.to_thread(run)
        assert "+  dimension: 768" in first
        await world.ready("staging-articles", "staging-products")
        second = await asyncio.to_thread(run)
        assert "+  dimension: 768" not in second

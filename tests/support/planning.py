"""Runs `quiver plan` as people do, and applies what was planned."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from localcluster import ControlPlane
from support.namespaces import Namespace

Done = subprocess.CompletedProcess[str]
ENGINES = "--allow-engine-cidr=127.0.0.0/8"


@dataclass(frozen=True)
class Planned:
    """What a plan said, in JSON, and how it ended."""

    code: int
    said: dict[str, Any]
    errors: str

    def of(self, name: str, kind: str = "VectorCollection") -> dict[str, Any]:
        [found] = [c for c in self.said["changes"] if (c["kind"], c["name"]) == (kind, name)]
        return dict(found)

    @property
    def actions(self) -> dict[str, str]:
        return {change["name"]: change["action"] for change in self.said["changes"]}


@dataclass(frozen=True)
class Pipeline:
    """Plans and applies in one namespace, as an administrator."""

    world: Namespace
    plane: ControlPlane

    async def run(self, objects: Sequence[Any], *options: str) -> Done:
        return await asyncio.to_thread(self.text, yaml.safe_dump_all(objects), *options)

    def text(self, text: str, *options: str) -> Done:
        command = [sys.executable, "-m", "quiver", "plan", "--file=-"]
        where = (f"--kubeconfig={self.plane.kubeconfig}", f"--namespace={self.world.namespace}")
        return subprocess.run(
            [*command, *where, ENGINES, *options],
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    async def plan(self, *objects: Any, options: Sequence[str] = ()) -> Planned:
        done = await self.run(objects, "--output=json", *options)
        assert done.stdout, done.stderr
        return Planned(done.returncode, json.loads(done.stdout), done.stderr)

    async def apply(self, *objects: Any) -> None:
        text, where = yaml.safe_dump_all(objects), f"--namespace={self.world.namespace}"
        await asyncio.to_thread(self.plane.kubectl, "apply", where, "--filename=-", input=text)

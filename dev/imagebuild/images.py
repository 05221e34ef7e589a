"""Which images there are, what they are called, and what they say of themselves."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import yaml

from imagebuild.collect.content import CODE
from imagebuild.collect.packages import DEPENDENCIES
from machine.errors import BuildError

ROOT = Path(__file__).resolve().parents[2]
VALUES = ROOT / "charts" / "quiver" / "values.yaml"
PROJECT = "quiver-operator"
USER = "65532:65532"
ENTRYPOINT = ("/usr/local/bin/python3", "-m", "quiver")
ENVIRONMENT = (
    "PATH=/usr/local/bin:/usr/bin:/bin",
    f"PYTHONPATH={CODE}:{DEPENDENCIES}",
    "PYTHONDONTWRITEBYTECODE=1",
    "PYTHONUNBUFFERED=1",
    "LD_LIBRARY_PATH=/usr/local/lib",
)
LABEL = "org.opencontainers.image"


@dataclass(frozen=True)
class Image:
    """An image of the project, with the dependencies of these extras."""

    name: str
    description: str
    extra: str = ""
    environment: tuple[str, ...] = ENVIRONMENT
    registry: str = ""

    @property
    def reference(self) -> str:
        """Its name in its registry, or else as the chart names it."""
        return self.named(self.registry or chart_registry())

    @property
    def archive_name(self) -> str:
        """The name of its archive's file."""
        return f"quiver-{self.name}-{self.tag}.tar"

    @property
    def tag(self) -> str:
        """The project's version; and what it is built for, if that is not said by its name."""
        suffix = self.extra.removeprefix("engine")
        return f"{version(PROJECT)}{suffix}"

    def named(self, registry: str) -> str:
        """Its name in a registry."""
        return f"{registry}/quiver-{self.name}:{self.tag}"

    def labels(self) -> dict[str, str]:
        """What it says of itself, in the words of the OCI."""
        return {
            f"{LABEL}.title": f"quiver-{self.name}",
            f"{LABEL}.description": self.description,
            f"{LABEL}.licenses": "Apache-2.0",
            **build_labels(),
        }


_ENGINE_ENVIRONMENT = (*ENVIRONMENT, "NVIDIA_DRIVER_CAPABILITIES=compute,utility")
IMAGES = {
    "operator": Image("operator", "The Kubernetes operator of Quiver"),
    "engine": Image("engine", "The vector engine of Quiver", "engine", _ENGINE_ENVIRONMENT),
}
GPU_ENGINE = Image("engine", "The vector engine of Quiver", "engine-gpu", _ENGINE_ENVIRONMENT)


def chart_registry() -> str:
    """Where the chart has its images from unless it is told otherwise."""
    return str(yaml.safe_load(VALUES.read_text())["imageRegistry"])


def build_labels() -> dict[str, str]:
    """Version, commit and repository, as far as something tells them.

    SOURCE_URL in the environment says which repository it is, before git's `origin` does.
    """
    changed = "-dirty" if _git("status", "--porcelain", "--untracked-files=no") else ""
    revision = _git("rev-parse", "HEAD")
    source = os.environ.get("SOURCE_URL") or _public_url(_git("remote", "get-url", "origin"))
    told = {
        "version": version(PROJECT),
        "revision": f"{revision}{changed}" if revision else "",
        "source": source,
    }
    return {f"{LABEL}.{name}": value for name, value in told.items() if value}


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def _public_url(remote: str) -> str:
    """An address that others can read: without user and password, and no folder of ours."""
    found = re.fullmatch(
        r"(?:https?://(?:[^/@]*@)?|(?:ssh://)?git@)([\w.-]+)[:/](\S+?)(?:\.git)?", remote
    )
    return f"https://{found[1]}/{found[2]}" if found else ""


def ready_made(image: Image) -> Path | None:
    """The archive of an image that was built before, where QUIVER_IMAGES names their folder.

    Raises BuildError when it is not there.
    """
    folder = os.environ.get("QUIVER_IMAGES")
    if not folder:
        return None
    archive = Path(folder) / image.archive_name
    if not archive.exists():
        raise BuildError(
            f"QUIVER_IMAGES is {folder}, and there is no {archive.name}. Remedy: make images"
        )
    return archive

"""The digest of the base image, written into the Containerfile beside its tag."""

from __future__ import annotations

import re
import shutil
import subprocess

from imagebuild.building import CONTAINERFILE
from machine.errors import BuildError
from machine.progress import Say

BASE = re.compile(r"^ARG BASE=([^@\s]+)(?:@(sha256:[0-9a-f]{64}))?$", re.MULTILINE)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Both ask the registry, and for the digest of all architectures, not of this machine's.
RESOLVERS = (
    ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", "{base}"),
    ("skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}", "docker://{base}"),
)


def pin(say: Say) -> str:
    """Ask the registry which digest the tag has now, and write it into the Containerfile.

    Returns the base as it stands there now. Raises BuildError when nobody can tell.
    """
    text = CONTAINERFILE.read_text()
    found = BASE.search(text)
    if found is None:
        raise BuildError(f"{CONTAINERFILE} has no line `ARG BASE=name:tag`")
    pinned = f"{found[1]}@{_digest(found[1], say)}"
    CONTAINERFILE.write_text(BASE.sub(f"ARG BASE={pinned}", text))
    return pinned


def _digest(base: str, say: Say) -> str:
    for words in RESOLVERS:
        if shutil.which(words[0]) is None:
            say(f"not {words[0]}: it is not installed")
            continue
        command = [word.format(base=base) if "{base}" in word else word for word in words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and (found := DIGEST.search(done.stdout)):
            return found[0]
        say(f"not {words[0]}: {done.stderr.strip()[-300:]}")
    raise BuildError(
        f"the digest of {base} cannot be resolved. Remedy: docker with buildx, or skopeo, and a "
        "machine that reaches the registry"
    )

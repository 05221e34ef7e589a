"""What one lock file has and another has not: `python -m imagebuild.collect.locks LONG SHORT`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from machine.errors import BuildError


def added(longer: str, shorter: str) -> str:
    """The requirements of `longer` that are not in `shorter`, with their hashes.

    Raises BuildError when a package stands in both at different versions: images that share a
    layer must agree on what is in it.
    """
    known = _requirements(shorter)
    found = _requirements(longer)
    differing = [name for name in known if found.get(name) != known[name]]
    if differing:
        raise BuildError(f"locked differently: {', '.join(differing)}. Remedy: make lock")
    return "".join(block for name, block in found.items() if name not in known)


def _requirements(text: str) -> dict[str, str]:
    """By each package's name its lines: one for each version that depends on the Python, with
    the hashes below it.
    """
    lines = [line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#")]
    blocks = re.findall(r"^\S.*\n(?:[ \t].*\n)*", "".join(lines), flags=re.MULTILINE)
    found: dict[str, str] = {}
    for block in blocks:
        name = re.split(r"[=\[ ]", block, maxsplit=1)[0]
        found[name] = found.get(name, "") + block
    return found


if __name__ == "__main__":
    sys.stdout.write(added(*(Path(name).read_text() for name in sys.argv[1:3])))

"""The programs that pyproject.toml makes of Quiver, as an installation has them in its PATH."""

import os
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def installed_programs(folder: Path) -> str:
    """Write the programs into the folder. Returns a PATH that begins with it."""
    scripts: dict[str, str] = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]
    for name, place in scripts.items():
        module, _, function = place.partition(":")
        program = folder / name
        program.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n{function}()\n")
        program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"

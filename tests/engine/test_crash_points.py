"""A death at each durable step of a store's life."""

import re
import subprocess
import sys
from pathlib import Path


def test_a_kill_at_any_durable_step_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """Killed before any fsync, rename, unlink or commit, the store opens with all it promised."""
    script = Path(__file__).with_name("crash_points.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "data"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    deaths = re.fullmatch(r"died (\d+) times\n", done.stdout)
    assert deaths
    assert int(deaths[1]) > 55

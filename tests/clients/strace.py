"""strace, where there is one that may trace: it makes system calls fail, late, or deadly."""

import functools
import shutil
import subprocess

import pytest


@functools.cache
def why_not() -> str:
    """Return why strace cannot be used here; nothing where it can."""
    if shutil.which("strace") is None:
        return "there is no strace here"
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else f"strace may not trace: {done.stderr.decode()[:200]}"


needs_strace = pytest.mark.skipif(bool(why_not()), reason=why_not() or "strace works")

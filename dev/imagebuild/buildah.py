"""Debian's buildah, unpacked into the cache: a builder that needs no daemon and no installation."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
from pathlib import Path

from machine import debian
from machine.errors import BuildError
from machine.locks import file_lock, join_users
from machine.paths import cache_dir, platform_name
from machine.progress import Say

PACKAGES = (
    *("buildah", "golang-github-containers-common", "golang-github-containers-image"),
    *("libassuan0", "libdevmapper1.02.1", "libgpg-error0", "libgpgme11", "libseccomp2"),
)
REMEDY = "install docker, podman or buildah"
# A new image costs megabytes, a new lock file half a gigabyte: beyond this all is built anew.
STORE_LIMIT = 6 * 2**30
# buildah starts itself without LD_LIBRARY_PATH: its libraries must be where the loader looks.
WITH_LIBRARIES = 'mount --bind "$0" /etc/ld.so.cache && exec "$@"'


def can_bring() -> str:
    """Why Debian's buildah cannot run here; empty if it can."""
    if os.geteuid() != 0:
        return "it builds as root alone"
    if not debian.can_unpack():
        return "there is no apt-get to fetch it with"
    return ""


def buildah_command(say: Say, own_store: Path | None = None) -> list[str]:
    """The words that Debian's buildah is run with, fetched first where it is missing.

    Its images are in the cache, or in a store of the caller's. Raises BuildError.
    """
    if reason := can_bring():
        raise BuildError(f"Debian's buildah cannot be used: {reason}. Remedy: {REMEDY}")
    root = cache_dir() / f"buildah-{platform_name()}"
    store = own_store or cache_dir() / "buildah-store"
    with file_lock(root.with_suffix(".lock")):
        if not root.exists():
            say(f"buildah: unpacking Debian's package into {root}")
            debian.unpack(PACKAGES, root, REMEDY)
        cache = _loader_cache(root)
        if own_store is None:
            used = join_users(store.with_suffix(".users"), lambda: _bound(store))
            atexit.register(used.close)  # builds go on until this process ends
    mount = ["unshare", "--mount", "sh", "-c", WITH_LIBRARIES, str(cache)]
    settings = root / "etc" / "containers"
    variables = [
        "BUILDAH_ISOLATION=chroot",
        f"STORAGE_DRIVER={_driver(store)}",
        f"CONTAINERS_CONF={root}/usr/share/containers/containers.conf",
        f"CONTAINERS_REGISTRIES_CONF={settings}/registries.conf",
    ]
    program = [
        str(root / "usr/bin/buildah"),
        "--root",
        f"{store}/root",
        "--runroot",
        f"{store}/run",
    ]
    return [*mount, "env", *variables, *program]


def policy() -> list[str]:
    """The option that names the policy which the unpacked package brings."""
    root = cache_dir() / f"buildah-{platform_name()}"
    return [f"--signature-policy={root}/etc/containers/policy.json"]


def _loader_cache(root: Path) -> Path:
    """A cache of the dynamic loader that has the machine's libraries and the unpacked ones."""
    folders = {path.parent for path in root.glob("**/*.so.*")}
    lines = [*map(str, sorted(folders)), "include /etc/ld.so.conf", ""]
    settings, cache = root / "ld.so.conf", root / "ld.so.cache"
    settings.write_text("\n".join(lines))
    ldconfig = shutil.which("ldconfig", path=f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin")
    if ldconfig is None:
        raise BuildError(f"there is no ldconfig here. Remedy: {REMEDY}")
    command = [ldconfig, "-X", "-C", str(cache), "-f", str(settings)]
    subprocess.run(command, check=True, capture_output=True)
    return cache


def _driver(store: Path) -> str:
    """overlay, which copies nothing; vfs where the store's file system cannot be under one."""
    store.mkdir(parents=True, exist_ok=True)
    for part in ("lower", "upper", "work", "merged"):
        (store / "try" / part).mkdir(parents=True, exist_ok=True)
    layers = "lowerdir=lower,upperdir=upper,workdir=work"
    command = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", layers, "merged"]
    done = subprocess.run(command, cwd=store / "try", capture_output=True, check=False)
    return "vfs" if done.returncode else "overlay"


def _bound(store: Path) -> None:
    """Begin with an empty store when it has grown too large."""
    used = sum(path.lstat().st_size for path in store.rglob("*") if not path.is_dir())
    if used > STORE_LIMIT:
        shutil.rmtree(store)

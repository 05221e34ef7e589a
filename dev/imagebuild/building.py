"""The images as images/Containerfile has them built, and where they go."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from imagebuild.base import base_archive
from imagebuild.builders import Builder, debians_buildah
from imagebuild.images import IMAGES, ROOT, Image, build_labels
from machine.locks import file_lock
from machine.paths import cache_dir
from machine.progress import Say

CONTAINERFILE = ROOT / "images" / "Containerfile"
LOCAL_BASE = "local"
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
PIP_SETTINGS = ("index-url", "extra-index-url", "proxy", "timeout", "trusted-host")
# What the builder is given, besides what git ignores: .containerignore.
SOURCES = ("operator", "engine", "proto", "requirements", "dev/imagebuild/collect")
SOURCE_FILES = ("pyproject.toml", "README.md", "LICENSE", "images/Containerfile")
IN_USE_S = 2 * 60 * 60
"""Longer than any run of the tests."""


def build(builder: Builder, image: Image, base: str, say: Say, options: Sequence[str] = ()) -> None:
    """Build an image, with these options besides; its name is then known to the builder.

    `base` stands in place of the Containerfile's, unless empty; `local` is one of this machine's
    Python, which needs no registry. Raises BuildError.
    """
    say(f"image {image.reference}: building with {builder.name}")
    with tempfile.TemporaryDirectory() as folder:
        recipe = _labelled(image, Path(folder))
        arguments = [*options, "--file", str(recipe)]
        arguments += ["--target", "labelled", "--tag", image.reference]
        values = {name: os.environ[name] for name in PROXIES if name in os.environ}
        if image.extra:
            values["EXTRA"] = image.extra
        if base == LOCAL_BASE:
            values["BASE"], archive = base_archive(say)
            builder.load(archive)
        elif base:
            values["BASE"] = base
        for name, value in values.items():
            arguments += ["--build-arg", f"{name}={value}"]
        for name, path in _secrets(Path(folder)):
            arguments += ["--secret", f"id={name},src={path}"]
        builder.build(arguments, ROOT)


def _labelled(image: Image, folder: Path) -> Path:
    """The Containerfile with one stage more, whose labels stand there word by word.

    Buildah's cache passes over changes of --label and of arguments in a LABEL.
    """
    labels = " ".join(f"{name}={json.dumps(value)}" for name, value in build_labels().items())
    recipe = folder / "Containerfile"
    stage = f"\nFROM {image.name} AS labelled\nLABEL {labels}\n"
    recipe.write_text(CONTAINERFILE.read_text() + stage)
    return recipe


def _secrets(folder: Path) -> Iterator[tuple[str, Path]]:
    """Pip's settings of this machine: an index may need a password, which no image may hold."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    settings = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2]] = value.strip("'\"")
    lines = [f"{name} = {settings[name]}" for name in PIP_SETTINGS if name in settings]
    authorities = settings.get("cert")
    if authorities:
        lines.append("cert = /run/secrets/ca.pem")
        yield "ca.pem", Path(authorities)
    if lines:
        path = folder / "pip.conf"
        path.write_text("\n".join(["[global]", *lines, ""]))
        yield "pip.conf", path


def built_archives(say: Say, names: Sequence[str] = tuple(IMAGES)) -> Path:
    """A folder with the archives of images, built by Debian's buildah on a base of this machine.

    They are built anew only when something has changed. Raises BuildError.
    """
    folder = cache_dir() / "images" / f"built-{_key()}"
    with file_lock(
        folder.parent / "built.lock", waiting=lambda: say("images: being built already")
    ):
        missing = [name for name in names if not (folder / IMAGES[name].archive_name).exists()]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            builder = debians_buildah(say, quiet=True)
            for name in missing:
                build(builder, IMAGES[name], LOCAL_BASE, say)
                builder.save(IMAGES[name].reference, folder / IMAGES[name].archive_name)
            _forget_older(folder)
        os.utime(folder)  # it is in use
    return folder


def _key() -> str:
    digest = hashlib.sha256()
    for value in (sys.version, *build_labels().values()):
        digest.update(f"{value}\0".encode())
    paths = [path for name in SOURCES for path in sorted((ROOT / name).rglob("*"))]
    for path in (*paths, *(ROOT / name for name in SOURCE_FILES)):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _forget_older(keep: Path) -> None:
    """Remove what is not the newest; what was made lately may be somebody's who imports it."""
    lately = time.time() - IN_USE_S
    others = (path for path in keep.parent.glob("built-*") if path.is_dir() and path != keep)
    for path in others:
        if path.stat().st_mtime < lately:
            shutil.rmtree(path)

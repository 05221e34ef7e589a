"""The page on installing and the README tell the same commands, about files that there are."""

import re
from pathlib import Path

from imagebuild.images import GPU_ENGINE, IMAGES, VALUES
from imagebuild.pinning import BASE
from quiver.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text()
CONTAINERFILE = (ROOT / "images" / "Containerfile").read_text()


def first_commands(text: str) -> list[str]:
    """The block that begins with `make images` alone, without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    [block] = [found for found in blocks if re.match(r"make images *(#|\n)", found)]
    return [line.partition(" #")[0].rstrip() for line in block.splitlines()]


def test_five_commands_lead_to_a_collection() -> None:
    """README and page have the same five, and the manifest that they apply is there."""
    commands = first_commands(PAGE)
    assert len(commands) == 5
    assert first_commands((ROOT / "README.md").read_text()) == commands
    [applied] = re.findall(r"kubectl apply -f (\S+)", "\n".join(commands))
    assert (ROOT / applied).exists()


def test_images_have_one_name() -> None:
    """Chart, operator and builds name the same images, and the page names the archives."""
    assert "imageRegistry: localhost\n" in VALUES.read_text()
    assert Settings().engine_image == IMAGES["engine"].reference
    for image in (IMAGES["engine"], GPU_ENGINE):
        assert f"/quiver-engine:{image.tag}" in PAGE
    assert set(re.findall(r"--target (\w+)", PAGE)) == IMAGES.keys()


def test_the_base_is_named_as_it_is() -> None:
    """The page says which base the Containerfile has."""
    found = BASE.search(CONTAINERFILE)
    assert found is not None
    assert f"The base is `{found[1]}`" in PAGE

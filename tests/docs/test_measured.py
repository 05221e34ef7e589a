"""What the documentation says of measurements is what was measured."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "README.md": "Nothing has been measured on a GPU yet",
    "docs/engine-gpu.md": "has not been measured on",
}


def test_the_pages_say_that_nothing_was_measured_on_a_gpu_as_long_as_that_is_so() -> None:
    """Whoever measures on one corrects README and the page on GPUs."""
    results = (ROOT / "dev" / "bench" / "results").glob("*.json")
    assert not any("gpu" in path.read_text().lower() for path in results)
    for page, words in PAGES.items():
        assert words in (ROOT / page).read_text()

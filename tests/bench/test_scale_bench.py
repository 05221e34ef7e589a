"""The measurement of the operator runs, and says what it found."""

from click.testing import CliRunner

from bench.scale.__main__ import PAGE, main


def test_a_small_run_prints_figures_and_leaves_the_docs() -> None:
    """All phases but the long ones run, and every figure of Quiver has a value."""
    page = PAGE.read_text()
    options = ["--collections", "20", "--idle", "1", "--no-plain-kopf"]
    ran = CliRunner().invoke(main, options, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert "| 20 on 1 engine |" in ran.output
    assert "| forgotten until touched, ours | 0 |" in ran.output
    assert "| API writes of an object | 2." in ran.output
    assert PAGE.read_text() == page

from quiver_engine.cli import engine

engine(prog_name="python -m quiver_engine")

"""The stage with Milvus 2.3.5 as the engine, for any user."""

from demo.local_processes import LocalProcesses
from machine.milvus_servers import MilvusServer, pymilvus_python

ENGINE_MANIFEST = """\
apiVersion: quiver.dev/v1alpha1
kind: VectorEngine
metadata:
  name: {name}
spec:
  type: Milvus
  external:
    endpoints: ["{address}"]
"""


class BesideMilvus(LocalProcesses):
    """Milvus is a process of the demo, which Quiver finds as a server that others run."""

    leaves_out = "the operator's pod"
    engine_manifest = ENGINE_MANIFEST
    client_python = staticmethod(pymilvus_python)

    def _start_engine(self) -> None:
        self._screen.command("milvus run standalone &")
        server = MilvusServer(self._directory / "milvus", start_new_session=True)
        self._engine = server
        self._address = server.start().address

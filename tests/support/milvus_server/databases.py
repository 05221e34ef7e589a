"""Databases, and what a server tells of itself."""

from typing import Any

from quiver_proto import milvus2_pb2 as pb
from support.milvus_server.catalog import Catalog
from support.milvus_server.names import is_name
from support.milvus_server.refusals import wrong


class Databases:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def get_version(self, _request: Any) -> pb.GetVersionResponse:
        return pb.GetVersionResponse(version=self._catalog.told_version)

    def list_databases(self, _request: Any) -> pb.ListDatabasesResponse:
        return pb.ListDatabasesResponse(db_names=list(self._catalog.databases))

    def create_database(self, request: pb.CreateDatabaseRequest) -> None:
        if not is_name(request.db_name):
            raise wrong(f"Invalid database name: {request.db_name}")
        if request.db_name in self._catalog.databases:
            raise wrong(f"database already exist: {request.db_name}")
        self._catalog.databases[request.db_name] = {}

    def drop_database(self, request: pb.DropDatabaseRequest) -> None:
        if self._catalog.databases.get(request.db_name):
            raise wrong(f"database:{request.db_name} not empty, must drop all collections")
        self._catalog.databases.pop(request.db_name, None)

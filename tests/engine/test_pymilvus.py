"""The client of Milvus 1.x, unchanged, against the engine."""

import re
import shlex
import subprocess
from pathlib import Path

from packaging.requirements import Requirement

from machine import pymilvus1
from machine.engine_process import EngineProcess
from machine.pymilvus1 import pymilvus_python

THE_SNIPPET = """
from milvus import Milvus, MetricType
client = Milvus(host=HOST, port=PORT)
status = client.create_collection({'collection_name': 'test01', 'dimension': 256,
                                   'index_file_size': 1024, 'metric_type': MetricType.L2})
assert status.OK(), status
assert client.has_collection('test01') == (client.has_collection('test01')[0], True)
status, schema = client.get_collection_info('test01')
assert status.OK(), status
assert (schema.collection_name, schema.dimension) == ('test01', 256)
assert (schema.index_file_size, schema.metric_type) == (1024, MetricType.L2)
assert client.list_collections()[1] == ['test01']
status = client.drop_collection('test01')
assert status.OK(), status
assert client.has_collection('test01')[1] is False
assert client.list_collections()[1] == []
"""

VECTORS = """
import random
from milvus import Milvus, MetricType
client = Milvus(host=HOST, port=PORT)
random.seed(1)
rows = [[random.random() for _ in range(32)] for _ in range(10_000)]
client.create_collection({'collection_name': 'v', 'dimension': 32, 'index_file_size': 10,
                          'metric_type': MetricType.L2})
status, ids = client.insert('v', rows)
assert status.OK() and len(ids) == 10_000, status
assert client.flush(['v']).OK()
assert client.count_entities('v')[1] == 10_000
status, found = client.search('v', 3, rows[:20], params={'nprobe': 16})
assert status.OK(), status
def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b))
for query, hits in zip(rows[:20], found):
    exact = sorted((distance(query, row), id_) for row, id_ in zip(rows, ids))[:3]
    assert [hit.id for hit in hits] == [id_ for _, id_ in exact]
    assert all(abs(hit.distance - d) < 1e-4 for hit, (d, _) in zip(hits, exact))
assert client.create_partition('v', 'p1').OK()
assert client.has_partition('v', 'p1')[1]
assert [p.tag for p in client.list_partitions('v')[1]] == ['_default', 'p1']
assert client.insert('v', rows[:5], partition_tag='p1')[0].OK()
assert client.flush().OK()
status, found = client.search('v', 9, rows[:1], partition_tags=['p.'])
assert len(found[0]) == 5
assert client.drop_partition('v', 'p1').OK()
assert client.count_entities('v')[1] == 10_000
status, _ = client.search('missing', 1, rows[:1])
assert status.code == 4, status
"""


BITS = """
import random
from milvus import IndexType, Milvus, MetricType
client = Milvus(host=HOST, port=PORT)
random.seed(1)
rows = [bytes(random.getrandbits(8) & random.getrandbits(8) for _ in range(4)) for _ in range(500)]
def common(a, b):
    return bin(int.from_bytes(a, "big") & int.from_bytes(b, "big")).count("1")
def either(a, b):
    return bin(int.from_bytes(a, "big") | int.from_bytes(b, "big")).count("1")
DISTANCES = {
    MetricType.HAMMING: lambda a, b: either(a, b) - common(a, b),
    MetricType.JACCARD: lambda a, b: 1 - common(a, b) / either(a, b),
    MetricType.SUBSTRUCTURE: lambda a, b: 0 if common(a, b) == common(a, a) else 9,
    MetricType.SUPERSTRUCTURE: lambda a, b: 0 if common(a, b) == common(b, b) else 9,
}
for metric, distance in DISTANCES.items():
    name = metric.name
    assert client.create_collection({'collection_name': name, 'dimension': 32,
                                     'index_file_size': 10, 'metric_type': metric}).OK()
    status, ids = client.insert(name, rows)
    assert status.OK(), status
    assert client.flush([name]).OK()
    status, found = client.search(name, 3, rows[:20])
    assert status.OK(), status
    for query, hits in zip(rows[:20], found):
        exact = sorted(distance(query, row) for row in rows)[:3]
        told = [hit.distance for hit in hits if hit.id != -1]
        assert all(abs(d - e) < 1e-6 for d, e in zip(told, exact)), (metric, told, exact)
        assert len(told) == sum(e < 9 for e in exact) if "STRUCTURE" in name else len(told) == 3
    status, back = client.get_entity_by_id(name, ids[:2])
    assert status.OK() and [bytes(row) for row in back] == rows[:2], (status, back)
status = client.create_index('HAMMING', IndexType.IVF_FLAT, {'nlist': 4})
assert status.OK(), status
assert client.get_index_info('HAMMING')[1].index_type == IndexType.IVF_FLAT
assert client.create_index('JACCARD', IndexType.HNSW, {'M': 8, 'efConstruction': 8}).code == 8
"""


NO_ROWS_LEFT = """
from milvus import Milvus, MetricType
client = Milvus(host=HOST, port=PORT)
client.create_collection({'collection_name': 'v', 'dimension': 2, 'index_file_size': 10,
                          'metric_type': MetricType.L2})
status, found = client.search('v', 3, [[1, 0]])
assert status.OK() and len(found) == 0, (status, found)
assert client.insert('v', [[1, 0], [0, 3]], [1, 2])[0].OK()
assert client.flush(['v']).OK()
status, found = client.search('v', 3, [[1, 1]], params={'metric_type': MetricType.IP})
assert status.OK(), status
assert [(hit.id, hit.distance) for hit in found[0]] == [(2, 3.0), (1, 1.0)], found
status, _ = client.search('v', 3, [[1, 1]], params={'metric_type': MetricType.HAMMING})
assert status.code == 5, status
assert client.delete_entity_by_id('v', [1, 2]).OK()
assert client.flush(['v']).OK()
status, found = client.search('v', 3, [[1, 0]])
assert status.OK() and list(found[0]) == [], (status, found)
status, found = client.get_entity_by_id('v', [1])
assert status.OK() and list(found[0]) == [], (status, found)
assert client.insert('v', [[5, 5]], [1])[0].OK()
assert client.insert('v', [[6, 6]], [1])[0].OK()
assert client.flush(['v']).OK()
status, found = client.get_entity_by_id('v', [1])
assert status.OK() and list(found[0]) == [6, 6], (status, found)
"""


COMMANDS = """
from milvus import Milvus
client = Milvus(host=HOST, port=PORT)
assert client.server_version()[1] == '1.1.1'
assert client.server_status()[1] == 'OK'
def told(parent, node):
    status, value = client.get_config(parent, node)
    assert status.OK(), status
    return value
assert told('network', 'bind.port') == PORT
for parent, node, value in (('cache', 'cache_size', '64MB'), ('storage', 'auto_flush_interval', 5),
                            ('engine_config', 'max_partition_num', 4096)):
    status, reply = client.set_config(parent, node, value)
    assert status.OK() and reply == '', (status, reply)
    assert told(parent, node) == str(value)
assert client.get_config('storage', 'auto_flush_interval ')[0].code == 1
assert client.get_config('cache_config', 'cpu_cache_capacity')[0].code == 1
assert client.set_config('wal', 'enable', 'false')[0].code == 1
assert client.set_config('cache', 'cache_size', 'much')[0].code == 5
"""


def run(script: str, engine: EngineProcess) -> str:
    host, port = engine.grpc_address.split(":")
    whole = f"HOST, PORT = {host!r}, {port!r}\n{script}"
    done = subprocess.run(
        [pymilvus_python(), "-c", whole], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippet_that_users_start_with(own_engine: EngineProcess) -> None:
    """A collection is created, is there and describes itself so, and is gone after its drop."""
    run(THE_SNIPPET, own_engine)


def test_vectors_and_partitions(own_engine: EngineProcess) -> None:
    """Ten thousand rows are inserted, counted and found as a plain computation finds them."""
    run(VECTORS, own_engine)


def test_version_and_configuration(own_engine: EngineProcess) -> None:
    """The version is the one that it knows; nodes are read and set, and misspelt ones refused."""
    run(COMMANDS, own_engine)


def test_vectors_of_bits(own_engine: EngineProcess) -> None:
    """Rows given as bytes are found by every kind of binary metric and come back as bytes."""
    run(BITS, own_engine)


def test_what_a_search_finds_where_no_rows_are_left(own_engine: EngineProcess) -> None:
    """Without rows ever there is no answer, with deleted ones an empty one; a metric is heeded."""
    run(NO_ROWS_LEFT, own_engine)


CLIENTS = Path(__file__).parents[2] / "docs" / "clients.md"
LOCK = Path(pymilvus1.__file__).with_name("pymilvus1-requirements.txt")
MAKE_TEST01 = """
from milvus import Milvus, MetricType
assert Milvus(host=HOST, port=PORT).create_collection({
    'collection_name': 'test01', 'dimension': 256, 'index_file_size': 1024,
    'metric_type': MetricType.L2}).OK()
"""


def test_the_script_of_the_page_on_clients(own_engine: EngineProcess) -> None:
    """As it stands there, it finds the vector that it searches for, and two others."""
    run(MAKE_TEST01, own_engine)
    [script] = re.findall(r"```python\n(.*?)```", CLIENTS.read_text(), re.DOTALL)
    assert script.count('port="19530"') == 1
    nearest, *others = run(script.replace('port="19530"', "port=PORT"), own_engine).splitlines()
    assert nearest.split()[1] == "0.0"
    assert len(others) == 2


def test_the_recipe_of_the_page_on_clients_installs_what_this_client_runs_with() -> None:
    """The versions that it asks for take those of these tests, and it leaves out none of them."""
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", LOCK.read_text(), re.MULTILINE))
    commands = re.findall(r"^milvus1/bin/pip install (.*)$", CLIENTS.read_text(), re.MULTILINE)
    words = [word for command in commands for word in shlex.split(command)]
    asked = {r.name: r for r in map(Requirement, (w for w in words if not w.startswith("--")))}
    assert {*asked} == {"grpcio", "protobuf", "setuptools", "requests", "ujson", "pymilvus"}
    assert [name for name in asked if locked[name] not in asked[name].specifier] == []

"""What a gateway loads is small, whatever the import graph on paper says."""

import json
import pkgutil
import subprocess
import sys

import edge

ROOMS = (
    "alarms",
    "commands",
    "console",
    "dashboards",
    "decoders",
    "deploy",
    "ingest",
    "khaen.site",
    "simulators",
    "store",
)
LIBRARIES = (
    "aiohttp",
    "alembic",
    "amqtt",
    "chirpstack_api.api",
    "cryptography",
    "fastapi",
    "google.api_core",
    "greenlet",
    "grpc",
    "httpx",
    "influxdb_client",
    "jinja2",
    "numpy",
    "pandas",
    "psycopg",
    "pygments",
    "rich",
    "sqlalchemy",
    "typer",
    "yaml",
)
ABSENT = ROOMS + LIBRARIES
ON_DEMAND = (
    "chirpstack_api.integration",
    "edge.doctor",
    "edge.desk.drain",
    "edge.health.inquiry",
    "edge.sources.concentratord",
    "edge.sources.network_server",
    "edge.sources.serial_module",
    "edge.desk.summary",
    "edge.tail",
    "edge.tap.tap",
    "edge.desk.terminal",
    "edge.units",
    "serial",
    "zmq",
)
LOADED = {
    "annotated_types",
    "chirpstack_api",
    "dotenv",
    "google",
    "paho",
    "prometheus_client",
    "pydantic",
    "pydantic_core",
    "pydantic_settings",
    "structlog",
    "typing_extensions",
    "typing_inspection",
}
"""Every library that a running agent has in memory, where no source asks for more."""
LOAD = """
import importlib, json, sys

absent, names = map(json.loads, sys.argv[1:])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in absent:
            raise ModuleNotFoundError(f"{name} is not on a gateway", name=name)

sys.meta_path.insert(0, Absent())
for name in names:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def list_modules() -> list[str]:
    found = pkgutil.walk_packages(edge.__path__, "edge.")
    return ["edge", *(module.name for module in found if not module.name.endswith("__main__"))]


def load(absent: tuple[str, ...], names: list[str]) -> subprocess.CompletedProcess[str]:
    """Import `names` where `absent` cannot be imported, as on a gateway; print what is loaded."""
    return subprocess.run(
        [sys.executable, "-c", LOAD, json.dumps(absent), json.dumps(names)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_of_the_agent_loads_on_a_gateway() -> None:
    modules = list_modules()
    done = load(ABSENT, modules)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert set(modules) <= set(loaded)
    assert [name for name in loaded if name in ABSENT] == []


def test_what_only_some_gateways_need_is_not_loaded_by_all() -> None:
    done = load(ABSENT, ["edge.main", "edge.program"])
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert "edge.sources" in loaded
    assert [name for name in loaded if name in ON_DEMAND] == []
    packages = {name.split(".")[0] for name in loaded} - sys.stdlib_module_names
    assert {name for name in packages if not name.startswith("_")} == LOADED | {"edge", "khaen"}


def test_what_needs_the_server_does_not() -> None:
    done = load(ABSENT, ["sqlalchemy"])
    assert done.returncode != 0
    assert "sqlalchemy is not on a gateway" in done.stderr

"""What a gateway loads is small, whatever the import graph on paper says."""

import json
import pkgutil
import subprocess
import sys

import edge

FORBIDDEN = (
    "aiohttp",
    "alembic",
    "amqtt",
    "chirpstack_api.api",
    "chirpstack_api.integration",
    "cryptography",
    "fastapi",
    "google.api_core",
    "grpc",
    "httpx",
    "influxdb_client",
    "jinja2",
    "khaen.site",
    "numpy",
    "pandas",
    "psycopg",
    "rich",
    "sqlalchemy",
    "typer",
    "yaml",
)
ROOMS_NOT_ON_A_GATEWAY = (
    "alarms",
    "commands",
    "console",
    "dashboards",
    "decoders",
    "deploy",
    "ingest",
    "simulators",
    "store",
)
LOAD = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def list_modules() -> list[str]:
    found = pkgutil.walk_packages(edge.__path__, "edge.")
    return ["edge", *(module.name for module in found if not module.name.endswith("__main__"))]


def test_every_module_of_the_agent_together_loads_nothing_of_the_server() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *list_modules()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert "edge" in loaded
    assert loaded.isdisjoint({*FORBIDDEN, *ROOMS_NOT_ON_A_GATEWAY})

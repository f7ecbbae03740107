"""The ledger's tables (docs/ledger.md), for SQLAlchemy Core.

Times are BIGINT microseconds since 1970 UTC, EUIs 16 lower-case hexadecimal digits, documents
JSON text. Every room reads tables through the modules of `store`, never by itself.
"""

from store.schema import accounts, alarms, people, registry, traffic
from store.schema.base import metadata

__all__ = ["accounts", "alarms", "metadata", "people", "registry", "traffic"]

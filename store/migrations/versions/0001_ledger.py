"""The ledger's first tables."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create everything, as the SQL of the database's own dialect says beside this file."""
    dialect = op.get_bind().dialect.name
    script = Path(__file__).with_name(f"0001_ledger.{dialect}.sql").read_text(encoding="utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)

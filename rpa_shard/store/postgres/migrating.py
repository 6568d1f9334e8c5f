"""The schema of the database, made and brought up to date by numbered files.

Guarantee: one process migrates at a time, each step is a transaction, and what a newer version has made is refused.
Limit: there is no way back to an older schema.
"""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import DictRow

from rpa_shard.model.errors import StoreError
from rpa_shard.store.postgres.queries import migrations, query


def migrate(connection: Connection[DictRow]) -> None:
    """Applies the steps that are missing. Raises StoreError if the database is newer than this program."""
    if applied(connection) == max(migrations()):
        return
    connection.execute(query("lock_migrations"))
    try:
        connection.execute(query("create_migrations"))
        done = applied(connection)
        for number, statements in sorted(migrations().items()):
            if number > done:
                with connection.transaction():
                    connection.execute(statements)
                    connection.execute(query("remember_migration"), {"number": number})
    finally:
        connection.execute(query("unlock_migrations"))


def applied(connection: Connection[DictRow]) -> int:
    """The number of the last step that was applied, 0 if there is no store yet. Raises StoreError if it is newer."""
    there = connection.execute(query("has_migrations")).fetchone()
    if there is None or not there["there"]:
        return 0
    row = connection.execute(query("last_migration")).fetchone()
    number = int(row["number"]) if row is not None else 0
    if number > max(migrations()):
        newer = f"has schema {number}, newer than ours ({max(migrations())})"
        raise StoreError(f"database {connection.info.dbname} {newer}: update rpa_shard")
    return number

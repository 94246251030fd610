"""A connection to an SQLite file, closed when its block ends (sqlite3's own `with` does not)."""

import contextlib
import sqlite3


@contextlib.contextmanager
def opened(path):
    """Every statement is a transaction of its own, unless BEGIN says otherwise."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        yield connection
    finally:
        connection.close()

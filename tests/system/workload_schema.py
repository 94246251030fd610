"""An application's migrations: columns that come and go, and whole tables rebuilt."""

TABLES = ("Artist", "Album", "Track", "Customer", "Invoice", "Playlist", "Employee", "InvoiceLine")


def add_column(application, table=None):
    """ADD COLUMN with a default, which no row event tells of; then some rows get a value."""
    table = table or application.random.choice(TABLES)
    column = f"Extra{application.random.randrange(10**6)}"
    default = application.random.choice(["5", "'five'", "2.50", "NULL", "x'00ff'"])
    application.sql(f"ALTER TABLE {table} ADD COLUMN {column} DEFAULT {default}")
    application.sql(
        f"UPDATE {table} SET {column} = ? WHERE {table}Id % 3 = 0", application.text()
    )
    return table, column


def extra_columns(application, table):
    names = [row[1] for row in application.sql(f"PRAGMA table_info({table})")]
    return [name for name in names if name.startswith("Extra")]


def drop_or_rename_column(application):
    """Of a column that add_column made; adds one where there is none."""
    table = application.random.choice(TABLES)
    columns = extra_columns(application, table)
    if not columns:
        add_column(application, table)
    elif application.random.random() < 0.5:
        application.sql(f"ALTER TABLE {table} DROP COLUMN {columns[0]}")
    else:
        new = f"Extra{application.random.randrange(10**6)}"
        application.sql(f"ALTER TABLE {table} RENAME COLUMN {columns[0]} TO {new}")


def rebuild_table(application, table=None):
    """SQLite's recipe for changes that ALTER TABLE can't make: a new table takes the old one's place.

    As an application would, it makes its own indexes again and knows nothing of foreign triggers.
    Runs a transaction of its own, because foreign_keys can't be changed within one.
    """
    table = table or application.random.choice(TABLES)
    application.sql("PRAGMA foreign_keys = OFF")
    application.sql("BEGIN IMMEDIATE")
    create = application.one("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", table)
    indexes = application.sql(
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql NOT NULL", table
    ).fetchall()
    _, body = create.split("(", 1)
    application.sql(f"CREATE TABLE rebuilt ({body}")
    application.sql(f"INSERT INTO rebuilt SELECT * FROM {table}")
    application.sql(f"DROP TABLE {table}")
    application.sql(f"ALTER TABLE rebuilt RENAME TO {table}")
    for (sql,) in indexes:
        application.sql(sql)
    key = f"{table}Id"
    name = {"Album": "Title", "Track": "Name", "Artist": "Name", "Playlist": "Name"}.get(table)
    if name:  # changes that no trigger can have seen, for there is none on the new table
        application.sql(f"UPDATE {table} SET {name} = {name} || ' II' WHERE {key} % 7 = 0")
    application.sql("COMMIT")
    application.transactions += 1


def random_migration(application):
    kind = application.random.randrange(3)
    if kind == 0:
        rebuild_table(application)
    else:
        application.transaction(
            lambda: add_column(application) if kind == 1 else drop_or_rename_column(application)
        )

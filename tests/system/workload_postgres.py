"""Applications that keep writing to a Chinook on PostgreSQL: seeded random transactions, side by side.

After each transaction holds what workload_chinook.py keeps as well: an invoice's total is the sum of
its lines, no two invoices of a customer have one date, and no track is without an album. Where
transactions meet, the server refuses one of them, as happens to applications.
"""

import random
import threading
from decimal import Decimal

from psycopg import errors, sql
from psycopg.rows import dict_row

from workload_chinook import PRICES

TEXTS = (
    "", "plain", "it's “quoted” \\ \"twice\"", "Ærøskøbing", "東京事変", "naïve café", "🎷 blue",
    "tab\tand\nline\rend", "null", "\\N", "NaN", "{braces}", "#hash", " spaces ", "x" * 60,
)
TABLES = ("artist", "album", "track", "customer", "invoice", "playlist", "employee", "invoice_line", "playlist_track")


def prepare(database):
    """Lets keys move together with what points at them, and dates be swapped, within a transaction."""
    foreign = database.query(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint"
        " WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    )
    for table, constraint in foreign:
        database.execute(f"ALTER TABLE {table} ALTER CONSTRAINT {constraint} DEFERRABLE INITIALLY DEFERRED")
    database.execute("ALTER TABLE invoice ADD CONSTRAINT app_slot UNIQUE (customer_id, invoice_date)"
                     " DEFERRABLE INITIALLY DEFERRED")


class Application:
    """One session. A Crowd of them runs side by side."""

    def __init__(self, database, seed):
        self.random = random.Random(seed)
        self.seed = seed
        self.transactions = self.refused = 0
        self.undo = []
        self.connection = database.connect(autocommit=True, application_name="application")
        self.connection.execute("SET lock_timeout = '5s'")
        self.connection.execute("SET deadlock_timeout = '100ms'")

    def close(self):
        self.connection.close()

    # ---- running -------------------------------------------------------------------------------

    def burst(self, transactions):
        names, weights = zip(*WEIGHTS.items())
        for _ in range(transactions):
            chosen = self.random.choices(names, weights, k=self.random.choice([1, 1, 1, 2, 4]))
            self.transaction(*(getattr(self, name) for name in chosen))

    def transaction(self, *operations):
        """Runs the operations as one transaction, each perhaps in a savepoint of its own."""
        pick = self.random.random
        try:
            with self.connection.transaction(force_rollback=pick() < 0.03):
                for operation in operations:
                    if pick() < 0.3:
                        self._in_savepoint(operation, undone=pick() < 0.3)
                    else:
                        operation()
            self.transactions += 1
        except REFUSALS:
            self.refused += 1

    def _in_savepoint(self, operation, undone):
        try:
            with self.connection.transaction(force_rollback=undone):
                operation()
        except REFUSALS:
            self.refused += 1

    def sql(self, text, *parameters):
        return self.connection.execute(text, parameters or None)

    def one(self, text, *parameters):
        row = self.sql(text, *parameters).fetchone()
        return row[0] if row else None

    def some(self, table, key=None, where="true"):
        """The key of a random row; None if there is no row."""
        key = key or f"{table}_id"
        count = self.one(f"SELECT count(*) FROM {table} WHERE {where}")
        if not count:
            return None
        return self.one(f"SELECT {key} FROM {table} WHERE {where} ORDER BY {key} OFFSET %s LIMIT 1",
                        self.random.randrange(count))

    def fresh(self, *places):
        """A key that no table has, and no other session is likely to take."""
        highest = max(self.one(f"SELECT coalesce(max({key}), 0) FROM {table}") for table, key in places)
        return highest + 1 + self.random.randrange(50)

    def text(self):
        return self.random.choice(TEXTS) + str(self.random.randrange(1000))

    # ---- the catalogue -------------------------------------------------------------------------

    def insert_artist(self):
        self.sql("INSERT INTO artist (artist_id, name) VALUES (%s, %s)",
                 self.fresh(("artist", "artist_id")), self.random.choice([None, self.text()]))

    def insert_many_artists(self):
        """One statement of many rows."""
        first = self.fresh(("artist", "artist_id"))
        self.sql("INSERT INTO artist (artist_id, name) SELECT %s + n, 'many ' || n FROM generate_series(1, %s) AS n",
                 first, self.random.randrange(1, 30))

    def delete_artists(self):
        self.sql("DELETE FROM artist WHERE name LIKE 'many %%' AND artist_id %% 3 = %s"
                 " AND artist_id NOT IN (SELECT artist_id FROM album)", self.random.randrange(3))

    def insert_album(self):
        self.sql("INSERT INTO album (album_id, title, artist_id) VALUES (%s, %s, %s)",
                 self.fresh(("album", "album_id")), self.text(), self.some("artist"))

    def insert_tracks(self):
        """By COPY."""
        first = self.fresh(("track", "track_id"))
        albums = [self.some("album"), self.some("album")]
        columns = "track_id, name, album_id, media_type_id, genre_id, composer, milliseconds, bytes, unit_price"
        media = self.some("media_type")
        with self.connection.cursor().copy(f"COPY track ({columns}) FROM STDIN") as copy:
            for number in range(self.random.randrange(1, 12)):
                copy.write_row((
                    first + number, self.text(), self.random.choice(albums), media,
                    self.random.choice([None, 1, 2, 3]), self.random.choice([None, "", self.text()]),
                    self.random.randrange(10**6), self.random.choice([None, 0, -(2**31), 2**31 - 1]),
                    Decimal(self.random.choice(["0.99", "0.00", "-1.50", "99999999.99", "0.10"])),
                ))

    def update_track(self):
        column, value = self.random.choice([
            ("name", self.text()), ("composer", None), ("composer", self.text()),
            ("milliseconds", self.random.randrange(10**6)), ("unit_price", Decimal("1.10")),
        ])
        self.sql(f"UPDATE track SET {column} = %s WHERE track_id = %s", value, self.some("track"))

    def update_many_tracks(self):
        self.sql("UPDATE track SET milliseconds = milliseconds + 1 WHERE track_id %% 17 = %s", self.random.randrange(17))

    def delete_track(self):
        track = self.some("track")
        self.sql("DELETE FROM playlist_track WHERE track_id = %s", track)
        self.sql("UPDATE invoice_line SET track_id = %s WHERE track_id = %s",
                 self.some("track", where=f"track_id <> {track or 0}"), track)
        self.sql("DELETE FROM track WHERE track_id = %s", track)

    def move_track(self):
        self.sql("UPDATE track SET album_id = %s WHERE track_id = %s", self.some("album"), self.some("track"))

    def move_album(self):
        self.sql("UPDATE album SET artist_id = %s WHERE album_id = %s", self.some("artist"), self.some("album"))

    def rename(self):
        table = self.random.choice(["artist", "genre", "media_type", "playlist"])
        self.sql(f"UPDATE {table} SET name = %s WHERE {table}_id = %s", self.text(), self.some(table))

    def rename_album(self):
        self.sql("UPDATE album SET title = %s WHERE album_id = %s", self.text(), self.some("album"))

    def upsert(self):
        self.sql("INSERT INTO genre (genre_id, name) VALUES (%s, %s) ON CONFLICT (genre_id) DO UPDATE"
                 " SET name = excluded.name || '!'", self.some("genre"), self.text()[:80])

    # ---- keys that move ------------------------------------------------------------------------

    def move_key(self, table, old, new):
        """With all that points at it; the foreign keys are checked at the end."""
        self.sql(f"UPDATE {table} SET {table}_id = %s WHERE {table}_id = %s", new, old)
        for child, column in CHILDREN.get(table, ()):
            self.sql(f"UPDATE {child} SET {column} = %s WHERE {column} = %s", new, old)

    def change_key(self):
        table = self.random.choice(["artist", "album", "genre", "playlist", "customer"])
        self.move_key(table, self.some(table), self.fresh((table, f"{table}_id")))

    def swap_keys(self):
        table = self.random.choice(["artist", "album", "track", "genre", "playlist", "customer"])
        one, other = self.some(table), self.some(table)
        if one != other:
            for old, new in ((one, -1), (other, one), (-1, other)):
                self.sql(f"UPDATE {table} SET {table}_id = %s WHERE {table}_id = %s", new, old)

    def replace_row(self):
        """A key that is deleted and inserted again in one transaction."""
        genre = self.some("genre")
        self.sql("DELETE FROM genre WHERE genre_id = %s", genre)
        self.sql("INSERT INTO genre (genre_id, name) VALUES (%s, %s)", genre, self.text())

    # ---- orders --------------------------------------------------------------------------------

    def locked_invoice(self):
        """Only one session changes an invoice's lines at a time."""
        invoice = self.some("invoice")
        return self.one("SELECT invoice_id FROM invoice WHERE invoice_id = %s FOR UPDATE", invoice)

    def settle(self, invoice):
        self.sql("UPDATE invoice SET total = (SELECT coalesce(sum(unit_price * quantity), 0) FROM invoice_line"
                 " WHERE invoice_line.invoice_id = invoice.invoice_id) WHERE invoice_id = %s", invoice)

    def random_date(self):
        return "20%02d-%02d-%02d %02d:00:00.%03d" % (
            self.random.randrange(21, 40), self.random.randrange(1, 13), self.random.randrange(1, 29),
            self.random.randrange(24), self.random.randrange(1000),
        )

    def add_line(self, invoice):
        self.sql("INSERT INTO invoice_line (invoice_line_id, invoice_id, track_id, unit_price, quantity)"
                 " VALUES (%s, %s, %s, %s, %s)", self.fresh(("invoice_line", "invoice_line_id")), invoice,
                 self.some("track"), Decimal(self.random.choice(PRICES)), self.random.randrange(1, 9))

    def insert_invoice(self):
        invoice = self.fresh(("invoice", "invoice_id"), ("invoice_line", "invoice_id"))
        self.sql("INSERT INTO invoice (invoice_id, customer_id, invoice_date, billing_city, total)"
                 " VALUES (%s, %s, %s, %s, 0)", invoice, self.some("customer"), self.random_date(), self.text()[:40])
        for _ in range(self.random.randrange(5)):
            self.add_line(invoice)
        self.settle(invoice)

    def change_lines(self):
        invoice = self.locked_invoice()
        if invoice is None:
            return
        for _ in range(self.random.randrange(1, 4)):
            line = self.some("invoice_line", where=f"invoice_id = {invoice}")
            kind = self.random.randrange(3)
            if kind == 0 or line is None:
                self.add_line(invoice)
            elif kind == 1:
                self.sql("DELETE FROM invoice_line WHERE invoice_line_id = %s", line)
            else:
                self.sql("UPDATE invoice_line SET quantity = quantity + 1 WHERE invoice_line_id = %s", line)
        self.settle(invoice)

    def move_line(self):
        old, new = self.locked_invoice(), self.locked_invoice()
        if None in (old, new):
            return
        line = self.some("invoice_line", where=f"invoice_id = {old}")
        self.sql("UPDATE invoice_line SET invoice_id = %s WHERE invoice_line_id = %s", new, line)
        self.settle(old)
        self.settle(new)

    def move_invoice(self):
        self.sql("UPDATE invoice SET customer_id = %s, invoice_date = %s WHERE invoice_id = %s",
                 self.some("customer"), self.random_date(), self.some("invoice"))

    def delete_invoice(self):
        invoice = self.locked_invoice()
        self.sql("DELETE FROM invoice_line WHERE invoice_id = %s", invoice)
        self.sql("DELETE FROM invoice WHERE invoice_id = %s", invoice)

    def swap_dates(self):
        """Two orders of one customer exchange their items' keys, by one statement or by two."""
        customer = self.some("customer")
        rows = self.sql("SELECT invoice_id, invoice_date FROM invoice WHERE customer_id = %s"
                        " ORDER BY invoice_id FOR UPDATE", customer).fetchall()
        if len(rows) < 2:
            return
        (one, first), (other, second) = self.random.sample(rows, 2)
        if self.random.random() < 0.5:
            self.sql("UPDATE invoice SET invoice_date = CASE WHEN invoice_id = %s THEN %s ELSE %s END::timestamp"
                     " WHERE invoice_id IN (%s, %s)", one, second, first, one, other)
        else:
            for invoice, date in ((one, second), (other, first)):
                self.sql("UPDATE invoice SET invoice_date = %s WHERE invoice_id = %s", date, invoice)

    def truncate_orders(self):
        """Many tables by one TRUNCATE, and most of the rows back again."""
        lines, invoices = self._rows("invoice_line"), self._rows("invoice")
        self.sql("TRUNCATE invoice_line, invoice")
        kept = {row["invoice_id"] for row in invoices if self.random.random() < 0.95}
        self._copy_back("invoice", [row for row in invoices if row["invoice_id"] in kept])
        self._copy_back("invoice_line", [row for row in lines if row["invoice_id"] in kept])

    def truncate_playlists(self):
        entries = self._rows("playlist_track")
        self.sql("TRUNCATE playlist_track")
        self._copy_back("playlist_track", [row for row in entries if self.random.random() < 0.9])

    def _rows(self, table):
        """Locked first: what another session writes before the TRUNCATE would be lost."""
        self.sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        return self.connection.cursor(row_factory=dict_row).execute(f"SELECT * FROM {table}").fetchall()

    def _copy_back(self, table, rows):
        found = self.sql("SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
                         " AND table_name = %s AND is_generated = 'NEVER' ORDER BY ordinal_position", table)
        columns = [name for (name,) in found]
        with self.connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row([row[name] for name in columns])

    # ---- people and playlists ------------------------------------------------------------------

    def change_employee(self):
        employee = self.some("employee")
        if self.random.random() < 0.5:
            self.sql("UPDATE employee SET last_name = %s WHERE employee_id = %s", self.text()[:20], employee)
        else:
            self.sql("UPDATE employee SET reports_to = %s WHERE employee_id = %s",
                     self.random.choice([None, self.some("employee")]), employee)

    def change_customer(self):
        column, value = self.random.choice([
            ("first_name", self.text()[:40]), ("company", self.text()), ("support_rep_id", self.some("employee")),
        ])
        self.sql(f"UPDATE customer SET {column} = %s WHERE customer_id = %s", value, self.some("customer"))

    def grow_playlist(self):
        """By up to 120 tracks: over 100 the list goes to pages."""
        self.sql("INSERT INTO playlist_track (playlist_id, track_id) SELECT %s, track_id FROM track"
                 " ORDER BY (track_id * %s) %% 997 LIMIT %s ON CONFLICT DO NOTHING",
                 self.some("playlist"), self.random.randrange(1, 997), self.random.randrange(1, 120))

    def shrink_playlist(self):
        playlist = self.some("playlist")
        self.sql("DELETE FROM playlist_track WHERE playlist_id = %s AND track_id NOT IN (SELECT track_id FROM"
                 " playlist_track WHERE playlist_id = %s ORDER BY track_id LIMIT %s)",
                 playlist, playlist, self.random.choice([0, 1, 99, 100, 101, 200]))

    def delete_playlist(self):
        playlist = self.some("playlist")
        self.sql("DELETE FROM playlist_track WHERE playlist_id = %s", playlist)
        self.sql("DELETE FROM playlist WHERE playlist_id = %s", playlist)
        self.sql("INSERT INTO playlist (playlist_id, name) VALUES (%s, %s)",
                 self.fresh(("playlist", "playlist_id")), self.text())

    def change_and_back(self):
        """Changes a name now, and back within this transaction or in a later one."""
        while self.undo and self.random.random() < 0.7:
            self.sql(*self.undo.pop())
        artist = self.some("artist")
        name = self.one("SELECT name FROM artist WHERE artist_id = %s", artist)
        undo = ("UPDATE artist SET name = %s WHERE artist_id = %s", name, artist)
        self.sql("UPDATE artist SET name = %s WHERE artist_id = %s", self.text(), artist)
        if self.random.random() < 0.3:
            self.sql(*undo)
        else:
            self.undo.append(undo)

    # ---- migrations ----------------------------------------------------------------------------

    def extra_columns(self, table):
        found = self.sql("SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
                         " AND table_name = %s AND column_name LIKE 'extra%%'", table)
        return [name for (name,) in found]

    def add_column(self, table=None):
        """ADD COLUMN with a default, which no row event tells of; then some rows get a value."""
        table = table or self.random.choice(TABLES)
        column = f"extra{self.random.randrange(10**6)}"
        kind = self.random.choice(["integer DEFAULT 5", "text DEFAULT 'five'", "numeric DEFAULT 2.50", "bytea",
                                   "integer GENERATED ALWAYS AS (1 + 1) STORED"])
        self.sql(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        key = "playlist_id" if table == "playlist_track" else f"{table}_id"
        self.sql(f"UPDATE {table} SET {key} = {key} WHERE {key} % 3 = 0")  # DDL and rows in one transaction
        return table, column

    def drop_or_rename_column(self):
        """Of a column that add_column made; adds one where there is none."""
        table = self.random.choice(TABLES)
        columns = self.extra_columns(table)
        if not columns:
            self.add_column(table)
        elif self.random.random() < 0.5:
            self.sql(f"ALTER TABLE {table} DROP COLUMN {columns[0]}")
        else:
            self.sql(f"ALTER TABLE {table} RENAME COLUMN {columns[0]} TO extra{self.random.randrange(10**6)}")

    def retype_column(self):
        """Rewrites the table; the values are the same, and another type's from here on."""
        table, column, kinds = self.random.choice([
            ("track", "milliseconds", ("bigint", "integer")), ("track", "name", ("text", "varchar(200)")),
            ("invoice", "total", ("numeric", "numeric(10,2)")), ("playlist", "name", ("text", "varchar(120)")),
        ])
        self.sql(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {self.random.choice(kinds)}")

    def rebuild_table(self, table=None):
        """The table is dropped and made again under its name, with other rows."""
        table = table or self.random.choice(["playlist_track", "invoice_line"])
        self.sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        foreign = self.sql("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f'"
                           " AND conrelid = %s::regclass", table).fetchall()
        key = self.one("SELECT conname FROM pg_constraint WHERE contype = 'p' AND conrelid = %s::regclass", table)
        definition = self.one("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p'"
                              " AND conrelid = %s::regclass", table)
        self.sql(f"CREATE TABLE rebuilt AS SELECT * FROM {table}")
        self.sql(f"DROP TABLE {table}")
        self.sql(f"ALTER TABLE rebuilt RENAME TO {table}")
        self.sql(f"ALTER TABLE {table} ADD CONSTRAINT {key} {definition}")
        for name, text in foreign:
            self.sql(sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} " + text).format(sql.Identifier(table), sql.Identifier(name)))
        if table == "playlist_track":
            self.sql("DELETE FROM playlist_track WHERE track_id % 7 = 0")

    def migration(self, kind=None):
        """One random migration as a transaction of its own."""
        names = ["add_column", "drop_or_rename_column", "retype_column", "rebuild_table"]
        self.transaction(getattr(self, kind or self.random.choice(names)))


class Crowd:
    """Sessions that write at the same time, each with a seed of its own."""

    def __init__(self, database, seed, sessions=4):
        self.random = random.Random(seed)
        self.members = [Application(database, f"{seed}-{number}") for number in range(sessions)]

    def burst(self, transactions):
        """So many, shared among the sessions."""
        failures = []

        def work(member):
            try:
                member.burst(transactions // len(self.members))
            except BaseException as error:  # the test must hear of it
                failures.append(error)

        threads = [threading.Thread(target=work, args=(member,)) for member in self.members]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def migration(self):
        self.random.choice(self.members).migration()

    def close(self):
        for member in self.members:
            member.close()


# What a server refuses a session for, where others write beside it or a constraint says no.
REFUSALS = (
    errors.IntegrityError, errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure,
    errors.NumericValueOutOfRange, errors.StringDataRightTruncation, errors.DuplicateColumn,
    errors.UndefinedColumn, errors.UndefinedTable, errors.DuplicateTable, errors.InternalError,
    errors.ObjectInUse,
)

CHILDREN = {
    "artist": [("album", "artist_id")],
    "album": [("track", "album_id")],
    "genre": [("track", "genre_id")],
    "playlist": [("playlist_track", "playlist_id")],
    "customer": [("invoice", "customer_id")],
}

WEIGHTS = {
    "insert_artist": 3, "insert_many_artists": 1, "delete_artists": 1, "insert_album": 3, "insert_tracks": 3,
    "update_track": 6, "update_many_tracks": 2, "delete_track": 2, "move_track": 3, "move_album": 2, "rename": 3,
    "rename_album": 2, "upsert": 2, "change_key": 3, "swap_keys": 3, "replace_row": 2, "insert_invoice": 6,
    "change_lines": 6, "move_line": 4, "move_invoice": 2, "delete_invoice": 2, "swap_dates": 3,
    "truncate_orders": 0.5, "truncate_playlists": 0.5, "change_employee": 2, "change_customer": 3,
    "grow_playlist": 2, "shrink_playlist": 2, "delete_playlist": 1, "change_and_back": 4,
}

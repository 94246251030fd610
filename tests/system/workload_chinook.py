"""An application that keeps writing to a copy of Chinook: seeded random transactions.

After each of them holds: an invoice's Total is the sum of its lines (so that a reader of the target
can tell half a transaction from a whole one), no two invoices of a customer have one date and no
track is without an album (either would be a dead letter, which other tests are about).
"""

import random
import sqlite3
from decimal import Decimal

TEXTS = (
    "", "plain", "it's “quoted” \\ \"twice\"", "Ærøskøbing", "東京事変", "naïve café",
    "🎷 blue", "tab\tand\nline", "null", "NaN", "{braces}", "#hash", " spaces ", "x" * 900,
)
PRICES = ("0.99", "1.99", "0.1", "12.5", "3", "0.07")


class Application:
    def __init__(self, path, seed, busy_seconds=30):
        self.random = random.Random(seed)
        self.seed = seed
        self.transactions = 0
        self.refused = 0  # by a foreign key or a unique index, as happens to applications
        self.undo = []
        self.connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
        self.operations = [
            (operation, weight)
            for name, weight in WEIGHTS.items()
            for operation in [getattr(self, name)]
        ]

    def close(self):
        self.connection.close()

    # ---- running -------------------------------------------------------------------------------

    def burst(self, transactions):
        """Runs that many random transactions."""
        operations, weights = zip(*self.operations)
        for operation in self.random.choices(operations, weights, k=transactions):
            self.transaction(operation)

    def transaction(self, *operations):
        """Runs the operations as one transaction, with random settings of the connection."""
        pick = self.random.random
        self.sql(f"PRAGMA foreign_keys = {int(pick() < 0.3)}")
        self.sql(f"PRAGMA recursive_triggers = {int(pick() < 0.3)}")
        self.sql("BEGIN IMMEDIATE")
        try:
            for operation in operations:
                operation()
            # Some applications change their mind.
            self.sql("ROLLBACK" if pick() < 0.03 else "COMMIT")
            self.transactions += 1
        except sqlite3.IntegrityError:
            self.refused += 1
            if self.connection.in_transaction:
                self.sql("ROLLBACK")

    def sql(self, text, *parameters):
        return self.connection.execute(text, parameters)

    def one(self, text, *parameters):
        row = self.sql(text, *parameters).fetchone()
        return row[0] if row else None

    def some(self, table, key, where="1"):
        """The key of a random row; None if there is no row."""
        count = self.one(f"SELECT count(*) FROM {table} WHERE {where}")
        if not count:
            return None
        offset = self.random.randrange(count)
        return self.one(f"SELECT {key} FROM {table} WHERE {where} LIMIT 1 OFFSET {offset}")

    def fresh(self, table, key):
        return max(self.one(f"SELECT coalesce(max({key}), 0) FROM {table}"), 0) + 1

    def text(self):
        return self.random.choice(TEXTS) + str(self.random.randrange(1000))

    # ---- the catalogue -------------------------------------------------------------------------

    def insert_artist(self):
        name = self.random.choice([None, self.text()])
        self.sql("INSERT INTO Artist (ArtistId, Name) VALUES (?, ?)", self.fresh("Artist", "ArtistId"), name)

    def insert_album(self):
        self.sql("INSERT INTO Album (AlbumId, Title, ArtistId) VALUES (?, ?, ?)",
                 self.fresh("Album", "AlbumId"), self.text(), self.some("Artist", "ArtistId"))

    def insert_track(self):
        composer = self.random.choice([None, "", self.text(), b"\x00\xff bytes", 7, 2.5, "a\0b"])
        size = self.random.choice([None, 0, 2**53 + 1, -(2**63), 2**63 - 1, 123456])
        self.sql(
            "INSERT INTO Track (TrackId, Name, AlbumId, MediaTypeId, GenreId, Composer, Milliseconds,"
            " Bytes, UnitPrice) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            max(self.fresh("Track", "TrackId"), self.fresh("PlaylistTrack", "TrackId")),
            self.text(), self.some("Album", "AlbumId"), self.some("MediaType", "MediaTypeId"),
            self.some("Genre", "GenreId"), composer, self.random.randrange(10**6), size,
            self.random.choice([0.99, 0.1 + 0.2, 1e-7, 2, 123456789.123, 1e22]),
        )

    def update_track(self):
        column = self.random.choice(["Name", "Composer", "Milliseconds", "UnitPrice"])
        value = {"Name": self.text(), "Composer": self.random.choice([None, self.text()])}
        self.sql(f"UPDATE Track SET {column} = ? WHERE TrackId = ?",
                 value.get(column, self.random.randrange(1, 10**6)), self.some("Track", "TrackId"))

    def delete_track(self):
        track = self.some("Track", "TrackId")
        if self.random.random() < 0.7:  # otherwise its lines and entries dangle, or refuse
            self.sql("DELETE FROM PlaylistTrack WHERE TrackId = ?", track)
            self.sql("UPDATE InvoiceLine SET TrackId = ? WHERE TrackId = ?", self.some("Track", "TrackId"), track)
        self.sql("DELETE FROM Track WHERE TrackId = ?", track)

    def move_track(self):
        self.sql("UPDATE Track SET AlbumId = ? WHERE TrackId = ?",
                 self.some("Album", "AlbumId"), self.some("Track", "TrackId"))

    def move_album(self):
        self.sql("UPDATE Album SET ArtistId = ? WHERE AlbumId = ?",
                 self.some("Artist", "ArtistId"), self.some("Album", "AlbumId"))

    def rename(self):
        table = self.random.choice(["Artist", "Genre", "MediaType", "Playlist"])
        key = self.some(table, f"{table}Id")
        self.sql(f"UPDATE {table} SET Name = ? WHERE {table}Id = ?", self.text(), key)

    def rename_album(self):
        self.sql("UPDATE Album SET Title = ? WHERE AlbumId = ?", self.text(), self.some("Album", "AlbumId"))

    def delete_artist(self):
        self.sql("DELETE FROM Artist WHERE ArtistId = ?", self.some("Artist", "ArtistId"))

    # ---- keys that move ------------------------------------------------------------------------

    def change_key(self):
        table = self.random.choice(["Artist", "Album", "Genre", "Playlist", "Customer"])
        key, old, new = f"{table}Id", self.some(table, f"{table}Id"), self.fresh(table, f"{table}Id")
        self.sql(f"UPDATE {table} SET {key} = ? WHERE {key} = ?", new, old)
        child = {"Artist": "Album", "Album": "Track", "Genre": "Track", "Playlist": "PlaylistTrack"}.get(table)
        if child and self.random.random() < 0.7:
            self.sql(f"UPDATE {child} SET {key} = ? WHERE {key} = ?", new, old)

    def swap_keys(self):
        table = self.random.choice(["Artist", "Album", "Track", "Genre", "Playlist", "Customer"])
        key = f"{table}Id"
        one, other = self.some(table, key), self.some(table, key)
        for old, new in ((one, -1), (other, one), (-1, other)):
            self.sql(f"UPDATE {table} SET {key} = ? WHERE {key} = ?", new, old)

    def move_onto(self):
        """A row takes the key of another, which is gone without a delete trigger."""
        table = self.random.choice(["Artist", "Genre", "Track"])
        key = f"{table}Id"
        self.sql(f"UPDATE OR REPLACE {table} SET {key} = ? WHERE {key} = ?",
                 self.some(table, key), self.some(table, key))

    def replace_by_key(self):
        self.sql("REPLACE INTO Artist (ArtistId, Name) VALUES (?, ?)", self.some("Artist", "ArtistId"), self.text())
        self.sql("INSERT INTO Genre (GenreId, Name) VALUES (?, ?) ON CONFLICT (GenreId) DO UPDATE"
                 " SET Name = excluded.Name || '!'", self.some("Genre", "GenreId"), self.text())

    def replace_customer_by_email(self):
        """Its victim is found by a unique index that ignores case."""
        self.sql("CREATE UNIQUE INDEX IF NOT EXISTS app_email ON Customer (Email COLLATE NOCASE)")
        email = self.one("SELECT Email FROM Customer WHERE CustomerId = ?", self.some("Customer", "CustomerId"))
        self.sql(
            "INSERT OR REPLACE INTO Customer (CustomerId, FirstName, LastName, Email, SupportRepId)"
            " VALUES (?, ?, ?, ?, ?)", self.fresh("Customer", "CustomerId"), self.text(), self.text(),
            email.upper(), self.some("Employee", "EmployeeId"),
        )

    # ---- orders --------------------------------------------------------------------------------

    def settle(self, invoice):
        """Makes Total the sum of the lines again."""
        lines = self.sql("SELECT UnitPrice, Quantity FROM InvoiceLine WHERE InvoiceId = ?", invoice)
        total = sum((Decimal(repr(price)) * quantity for price, quantity in lines), Decimal(0))
        self.sql("UPDATE Invoice SET Total = ? WHERE InvoiceId = ?", float(total), invoice)

    def free_date(self, customer):
        while True:
            date = "20%02d-%02d-%02d %02d:00:00" % (
                self.random.randrange(21, 40), self.random.randrange(1, 13),
                self.random.randrange(1, 29), self.random.randrange(24),
            )
            if not self.one("SELECT 1 FROM Invoice WHERE CustomerId = ? AND InvoiceDate = ?", customer, date):
                return date

    def add_line(self, invoice):
        self.sql(
            "INSERT INTO InvoiceLine (InvoiceLineId, InvoiceId, TrackId, UnitPrice, Quantity)"
            " VALUES (?, ?, ?, ?, ?)", self.fresh("InvoiceLine", "InvoiceLineId"), invoice,
            self.some("Track", "TrackId"), float(self.random.choice(PRICES)), self.random.randrange(1, 9),
        )

    def new_invoice_id(self):
        return max(self.fresh("Invoice", "InvoiceId"), self.fresh("InvoiceLine", "InvoiceId"))

    def insert_invoice(self, date=None, customer=None, verb="INSERT"):
        invoice = self.new_invoice_id()
        customer = customer or self.some("Customer", "CustomerId")
        self.sql(f"{verb} INTO Invoice (InvoiceId, CustomerId, InvoiceDate, BillingCity, Total)"
                 " VALUES (?, ?, ?, ?, 0)", invoice, customer, date or self.free_date(customer), self.text())
        for _ in range(self.random.randrange(5)):
            self.add_line(invoice)
        self.settle(invoice)

    def replace_invoice_by_date(self):
        """Its victim is found by a unique index of two columns."""
        self.sql("CREATE UNIQUE INDEX IF NOT EXISTS app_slot ON Invoice (CustomerId, InvoiceDate)")
        victim = self.some("Invoice", "InvoiceId")
        if victim is not None:
            customer, date = self.sql("SELECT CustomerId, InvoiceDate FROM Invoice WHERE InvoiceId = ?", victim).fetchone()
            self.insert_invoice(date, customer, "REPLACE")

    def change_lines(self):
        invoice = self.some("Invoice", "InvoiceId")
        for _ in range(self.random.randrange(1, 4)):
            line = self.some("InvoiceLine", "InvoiceLineId", f"InvoiceId = {invoice or 0}")
            kind = self.random.randrange(3)
            if kind == 0 or line is None:
                self.add_line(invoice)
            elif kind == 1:
                self.sql("DELETE FROM InvoiceLine WHERE InvoiceLineId = ?", line)
            else:
                self.sql("UPDATE InvoiceLine SET Quantity = Quantity + 1 WHERE InvoiceLineId = ?", line)
        self.settle(invoice)

    def move_line(self):
        line = self.some("InvoiceLine", "InvoiceLineId")
        old = self.one("SELECT InvoiceId FROM InvoiceLine WHERE InvoiceLineId = ?", line)
        new = self.some("Invoice", "InvoiceId")
        self.sql("UPDATE InvoiceLine SET InvoiceId = ? WHERE InvoiceLineId = ?", new, line)
        self.settle(old)
        self.settle(new)

    def move_invoice(self):
        customer = self.some("Customer", "CustomerId")
        self.sql("UPDATE Invoice SET CustomerId = ?, InvoiceDate = ? WHERE InvoiceId = ?",
                 customer, self.free_date(customer), self.some("Invoice", "InvoiceId"))

    def delete_invoice(self):
        invoice = self.some("Invoice", "InvoiceId")
        self.sql("DELETE FROM InvoiceLine WHERE InvoiceId = ?", invoice)
        self.sql("DELETE FROM Invoice WHERE InvoiceId = ?", invoice)

    def swap_dates(self):
        """Two orders of one customer exchange their items' keys."""
        customer = self.some("Customer", "CustomerId")
        dates = self.sql("SELECT InvoiceId, InvoiceDate FROM Invoice WHERE CustomerId = ?", customer).fetchall()
        if len(dates) > 1:
            (one, first), (other, second) = self.random.sample(dates, 2)
            for invoice, date in ((one, "1999-01-01 00:00:00"), (other, first), (one, second)):
                self.sql("UPDATE Invoice SET InvoiceDate = ? WHERE InvoiceId = ?", date, invoice)

    # ---- people and playlists ------------------------------------------------------------------

    def change_employee(self):
        employee = self.some("Employee", "EmployeeId")
        if self.random.random() < 0.5:
            self.sql("UPDATE Employee SET LastName = ? WHERE EmployeeId = ?", self.text(), employee)
        else:
            boss = self.random.choice([None, self.some("Employee", "EmployeeId")])
            self.sql("UPDATE Employee SET ReportsTo = ? WHERE EmployeeId = ?", boss, employee)

    def change_customer(self):
        customer = self.some("Customer", "CustomerId")
        column = self.random.choice(["FirstName", "Company", "SupportRepId"])
        value = self.some("Employee", "EmployeeId") if column == "SupportRepId" else self.text()
        self.sql(f"UPDATE Customer SET {column} = ? WHERE CustomerId = ?", value, customer)

    def grow_playlist(self):
        """By up to 120 tracks: over 100 the list goes to pages."""
        self.sql(
            "INSERT OR IGNORE INTO PlaylistTrack (PlaylistId, TrackId)"
            " SELECT ?, TrackId FROM Track ORDER BY (TrackId * ?) % 997 LIMIT ?",
            self.some("Playlist", "PlaylistId"), self.random.randrange(1, 997), self.random.randrange(1, 120),
        )

    def shrink_playlist(self):
        playlist = self.some("Playlist", "PlaylistId")
        keep = self.random.choice([0, 1, 99, 100, 101, 200])
        self.sql("DELETE FROM PlaylistTrack WHERE PlaylistId = ?1 AND TrackId NOT IN"
                 " (SELECT TrackId FROM PlaylistTrack WHERE PlaylistId = ?1 LIMIT ?2)", playlist, keep)

    def move_entry(self):
        self.sql("UPDATE OR IGNORE PlaylistTrack SET PlaylistId = ? WHERE rowid = ?",
                 self.some("Playlist", "PlaylistId"), self.some("PlaylistTrack", "rowid"))

    def delete_playlist(self):
        playlist = self.some("Playlist", "PlaylistId")
        self.sql("DELETE FROM PlaylistTrack WHERE PlaylistId = ?", playlist)
        self.sql("DELETE FROM Playlist WHERE PlaylistId = ?", playlist)
        self.sql("INSERT INTO Playlist (PlaylistId, Name) VALUES (?, ?)",
                 self.fresh("Playlist", "PlaylistId"), self.text())

    # ---- there and back ------------------------------------------------------------------------

    def change_and_back(self):
        """Changes a name now, and back within this transaction or in a later one."""
        while self.undo and self.random.random() < 0.7:
            self.sql(*self.undo.pop())
        artist = self.some("Artist", "ArtistId")
        undo = ("UPDATE Artist SET Name = ? WHERE ArtistId = ?",
                self.one("SELECT Name FROM Artist WHERE ArtistId = ?", artist), artist)
        self.sql("UPDATE Artist SET Name = ? WHERE ArtistId = ?", self.text(), artist)
        if self.random.random() < 0.3:
            self.sql(*undo)
        else:
            self.undo.append(undo)


WEIGHTS = {
    "insert_artist": 3, "insert_album": 3, "insert_track": 4, "update_track": 6, "delete_track": 2,
    "move_track": 3, "move_album": 2, "rename": 3, "rename_album": 2, "delete_artist": 1,
    "change_key": 3, "swap_keys": 3, "move_onto": 1, "replace_by_key": 2,
    "replace_customer_by_email": 2, "insert_invoice": 6, "replace_invoice_by_date": 2,
    "change_lines": 6, "move_line": 4, "move_invoice": 2, "delete_invoice": 2, "swap_dates": 3,
    "change_employee": 2, "change_customer": 3, "grow_playlist": 2, "shrink_playlist": 2,
    "move_entry": 2, "delete_playlist": 1, "change_and_back": 4,
}

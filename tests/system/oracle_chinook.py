"""What the target must hold for Chinook, computed by SQL on the source itself.

The source is an SQLite file (config/chinook.yaml) or a PostgreSQL database
(config/chinook-postgres.yaml): the queries are the same, and so are the items.

This shares no code with Tandem: it is the second opinion that the system tests compare with.
Values follow config language rules: null leaves the attribute out, a REAL is its shortest
round-trip decimal, sums are exact decimals and the sum of no rows is 0.
"""

import re
import sqlite3
from decimal import Decimal

import psycopg
import psycopg.types.string
from boto3.dynamodb.types import Binary

TABLES = ("MusicCatalog", "CustomerOrders", "Playlists", "EmployeeManagement")
PAGE = 100


def attribute(value):
    """One column's value as boto3 reads it back; None means that the attribute is left out."""
    if isinstance(value, bool) or isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, bytes):
        return Binary(value)
    return value


def present(**attributes):
    """A map without its nulls."""
    return {name: value for name, value in attributes.items() if value is not None}


def joined(*parts):
    """Template text: null as soon as one part is."""
    if any(part is None for part in parts):
        return None
    return "".join(str(part) for part in parts)


class Queries:
    def grouped(self, by, sql):
        """{value of `by`: [rows without it]}; order within a group is the query's."""
        groups = {}
        for row in self.rows(sql):
            groups.setdefault(row.pop(by), []).append(row)
        return groups


class SqliteSource(Queries):
    """Rows of the source by SQL, as dictionaries."""

    def __init__(self, path):
        # Not mode=ro: that can't open a WAL database which nobody else has open.
        self.connection = sqlite3.connect(
            f"file:{path}?mode=rw", uri=True, isolation_level=None, timeout=20
        )
        self.connection.execute("PRAGMA query_only = ON")

    def __enter__(self):
        self.connection.execute("BEGIN")  # all tables as of one commit
        return self

    def __exit__(self, *_):
        self.connection.close()

    def rows(self, sql, *parameters):
        cursor = self.connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield {name: attribute(value) for name, value in zip(names, row)}


class PostgresSource(Queries):
    """The same rows by the same SQL: TrackId is track_id there, and comes back as TrackId."""

    _NAME = re.compile(r"\b(?:[A-Z][a-z0-9]+)+\b")

    def __init__(self, database):
        self.connection = as_text(database.connect(autocommit=False))
        self.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    def __enter__(self):
        return self  # one snapshot from the first query on

    def __exit__(self, *_):
        self.connection.close()

    def rows(self, sql):
        cursor = self.connection.execute(self._NAME.sub(lambda name: snake_case(name[0]), sql))
        names = [pascal_case(column.name) for column in cursor.description]
        for row in cursor:
            pairs = zip(names, row)
            # Columns that an application adds meanwhile: the config names its columns.
            yield {name: attribute(value) for name, value in pairs if not name.startswith("Extra")}


def as_text(connection):
    """Dates, times and json come as PostgreSQL writes them, in UTC."""
    for kind in ("date", "timestamp", "timestamptz", "json", "jsonb"):
        connection.adapters.register_loader(kind, psycopg.types.string.TextLoader)
    connection.execute("SET TimeZone = 'UTC'")
    connection.commit()
    return connection


def snake_case(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def pascal_case(name):
    return "".join(part.capitalize() for part in name.split("_"))


def opened(source):
    """Of a file or of a PostgresDatabase."""
    return PostgresSource(source) if hasattr(source, "connect") else SqliteSource(source)


def _catalog(source, add):
    for row in source.rows("SELECT * FROM Artist"):
        key = f"ARTIST#{row['ArtistId']}"
        add("MusicCatalog", row, PK=key, SK="METADATA", EntityType="Artist",
            GSI1PK=joined("ARTIST_NAME#", row["Name"]), GSI1SK=key)
    artists = {row["ArtistId"]: row["Name"] for row in source.rows("SELECT * FROM Artist")}
    for row in source.rows("SELECT * FROM Album"):
        add("MusicCatalog", row, PK=joined("ARTIST#", row["ArtistId"]),
            SK=f"ALBUM#{row['AlbumId']}", EntityType="Album",
            ArtistName=artists.get(row["ArtistId"]),
            GSI1PK=joined("ALBUM_TITLE#", row["Title"]), GSI1SK=f"ALBUM#{row['AlbumId']}")
    looked_up = source.rows(
        """SELECT t.TrackId AS OfTrack, l.Title AS AlbumTitle, l.ArtistId, a.Name AS ArtistName,
                  g.Name AS GenreName, m.Name AS MediaTypeName
           FROM Track t LEFT JOIN Album l ON l.AlbumId = t.AlbumId
                        LEFT JOIN Artist a ON a.ArtistId = l.ArtistId
                        LEFT JOIN Genre g ON g.GenreId = t.GenreId
                        LEFT JOIN MediaType m ON m.MediaTypeId = t.MediaTypeId"""
    )
    looked_up = {row.pop("OfTrack"): row for row in looked_up}
    for row in source.rows("SELECT * FROM Track"):
        more = looked_up[row["TrackId"]]
        add("MusicCatalog", row, PK=joined("ALBUM#", row["AlbumId"]), SK=f"TRACK#{row['TrackId']}",
            EntityType="Track", **more, GSI1PK=joined("TRACK_NAME#", row["Name"]),
            GSI1SK=f"TRACK#{row['TrackId']}", GSI2PK=joined("GENRE#", more["GenreName"]))


def _orders(source, add):
    totals = source.grouped("CustomerId", "SELECT CustomerId, Total FROM Invoice")
    representatives = {
        row["EmployeeId"]: joined(row["FirstName"], " ", row["LastName"])
        for row in source.rows("SELECT EmployeeId, FirstName, LastName FROM Employee")
    }
    for row in source.rows("SELECT * FROM Customer"):
        orders = totals.get(row["CustomerId"], [])
        key = f"CUSTOMER#{row['CustomerId']}"
        add("CustomerOrders", row, PK=key, SK="PROFILE", EntityType="Customer",
            SupportRepName=representatives.get(row["SupportRepId"]),
            TotalOrders=Decimal(len(orders)),
            TotalSpent=sum((order["Total"] for order in orders), Decimal(0)),
            GSI1PK=joined("EMAIL#", row["Email"]), GSI1SK=key)
    lines = source.grouped(
        "InvoiceId",
        """SELECT n.InvoiceId, n.InvoiceLineId, n.TrackId, t.Name AS TrackName,
                  a.Name AS ArtistName, l.Title AS AlbumTitle, n.UnitPrice, n.Quantity
           FROM InvoiceLine n LEFT JOIN Track t ON t.TrackId = n.TrackId
                              LEFT JOIN Album l ON l.AlbumId = t.AlbumId
                              LEFT JOIN Artist a ON a.ArtistId = l.ArtistId
           ORDER BY n.InvoiceLineId""",
    )
    for row in source.rows("SELECT * FROM Invoice"):
        add("CustomerOrders", row, PK=joined("CUSTOMER#", row["CustomerId"]),
            SK=joined("ORDER#", row["InvoiceDate"].replace(" ", "T", 1)), EntityType="Order",
            LineItems=[present(**line) for line in lines.get(row["InvoiceId"], [])])


def _playlists(source, add):
    entries = source.grouped(
        "PlaylistId",
        """SELECT e.PlaylistId, e.TrackId, t.Name, t.Milliseconds AS Duration, t.UnitPrice,
                  a.Name AS ArtistName, l.Title AS AlbumTitle
           FROM PlaylistTrack e LEFT JOIN Track t ON t.TrackId = e.TrackId
                                LEFT JOIN Album l ON l.AlbumId = t.AlbumId
                                LEFT JOIN Artist a ON a.ArtistId = l.ArtistId
           ORDER BY t.Name NULLS FIRST, e.TrackId""",
    )
    for row in source.rows("SELECT * FROM Playlist"):
        tracks = [present(**entry) for entry in entries.get(row["PlaylistId"], [])]
        key = f"PLAYLIST#{row['PlaylistId']}"
        paged = len(tracks) > PAGE
        add("Playlists", row, PK=key, SK="METADATA", EntityType="Playlist",
            TrackCount=Decimal(len(tracks)),
            TotalDuration=sum((track.get("Duration", 0) for track in tracks), Decimal(0)),
            Tracks=None if paged else tracks)
        for start in range(0, len(tracks) if paged else 0, PAGE):
            page = start // PAGE + 1
            add("Playlists", {}, PK=key, SK=f"TRACKS#{page}", EntityType="PlaylistPage",
                PlaylistId=row["PlaylistId"], Page=Decimal(page),
                Tracks=tracks[start : start + PAGE])


def _employees(source, add):
    people = list(source.rows("SELECT * FROM Employee ORDER BY EmployeeId"))
    names = {p["EmployeeId"]: joined(p["FirstName"], " ", p["LastName"]) for p in people}
    customers = source.grouped(
        "SupportRepId",
        "SELECT SupportRepId, CustomerId, FirstName, LastName FROM Customer ORDER BY CustomerId",
    )
    for row in people:
        number = row["EmployeeId"]
        reports = [
            present(EmployeeId=p["EmployeeId"], Name=names[p["EmployeeId"]])
            for p in people
            if p["ReportsTo"] == number
        ]
        served = [
            present(CustomerId=c["CustomerId"], Name=joined(c["FirstName"], " ", c["LastName"]))
            for c in customers.get(number, [])
        ]
        add("EmployeeManagement", row, PK=f"EMPLOYEE#{number}", SK="PROFILE",
            EntityType="Employee", ManagerName=names.get(row["ReportsTo"]), DirectReports=reports,
            Customers=served)


def expected(source):
    """{table: {(PK, SK): item}} for the source as of one commit."""
    items = {table: {} for table in TABLES}

    def add(table, row, **attributes):
        item = present(**{**row, **attributes})
        key = (item["PK"], item["SK"])
        assert key not in items[table], f"the workload made two items of one key: {table} {key}"
        items[table][key] = item

    with opened(source) as queries:
        _catalog(queries, add)
        _orders(queries, add)
        _playlists(queries, add)
        _employees(queries, add)
    return items


def differences(want, have, limit=20):
    """Lines that say what differs, attribute by attribute; empty if all is equal."""
    lines = []
    for table in want:
        for key in sorted(want[table].keys() | have[table].keys(), key=str):
            place = f"{table} {' / '.join(map(str, key))}"
            if key not in have[table]:
                lines.append(f"{place}: is missing")
            elif key not in want[table]:
                lines.append(f"{place}: should not be there: {short(have[table][key])}")
            elif want[table][key] != have[table][key]:
                lines.extend(_inside(place, want[table][key], have[table][key]))
    if len(lines) > limit:
        lines = lines[:limit] + [f"… and {len(lines) - limit} more"]
    return lines


def _inside(place, want, have):
    if isinstance(want, dict) and isinstance(have, dict):
        for name in sorted(want.keys() | have.keys()):
            if want.get(name) != have.get(name):
                yield from _inside(f"{place}: {name}", want.get(name), have.get(name))
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (mine, theirs) in enumerate(zip(want, have)):
            if mine != theirs:
                yield from _inside(f"{place}[{index}]", mine, theirs)
    else:
        yield f"{place}: expected {short(want)}, found {short(have)}"


def short(value, size=160):
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= size else f"{text[:size]}… ({len(text)} characters)"


def scanned(target):
    return {table: target.scan(table) for table in TABLES}


def check(source, target):
    """Raises AssertionError with what differs."""
    lines = differences(expected(source), scanned(target))
    assert not lines, "the target differs from the source:\n" + "\n".join(lines)
    return True

"""The real Chinook database: where it is, copies of it, and a small one for tests of many rounds.

For SQLite it is a file, for PostgreSQL a script that fills a database.
"""

import os
import pathlib
import re
import shutil
import sqlite3

from deployment import REPOSITORY


def find():
    """The real Chinook, which is not part of this repository; None if it is not here."""
    named = os.environ.get("CHINOOK_DB")
    places = [pathlib.Path(named)] if named else [REPOSITORY.parent / "shared/data/Chinook_Sqlite.sqlite"]
    return next((place for place in places if place.exists()), None)


def copy_to(path):
    """A copy that an application may write, in WAL mode as a live database mostly is."""
    shutil.copyfile(find(), path)
    os.chmod(path, 0o644)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return path


def small_copy_to(path):
    """A Chinook of some 350 items: every shape is kept (one playlist of two pages), the bulk is not."""
    copy_to(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        """
        BEGIN;
        DELETE FROM Track WHERE TrackId > 160;
        DELETE FROM Album WHERE AlbumId NOT IN (SELECT AlbumId FROM Track);
        DELETE FROM Artist WHERE ArtistId NOT IN (SELECT ArtistId FROM Album) AND ArtistId > 25;
        DELETE FROM PlaylistTrack WHERE TrackId > 160 OR PlaylistId = 8;
        DELETE FROM Customer WHERE CustomerId > 12;
        DELETE FROM Invoice WHERE CustomerId > 12;
        DELETE FROM InvoiceLine WHERE InvoiceId NOT IN (SELECT InvoiceId FROM Invoice);
        UPDATE InvoiceLine SET TrackId = 1 + InvoiceLineId % 160 WHERE TrackId > 160;
        COMMIT;
        VACUUM;
        """
    )
    connection.close()
    return path


def find_postgres():
    """The real Chinook as a script for PostgreSQL; None if it is not here."""
    named = os.environ.get("CHINOOK_POSTGRES")
    places = [pathlib.Path(named)] if named else [REPOSITORY.parent / "shared/data/Chinook_PostgreSql.sql"]
    return next((place for place in places if place.exists()), None)


def postgres_script():
    """The script without the lines that make a database of its own and change over to it."""
    text = find_postgres().read_text(encoding="utf-8-sig")
    return re.sub(r"^(DROP DATABASE|CREATE DATABASE|\\c)\b.*$", "", text, flags=re.MULTILINE)


# What makes a Chinook small, as small_copy_to does. Children go before their parents: the
# foreign keys hold.
POSTGRES_SMALL = """
    DELETE FROM playlist_track WHERE track_id > 160 OR playlist_id = 8;
    DELETE FROM invoice_line USING invoice
        WHERE invoice.invoice_id = invoice_line.invoice_id AND invoice.customer_id > 12;
    UPDATE invoice_line SET track_id = 1 + invoice_line_id % 160 WHERE track_id > 160;
    DELETE FROM invoice WHERE customer_id > 12;
    DELETE FROM customer WHERE customer_id > 12;
    DELETE FROM track WHERE track_id > 160;
    DELETE FROM album WHERE album_id NOT IN (SELECT album_id FROM track);
    DELETE FROM artist WHERE artist_id NOT IN (SELECT artist_id FROM album) AND artist_id > 25;
"""

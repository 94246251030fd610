"""The real Chinook database: where it is, copies of it, and a small one for tests of many rounds."""

import os
import pathlib
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

"""Bad input and bad weather: each gets one clear message or a dead letter, and nothing is lost."""

import contextlib
import os
import re
import subprocess
import threading

import pytest

import oracle_chinook as oracle
from child import free_port
from conftest import missing
from database import opened
from deployment import CHINOOK_CONFIG, DIFFERENCES, DONE, FAILED, USAGE
from eventually import eventually
from proxy import WRITES, only_writes


def clear_message(result):
    """The one line of a failure, beside the progress: no second telling, no exception, no abort."""
    progress = re.compile(r"\d\d:\d\d:\d\d\.\d+ info ")
    lines = [line for line in result.err.splitlines() if line.strip() and not progress.match(line)]
    assert len(lines) == 1, str(result)
    assert lines[0].startswith("tandem: "), str(result)
    for word in ("terminate called", "what():", "Assertion", "std::"):
        assert word not in result.err, str(result)
    return lines[0]


# ---- the config ----------------------------------------------------------------------------------


def test_all_mistakes_of_a_config_at_once(deploy, small_source):
    text = CHINOOK_CONFIG.read_text()
    for right, wrong in (
        ("root: Album\n", "root: Albun\n"),
        ('SK: "TRACK#{TrackId}"', 'SK: "TRACK#{TrackIdd}"'),
        ("$count: orders", "$cuont: orders"),
        ("billing: on_demand", "biling: on_demand"),
        ("one:\n      rep:", "ones:\n      rep:"),
    ):
        assert right in text, right
        text = text.replace(right, wrong)
    tandem = deploy(small_source, config=text)
    result = tandem.run("check").expect(USAGE)
    written = text.splitlines()
    for wrong, nearest in (
        ("Albun", "Album"),
        ("TrackIdd", "TrackId"),
        ("$cuont", "$count"),
        ("biling", "billing"),
        ("ones", "one"),
    ):
        number = next(i for i, line in enumerate(written, 1) if re.search(re.escape(wrong) + r"\b", line))
        said = [line for line in (result.err + result.out).splitlines() if wrong in line]
        assert said, f"{wrong} is not named\n{result}"
        assert any(f"tandem.yaml:{number}" in line for line in said), f"{wrong} is on line {number}\n{result}"
        assert any(nearest in line.replace(wrong, "") for line in said), f"{nearest}\n{result}"


def test_a_config_that_goes_wrong_loses_nothing(deploy, small_source, dynamodb):
    text = CHINOOK_CONFIG.read_text()
    tandem = deploy(small_source, config=text, endpoint=dynamodb.endpoint)
    tandem.sync()
    before = dynamodb.scan("MusicCatalog")
    tandem.config.write_text(text.replace("root: Album\n", "root: Albun\n"))
    with opened(small_source) as connection:
        connection.execute("UPDATE Album SET Title = 'meanwhile' WHERE AlbumId = 1")
    result = tandem.run_once().expect(USAGE)
    assert len(result.err.splitlines()) == 1 and "Albun" in result.err, str(result)
    assert dynamodb.scan("MusicCatalog") == before, "with half a config nothing is written"
    tandem.config.write_text(text)
    tandem.run_once().expect()
    oracle.check(small_source, dynamodb)


def test_a_config_that_is_no_yaml(deploy, small_source):
    result = deploy(small_source, config="source: [\n  oops: {").run("check").expect(USAGE)
    assert "tandem.yaml:" in result.err, str(result)


def test_a_secret_is_never_shown(deploy, small_source):
    text = CHINOOK_CONFIG.read_text().replace(
        'source:\n  type: sqlite\n  path: "${LEGACY_DB}"',
        'source:\n  type: postgres\n  url: "postgres://app:s3cr3tword@db.example/shop"',
    )
    result = deploy(small_source, config=text, environment={"AWS_SECRET_ACCESS_KEY": "t0psecret"}).run(
        "--verbose", "check"
    )
    assert result.status in (FAILED, USAGE), str(result)
    assert "s3cr3tword" not in result.out + result.err
    assert "t0psecret" not in result.out + result.err


# ---- the source ----------------------------------------------------------------------------------


def test_a_missing_source_file(deploy, tmp_path, dynamodb):
    tandem = deploy(tmp_path / "nowhere.db", endpoint=dynamodb.endpoint)
    result = tandem.run("init").expect(FAILED)
    assert "nowhere.db" in clear_message(result)
    assert not (tmp_path / "nowhere.db").exists(), "a database must not be made by looking at it"


def test_a_source_file_that_goes_missing(deploy, small_source, dynamodb, tmp_path):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    with opened(small_source) as connection:
        connection.execute("UPDATE Artist SET Name = 'before it went' WHERE ArtistId = 1")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    small_source.rename(tmp_path / "elsewhere.db")
    assert "small.db" in clear_message(tandem.run_once().expect(FAILED))
    (tmp_path / "elsewhere.db").rename(small_source)
    tandem.run_once().expect()
    oracle.check(small_source, dynamodb)


def test_a_source_that_is_no_database(deploy, tmp_path, dynamodb):
    (tmp_path / "letter.db").write_text("Dear Sir or Madam, " * 100)
    result = deploy(tmp_path / "letter.db", endpoint=dynamodb.endpoint).run("init").expect(FAILED)
    assert "letter.db" in clear_message(result)


def test_a_table_without_a_key_is_refused(deploy, tmp_path):
    with opened(tmp_path / "keyless.db") as connection:
        connection.execute("CREATE TABLE Notes (Body TEXT)")
    config = """
source: {type: sqlite, path: "${LEGACY_DB}"}
state: "${TANDEM_STATE}"
target: {type: local, path: items.db, tables: {Notes: {key: [PK]}}}
documents: {note: {table: Notes, root: Notes, item: {PK: "{Body}"}}}
"""
    result = deploy(tmp_path / "keyless.db", config=config).run("check").expect(USAGE, FAILED)
    assert "Notes" in result.err + result.out and "key" in result.err + result.out, str(result)


def test_a_locked_source(deploy, small_source, dynamodb):
    """A writer that holds its lock delays us; what it commits at last arrives."""
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    agent = tandem.start()
    with opened(small_source) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE Artist SET Name = 'locked in' WHERE ArtistId = 1")
        result = tandem.run("init", seconds=90)
        if result.status != DONE:
            assert result.status == FAILED
            assert "small.db" in clear_message(result) and "lock" in result.err, str(result)
        agent.alive()
        connection.execute("COMMIT")
    eventually(lambda: oracle.check(small_source, dynamodb), 60, "all is there", alive=agent.alive)
    agent.stop()


def test_a_source_under_a_rollback_journal_lock(deploy, small_source, dynamodb):
    """Without WAL an exclusive lock keeps even readers out."""
    with opened(small_source) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    with opened(small_source) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("UPDATE Artist SET Name = 'locked in' WHERE ArtistId = 1")
        result = tandem.run_once(seconds=90)
        assert result.status == FAILED, str(result)
        assert "small.db" in clear_message(result), str(result)
        connection.execute("COMMIT")
    tandem.run_once().expect()
    oracle.check(small_source, dynamodb)


# ---- the disk ------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(path, size):
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a small disk needs root, to mount a tmpfs")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)], capture_output=True
    )
    if mounted.returncode != 0:
        missing("a small disk needs the right to mount a tmpfs")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk(deploy, small_source, dynamodb, tmp_path):
    with small_disk(tmp_path / "disk", "6m") as disk:
        tandem = deploy(
            small_source, endpoint=dynamodb.endpoint, environment={"TANDEM_STATE": str(disk / "state")}
        )
        tandem.sync()
        ballast = disk / "ballast"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(os.urandom(4096))
        with opened(small_source) as connection:
            connection.execute("UPDATE Track SET Composer = hex(randomblob(8000))")
            connection.execute("UPDATE Artist SET Name = 'no room' WHERE ArtistId = 1")
        result = tandem.run_once().expect(FAILED)
        assert re.search(r"full|no space|disk", clear_message(result)), str(result)
        ballast.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        tandem.run_once().expect()
        oracle.check(small_source, dynamodb)


# ---- the target ----------------------------------------------------------------------------------


def test_a_target_that_refuses(deploy, small_source, proxy, dynamodb):
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.init()
    denied = (400, "AccessDeniedException", "User is not authorized to perform dynamodb:PutItem")
    proxy.refuse = only_writes(denied)
    result = tandem.run_once().expect(FAILED)
    assert re.search("AccessDenied|not authorized", clear_message(result)), str(result)
    proxy.refuse = lambda operation: None
    tandem.run_once().expect()
    oracle.check(small_source, dynamodb)


@pytest.mark.parametrize("kind", ["throttled", "broken", "answers lost"])
def test_a_target_in_bad_weather(deploy, small_source, proxy, dynamodb, kind):
    """Every third write is throttled, fails inside, or loses its answer: all is retried."""
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.init()
    calls = iter(range(10**9))

    def every_third(operation):
        return operation in WRITES and next(calls) % 3 == 0

    if kind == "answers lost":
        proxy.swallow = every_third
    else:
        answer = {
            "throttled": (400, "ProvisionedThroughputExceededException", "slow down"),
            "broken": (500, "InternalServerError", "oops"),
        }[kind]
        proxy.refuse = lambda operation: answer if every_third(operation) else None
    tandem.run_once().expect()
    with opened(small_source) as connection:
        connection.execute("UPDATE Artist SET Name = Name || '!'")
        connection.execute("DELETE FROM InvoiceLine WHERE InvoiceId = 1")
        connection.execute("DELETE FROM Invoice WHERE InvoiceId = 1")
    tandem.run_once().expect()
    oracle.check(small_source, dynamodb)


def test_a_target_that_is_not_there(deploy, small_source):
    tandem = deploy(small_source, endpoint=f"http://127.0.0.1:{free_port()}")
    result = tandem.run("init").expect(FAILED)
    assert "127.0.0.1" in clear_message(result), str(result)


def test_a_stop_while_the_target_is_not_there(deploy, small_source, dynamodb):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    nobody = {"DYNAMODB_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    agent = tandem.start(environment=nobody)
    agent.stop(seconds=5)


def test_a_stop_while_the_target_says_nothing(deploy, small_source, proxy, dynamodb):
    """Reads of unknown items, behind a connection that stays open."""
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.sync()
    harmed = {"PK": {"S": "ARTIST#1"}, "SK": {"S": "METADATA"}}
    dynamodb.client.delete_item(TableName="MusicCatalog", Key=harmed)
    tandem.run("verify", "--repair").expect(DIFFERENCES)
    reading, over = threading.Event(), threading.Event()

    def hold(operation):
        if operation == "BatchGetItem":
            reading.set()
            over.wait(60)

    proxy.hold = hold
    try:
        agent = tandem.start()
        eventually(reading.is_set, 20, "it reads", alive=agent.alive)
        agent.stop(seconds=5)
    finally:
        over.set()
        proxy.hold = lambda operation: None
    tandem.run_once().expect()
    oracle.check(small_source, dynamodb)


def test_a_refused_item_is_written_by_a_retry(deploy, small_source, proxy, dynamodb):
    tandem = deploy(small_source, endpoint=proxy.endpoint)
    tandem.sync()
    with opened(small_source) as connection:
        connection.execute("UPDATE Playlist SET Name = 'new' WHERE PlaylistId IN (1, 2)")
    proxy.refuse = only_writes((400, "ValidationException", "not today"))
    tandem.run_once().expect(DIFFERENCES)
    proxy.refuse = lambda operation: None

    def refused():
        return sorted(letter["row"] for letter in dead_letters(tandem).json)

    def name_of(number):
        return dynamodb.scan("Playlists")[(f"PLAYLIST#{number}", "METADATA")]["Name"]

    tandem.run_once().expect(DIFFERENCES)
    assert refused() == ["Playlist 1", "Playlist 2"], "nothing has changed"
    tandem.run("dead-letters", "retry", "playlist", "1").expect(DONE)
    tandem.run_once().expect(DIFFERENCES)
    assert refused() == ["Playlist 2"]
    assert name_of(1) == "new" and name_of(2) != "new"
    tandem.run("dead-letters", "retry").expect(DONE)
    tandem.run_once().expect(DONE)
    assert refused() == []
    oracle.check(small_source, dynamodb)


# ---- rows that no item can hold ------------------------------------------------------------------


def dead_letters(tandem):
    return tandem.run("dead-letters", "list", "--json").expect(DONE, DIFFERENCES)


def without(path, dynamodb, *keys):
    """The oracle's check, leaving aside the items that can't be written."""
    want, have = oracle.expected(path), oracle.scanned(dynamodb)
    for table, key in keys:
        want[table].pop(key, None)
        have[table].pop(key, None)
    lines = oracle.differences(want, have)
    assert not lines, "\n".join(lines)


@pytest.fixture
def synced(deploy, small_source, dynamodb):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    return tandem


def test_an_item_over_400_kb(synced, small_source, dynamodb):
    with opened(small_source) as connection:
        connection.execute("UPDATE Track SET Composer = ? WHERE TrackId = 1", ("x" * 420_000,))
        connection.execute("UPDATE Track SET Name = 'fine' WHERE TrackId = 2")
    synced.run_once().expect(DIFFERENCES)
    letters = dead_letters(synced)
    assert "TRACK#1" in letters.out and re.search(r"400|size|large", letters.out), str(letters)
    key = ("ALBUM#1", "TRACK#1")
    without(small_source, dynamodb, ("MusicCatalog", key))
    assert dynamodb.scan("MusicCatalog")[key]["Name"], "its former item stays"

    with opened(small_source) as connection:
        connection.execute("UPDATE Track SET Composer = 'short' WHERE TrackId = 1")
    synced.run_once().expect(DONE)
    oracle.check(small_source, dynamodb)
    assert "TRACK#1" not in dead_letters(synced).out


def test_two_documents_of_one_key(synced, small_source, dynamodb):
    with opened(small_source) as connection:
        one, other = connection.execute(
            "SELECT min(InvoiceId), max(InvoiceId) FROM Invoice WHERE CustomerId = 1"
        ).fetchone()
        date = connection.execute("SELECT InvoiceDate FROM Invoice WHERE InvoiceId = ?", (one,)).fetchone()[0]
        former = connection.execute("SELECT InvoiceDate FROM Invoice WHERE InvoiceId = ?", (other,)).fetchone()[0]
        connection.execute("UPDATE Invoice SET InvoiceDate = ? WHERE InvoiceId = ?", (date, other))
    synced.run_once().expect(DIFFERENCES)
    letters = dead_letters(synced).out
    key = "ORDER#" + date.replace(" ", "T")
    assert key in letters, letters
    assert str(one) in letters and str(other) in letters, letters
    assert dynamodb.scan("CustomerOrders")["CUSTOMER#1", key]["InvoiceId"] == one

    with opened(small_source) as connection:
        connection.execute("UPDATE Invoice SET InvoiceDate = ? WHERE InvoiceId = ?", (former, other))
    synced.run_once().expect(DONE)
    oracle.check(small_source, dynamodb)


def test_the_owner_of_a_contested_key_leaves(synced, small_source, dynamodb):
    with opened(small_source) as connection:
        one, other = connection.execute(
            "SELECT min(InvoiceId), max(InvoiceId) FROM Invoice WHERE CustomerId = 1"
        ).fetchone()
        date = connection.execute("SELECT InvoiceDate FROM Invoice WHERE InvoiceId = ?", (one,)).fetchone()[0]
        connection.execute("UPDATE Invoice SET InvoiceDate = ? WHERE InvoiceId = ?", (date, other))
        synced.run_once().expect(DIFFERENCES)
        connection.execute("DELETE FROM InvoiceLine WHERE InvoiceId = ?", (one,))
        connection.execute("DELETE FROM Invoice WHERE InvoiceId = ?", (one,))
    result = synced.run_once()
    assert result.status == DONE, f"{result}\n{dead_letters(synced)}"
    oracle.check(small_source, dynamodb)


def test_a_null_in_a_key(synced, small_source, dynamodb):
    with opened(small_source) as connection:
        album = connection.execute("SELECT AlbumId FROM Track WHERE TrackId = 3").fetchone()[0]
        connection.execute("UPDATE Track SET AlbumId = NULL WHERE TrackId = 3")
        connection.execute("UPDATE Track SET Name = 'still synced' WHERE TrackId = 4")
    synced.run_once().expect(DIFFERENCES)
    letters = dead_letters(synced).out
    assert "PK" in letters and "3" in letters and "null" in letters, letters
    assert "still synced" in str(dynamodb.scan("MusicCatalog").values())
    with opened(small_source) as connection:
        connection.execute("UPDATE Track SET AlbumId = ? WHERE TrackId = 3", (album,))
    synced.run_once().expect(DONE)
    oracle.check(small_source, dynamodb)


@pytest.mark.parametrize("value", [b"\xff\xfe broken", 1e300, float("inf")], ids=["utf-8", "1e300", "infinity"])
def test_a_value_that_dynamodb_cannot_hold(synced, small_source, dynamodb, value):
    with opened(small_source) as connection:
        if isinstance(value, bytes):
            connection.execute("UPDATE Track SET Composer = CAST(? AS TEXT) WHERE TrackId = 5", (value,))
        else:
            connection.execute("UPDATE Track SET UnitPrice = ? WHERE TrackId = 5", (value,))
    synced.run_once().expect(DIFFERENCES)
    letters = dead_letters(synced).out
    assert "5" in letters, letters
    with opened(small_source) as connection:
        connection.execute("UPDATE Track SET Composer = 'mended', UnitPrice = 1.25 WHERE TrackId = 5")
    synced.run_once().expect(DONE)
    oracle.check(small_source, dynamodb)

"""A PostgreSQL server for measurements: its table `accounts`, changes of it, slots, and the programs
that read a slot beside ours.

The server is one of the system tests' (tests/system/postgres.py), set up as a production server is
where that counts: every commit is synced to disk.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import stage

sys.path.append(str(stage.ROOT / "tests" / "system"))

import postgres  # noqa: E402  (of the system tests)

SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "60min",  # no checkpoint falls into a measurement
    "autovacuum": "off",
}
DATABASE = "bench"
TABLE = "accounts"
CHANGES_A_TRANSACTION = 100

# Rows of some 190 bytes as text. Of 100 changes 50 update a row anywhere in the upper three fifths
# of the table, 30 insert a new one, 20 delete the lowest that is left; each is a statement.
SCHEMA = """
CREATE TABLE accounts(id bigint PRIMARY KEY, owner text NOT NULL, email text, status int,
                      balance numeric(14, 2), updated_at timestamptz, note text);

CREATE FUNCTION account(i bigint) RETURNS SETOF accounts LANGUAGE sql IMMUTABLE AS $$
  SELECT i, format('Owner Name %s', i), format('owner%s@example.invalid', i), (i % 7)::int,
         (i * 37 % 1000000) / 100.0, timestamptz '2024-01-01 00:00:00+00' + i * interval '1 s',
         md5(i::text) || md5((i + 1)::text) || md5((i + 2)::text)
$$;

CREATE PROCEDURE change_accounts(transactions int, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
  newest bigint := 2 * rows;
  lowest bigint := 0;
BEGIN
  FOR turn IN 1..transactions LOOP
    FOR change IN 0..99 LOOP
      CASE change % 10
        WHEN 1, 4, 7 THEN
          newest := newest + 1;
          INSERT INTO accounts SELECT * FROM account(newest);
        WHEN 3, 8 THEN
          lowest := lowest + 1;
          DELETE FROM accounts WHERE id = lowest;
        ELSE
          UPDATE accounts SET balance = balance + 1, updated_at = clock_timestamp()
            WHERE id = rows * 2 / 5 + 1 + (turn::bigint * 7919 + change * 104729) % (rows * 3 / 5);
      END CASE;
    END LOOP;
    COMMIT;
  END LOOP;
END $$;
"""


def missing():
    """Why there can be no server; "" if there can."""
    return "" if postgres.binaries() else "no PostgreSQL server is installed"


class Server:
    """A server with `rows` rows in accounts, gone at the end of the block."""

    def __init__(self, rows):
        self.rows = rows

    def __enter__(self):
        self.installation = postgres.Installation(postgres.binaries())
        self._server = self.installation.server(**SETTINGS)
        self.binaries, self.port = self._server.binaries, self._server.port
        try:
            database = self._server.create(DATABASE)
            self.execute, self.query, self.value = database.execute, database.query, database.value
            self.connect, self.url = database.connect, database.url
            self.socket_url, self.socket = self._server.socket_url(DATABASE), self._server.data
            self.execute(SCHEMA)
            self.execute("INSERT INTO accounts SELECT a.* FROM generate_series(1, %s::bigint) AS i,"
                         " LATERAL account(i) AS a", self.rows)
            self.execute("VACUUM ANALYZE accounts")
            self.execute("CHECKPOINT")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._server.stop()
        self.installation.remove()

    def make_slot(self, name):
        """A slot and a publication of one name: an agent signs its publication."""
        self.execute(f"CREATE PUBLICATION {name} FOR TABLE {TABLE}"
                     " WITH (publish_via_partition_root = true)")
        self.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", name)

    def change(self, changes):
        """Makes so many changes and returns the position behind them."""
        with self.connect() as connection:
            connection.execute("SET synchronous_commit = off")
            connection.execute("CALL change_accounts(%s, %s)",
                               (changes // CHANGES_A_TRANSACTION, self.rows))
        return self.flushed()

    def flushed(self):
        """The position of the newest commit, which a commit of its own flushes to disk."""
        position = self.value("SELECT pg_current_wal_insert_lsn()::text")
        self.execute("SELECT pg_logical_emit_message(true, 'bench', 'behind')")
        return position

    def read_wal(self):
        """Reads its WAL once, so that nobody who streams it waits for a disk."""
        for file in (self._server.data / "pg_wal").iterdir():
            if file.is_file():
                file.read_bytes()

    def client(self, program, *arguments, host="127.0.0.1"):
        """A program of PostgreSQL's own, connected to the database."""
        return stage.watched(self.binaries / program, "-h", host, "-p", self.port,
                             "-U", "postgres", *arguments)

    def walsenders(self):
        return Walsenders(self._server.process.pid)


class Walsenders:
    """CPU seconds of the server's walsenders in a block, the copying into the socket included."""

    EVERY = 0.02

    def __init__(self, server):
        self._server, self._seconds = server, {}
        self._ended = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        senders, others = set(), set()
        while not self._ended.wait(self.EVERY):
            children = Path(f"/proc/{self._server}/task/{self._server}/children").read_text()
            for pid in set(children.split()) - others:
                try:
                    if pid not in senders:
                        title = Path(f"/proc/{pid}/cmdline").read_bytes()
                        if b"walsender" not in title:
                            # A new process has no title of its own yet.
                            if title.startswith(b"postgres: "):
                                others.add(pid)
                            continue
                        senders.add(pid)
                    self._seconds[pid] = stage.cpu_of(pid)
                except OSError:  # it has ended
                    continue

    def cpu(self):
        return sum(self._seconds.values())


def read_by_pg_recvlogical(server, slot, until, host):
    """PostgreSQL's own client, which wakes for every message. It confirms what it has read."""
    return server.client("pg_recvlogical", "-d", DATABASE, f"--slot={slot}", "--start",
                         "-f", "/dev/null", "-o", "proto_version=1",
                         "-o", f"publication_names={slot}", f"--endpos={until}", host=host)


class NappingReader:
    """A reader that only counts, and sleeps when it has drained the socket: what the walsender can
    do. Its source is not part of this repository: $TANDEM_PEERS or shared/peers beside it."""

    NAP_US = {"TCP": 500, "Unix socket": 100}  # where each is fastest

    def __init__(self, folder):
        peers = Path(os.environ.get("TANDEM_PEERS", stage.ROOT.parent / "shared" / "peers"))
        source = peers / "pg" / "pgrecv.cpp"
        self.program = None
        if not source.exists():
            print(f"\n!! {source} is not there: without the napping reader the ceiling is only what"
                  " pg_recvlogical reaches, which is half of the walsender's\n", file=sys.stderr)
            return
        includes = subprocess.run(["pg_config", "--includedir"], stdout=subprocess.PIPE, text=True,
                                  check=True).stdout.strip()
        program = folder / "pgrecv"
        subprocess.run(["g++", "-O2", f"-I{includes}", "-o", program, source, "-lpq"], check=True)
        self.program = program

    def read(self, server, slot, changes, way, host):
        """{name: figure}; it confirms nothing, so the slot can be read again."""
        conninfo = f"host={host} port={server.port} user=postgres dbname={DATABASE}"
        for _ in range(10):
            try:
                done = stage.watched(self.program, conninfo, slot, slot, changes,
                                     self.NAP_US[way], 0)
            except SystemExit as failed:
                if "run again" not in str(failed):
                    raise
                time.sleep(0.5)  # the server has to see that the slot is free
                continue
            return {name: float(value)
                    for name, value in re.findall(r"(\S+)=([\d.]+)(?=\s|$)", done.output)}
        raise SystemExit("the napping reader found no whole frame to begin with, ten times")


class Writers:
    """pgbench: so many sessions that change accounts as fast as they can, for so many seconds."""

    SCRIPT = r"""
\set id random(1, :rows)
\set new random(:rows + 1, 1000000000)
BEGIN;
UPDATE accounts SET balance = balance + 1, updated_at = clock_timestamp() WHERE id = :id;
DELETE FROM accounts WHERE id = (SELECT id FROM accounts WHERE id > :id ORDER BY id LIMIT 1);
INSERT INTO accounts SELECT * FROM account(:new) ON CONFLICT DO NOTHING;
COMMIT;
"""

    def __init__(self, server, sessions, seconds):
        self._script = tempfile.NamedTemporaryFile("w", suffix=".sql")
        self._script.write(self.SCRIPT)
        self._script.flush()
        command = [server.binaries / "pgbench", "-n", "-M", "prepared", "-h", "127.0.0.1",
                   "-p", server.port, "-U", "postgres", "-c", sessions, "-j", 1, "-T", seconds,
                   "-D", f"rows={server.rows}", "-f", self._script.name, DATABASE]
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def end(self):
        """Transactions a second."""
        output, _ = self.process.communicate()
        self._script.close()
        reached = re.search(r"tps = ([\d.]+)", output)
        if self.process.returncode != 0 or not reached:
            raise SystemExit(f"pgbench failed with {self.process.returncode}: {output}")
        return float(reached[1])

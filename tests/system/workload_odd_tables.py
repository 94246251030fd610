"""Writers that are rough with PostgreSQL tables whose rows are hard to follow.

Deferrable keys that are swapped by one statement under REPLICA IDENTITY FULL, a key whose collation
only the server knows, an identity by index, partitions that rows wander between, values out of line
that most updates leave unchanged, columns that come, go and change type, and TRUNCATE, all at once.
"""

import random
import threading

import psycopg
from psycopg import errors

SCHEMA = """
CREATE TABLE swapped (id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, n int, big text, m numeric);
ALTER TABLE swapped ALTER big SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
CREATE TABLE named (name text COLLATE "en-x-icu" PRIMARY KEY, n int, big text, x text);
ALTER TABLE named ALTER big SET STORAGE EXTERNAL;
CREATE TABLE indexed (id int NOT NULL, n int, big text);
ALTER TABLE indexed ALTER big SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX indexed_id ON indexed (id);
ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_id;
CREATE TABLE parted (a int, b int, v text, PRIMARY KEY (a, b)) PARTITION BY LIST (b);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES IN (0, 1);
CREATE TABLE parted_rest PARTITION OF parted DEFAULT;
CREATE FUNCTION name_of(number int) RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'K' || md5(number::text)$$;
CREATE FUNCTION large(number int) RETURNS text IMMUTABLE LANGUAGE sql AS
  $$SELECT repeat(md5(number::text), CASE WHEN number % 3 = 0 THEN 90 ELSE 2 END)$$;
INSERT INTO swapped SELECT i, i, large(i), i / 3.0 FROM generate_series(1, {rows}) i;
INSERT INTO named SELECT name_of(i), i, large(i), 'x' FROM generate_series(1, {rows}) i;
INSERT INTO indexed SELECT i, i, large(i) FROM generate_series(1, {rows}) i;
INSERT INTO parted SELECT i, i % 4, 'v' FROM generate_series(1, {rows}) i;
"""

KEYS = {"swapped": ("id",), "named": ("name",), "indexed": ("id",), "parted": ("a", "b")}

# {weight: statements}; {a} and {b} are numbers of rows, there or not, {t} a table by number.
STATEMENTS = {
    1: (
        "UPDATE {t} SET n = n + 1 WHERE id = {a}",
        "UPDATE named SET n = n + 1 WHERE name = name_of({a})",
        "INSERT INTO {t} (id, n, big) SELECT {a}, 0, large({b}) WHERE NOT EXISTS (SELECT FROM {t} WHERE id = {a})",
        "DELETE FROM {t} WHERE id = {a}",
        "DELETE FROM named WHERE name = name_of({a})",
        "INSERT INTO named (name, n, big, x) VALUES (name_of({a}), 1, large({b}), 'y')"
        " ON CONFLICT (name) DO UPDATE SET n = named.n + 10",
        "UPDATE {t} SET big = large({b}) WHERE id = {a}",
        "UPDATE parted SET b = (b + 1) % 4 WHERE a = {a}"
        " AND NOT EXISTS (SELECT FROM parted q WHERE q.a = {a} AND q.b = (parted.b + 1) % 4)",
        "INSERT INTO parted (a, b, v) VALUES ({a}, {b} % 4, 'w') ON CONFLICT DO NOTHING",
        "UPDATE parted SET v = v || '.' WHERE a BETWEEN {a} AND {a} + 20",
        "UPDATE named SET x = x || '1', n = n WHERE name = name_of({a})",
        "UPDATE {t} SET n = -n WHERE id BETWEEN {a} AND {a} + 30",
    ),
    2: (
        "UPDATE named SET name = name_of({b}) WHERE name = name_of({a})"
        " AND NOT EXISTS (SELECT FROM named WHERE name = name_of({b}))",
        "UPDATE indexed SET id = {b} WHERE id = {a} AND NOT EXISTS (SELECT FROM indexed WHERE id = {b})",
    ),
    4: ("UPDATE swapped SET id = {a} + {b} - id WHERE id IN ({a}, {b})",),
}
TRUNCATIONS = ("TRUNCATE indexed", "TRUNCATE parted", "TRUNCATE indexed, parted")

# What writers get in each other's way with, or a server that ends their sessions.
_REFUSALS = (errors.UniqueViolation, errors.DeadlockDetected, errors.LockNotAvailable, errors.UndefinedColumn,
             errors.SerializationFailure, errors.DuplicateColumn)


class RoughWriters:
    """`with RoughWriters(…) as writers:` writes until the block is left, and raises what went wrong."""

    def __init__(self, database, seed, sessions=6, rows=1500):
        self.database, self.seed, self.rows = database, seed, rows
        self.committed = self.migrations = self.truncations = 0
        self._choices = [text for weight, texts in STATEMENTS.items() for text in texts * weight]
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._failures = []
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(sessions)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()
        if kind is None and self._failures:
            raise self._failures[0]

    def _run(self, number):
        dice = random.Random(f"{self.seed}-{number}")
        try:
            while not self._over.is_set():
                try:
                    with self.database.connect(prepare_threshold=None) as connection:
                        connection.execute("SET deadlock_timeout = '50ms'; SET lock_timeout = '5s'")
                        self._session(connection, dice, migrates=number == 0)
                except (errors.AdminShutdown, errors.CannotConnectNow, errors.CrashShutdown) as error:
                    print(f"writer {number}: {error}")
                    self._over.wait(0.1)
        except BaseException as error:  # the test must hear of it
            self._failures.append(error)

    def _session(self, connection, dice, migrates):
        while not self._over.is_set():
            try:
                with connection.transaction():
                    for _ in range(dice.choice((1, 1, 2, 5, 20))):
                        connection.execute(self._statement(dice))
                    if dice.random() < 0.1:
                        raise psycopg.Rollback()
                    if dice.random() < 0.003:
                        connection.execute(dice.choice(TRUNCATIONS))
                        self.truncations += 1
                if migrates and dice.random() < 0.02:
                    self._migrate(connection, dice)
            except _REFUSALS:
                continue
            with self._lock:
                self.committed += 1

    def _statement(self, dice):
        low, high = 1, self.rows * 4 // 3
        return dice.choice(self._choices).replace("{t}", dice.choice(("swapped", "indexed"))).replace(
            "{a}", str(dice.randrange(low, high))).replace("{b}", str(dice.randrange(low, high)))

    def _migrate(self, connection, dice):
        """Some with rows of their own in the same transaction."""
        table, self.migrations = dice.choice(list(KEYS)), self.migrations + 1
        extra = [name for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attname LIKE 'extra%%'"
            " AND NOT attisdropped", (table,))]
        new, kind = f"extra{dice.randrange(10**6)}", dice.randrange(6)
        with connection.transaction():
            if len(extra) > 4 or (extra and kind == 0):
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {dice.choice(extra)}")
            elif extra and kind == 1:
                connection.execute(f"ALTER TABLE {table} RENAME COLUMN {dice.choice(extra)} TO {new}")
            elif kind == 2:
                table = dice.choice(("swapped", "named", "indexed"))
                connection.execute(f"ALTER TABLE {table} ALTER n TYPE {dice.choice(('int', 'bigint'))}")
            elif kind == 3:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {new} text")
            else:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {new} int DEFAULT {self.migrations}")
            if dice.random() < 0.5:
                connection.execute(self._statement(dice))

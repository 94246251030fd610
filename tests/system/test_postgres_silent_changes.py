"""What changes rows without a word in the stream: rewritten tables, partitions that come and go."""

import pytest

from eventually import eventually
from local_items import LocalItems

SCHEMA = """
CREATE TABLE price (id int PRIMARY KEY, cents int);
INSERT INTO price SELECT n, n * 100 FROM generate_series(1, 300) n;
CREATE TABLE sale (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM (1) TO (100);
CREATE TABLE sale_2 PARTITION OF sale FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
CREATE TABLE sale_2a PARTITION OF sale_2 FOR VALUES FROM (100) TO (150);
CREATE TABLE sale_3 (id int PRIMARY KEY, note text);
INSERT INTO sale SELECT n, 'sale ' || n FROM generate_series(1, 140) n;
INSERT INTO sale_3 SELECT n, 'sale ' || n FROM generate_series(200, 220) n;
CREATE DOMAIN codes AS int[];
CREATE TABLE coded (id int PRIMARY KEY, list codes);
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TYPE pair AS (a int, b mood);
CREATE DOMAIN moods AS mood[];
CREATE TABLE felt (id int PRIMARY KEY, how moods);
CREATE TABLE paired (id int PRIMARY KEY, two pair[]);
INSERT INTO felt VALUES (1, '{sad}'), (2, '{fine,sad}'), (3, NULL);
INSERT INTO paired SELECT n, ARRAY[ROW(n, 'sad')::pair] FROM generate_series(1, 20) n;
INSERT INTO coded VALUES (1, '{1,2}'), (2, NULL);
"""

CONFIG = """
name: silent
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target:
  type: local
  path: "${ITEMS}"
  tables: {All: {key: [PK]}}
documents:
"""

DOCUMENT = """
  {0}:
    table: All
    root: {0}
    item: {{PK: "{0}#{{id}}", Value: "{{{1}}}"}}
"""

# Each in a transaction of its own; no row event names what they change.
CHANGES = {
    "a rewritten column": ("ALTER TABLE price ALTER COLUMN cents TYPE int USING cents + 1",),
    "an emptied partition": ("TRUNCATE sale_1",),
    "an attached partition": ("ALTER TABLE sale ATTACH PARTITION sale_3 FOR VALUES FROM (200) TO (300)",),
    "a detached partition": ("ALTER TABLE sale DETACH PARTITION sale_1",),
    "a detached branch": ("ALTER TABLE sale DETACH PARTITION sale_2",),
    "a dropped partition": ("DROP TABLE sale_2a",),
    "a partition that was away": (
        "ALTER TABLE sale DETACH PARTITION sale_1",
        "UPDATE sale_1 SET note = 'changed outside'",
        "DELETE FROM sale_1 WHERE id = 7",
        "ALTER TABLE sale ATTACH PARTITION sale_1 FOR VALUES FROM (1) TO (100)",
    ),
    "a renamed label of an enum": ("ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",),
    "an attribute of a composite type": ("ALTER TYPE pair ADD ATTRIBUTE c int",),
    "a partition that was unlogged": (
        "ALTER TABLE sale_1 SET UNLOGGED",
        "UPDATE sale SET note = 'unlogged' WHERE id < 10",
        "ALTER TABLE sale_1 SET LOGGED",
    ),
    "an emptied table, filled and rewritten": (
        "TRUNCATE price",
        "INSERT INTO price VALUES (1, 1), (2, 2)",
        "ALTER TABLE price ALTER COLUMN cents TYPE int USING cents + 1",
    ),
}


def config():
    columns = {"price": "cents", "sale": "note", "coded": "list", "felt": "how", "paired": "two"}
    return CONFIG + "".join(DOCUMENT.format(*each) for each in columns.items())


def expected(database):
    want = {}
    for table, column in (("price", "cents"), ("sale", "note"), ("coded", "list::text"),
                          ("felt", "how::text"), ("paired", "two::text")):
        for key, value in database.query(f"SELECT id, {column} FROM {table}"):
            want[f"{table}#{key}"] = value
    return want


@pytest.fixture
def tandem(deploy, pg):
    pg.execute(SCHEMA)
    return deploy(pg, config=config())


def values(tandem):
    living = {}
    for item in LocalItems(tandem.environment["ITEMS"]).scan_raw("All"):
        if item.get("_tandem", {}).get("d") is not True:
            living[item["PK"]] = item.get("Value")
    return living


def check(tandem, pg):
    want, have = expected(pg), values(tandem)
    assert have == want, {key: (have.get(key), want.get(key)) for key in have.keys() ^ want.keys()
                          | {key for key in have.keys() & want.keys() if have[key] != want[key]}}
    return True


@pytest.mark.parametrize("name", CHANGES)
def test_beside_a_running_agent(tandem, pg, name):
    tandem.init()
    agent = tandem.start()
    eventually(lambda: check(tandem, pg), 60, "the first sync", alive=agent.alive)
    for statement in CHANGES[name]:
        pg.execute(statement)
    eventually(lambda: check(tandem, pg), 60, name, alive=agent.alive)
    agent.stop()


@pytest.mark.parametrize("name", CHANGES)
def test_while_no_agent_ran(tandem, pg, name):
    tandem.sync()
    check(tandem, pg)
    for statement in CHANGES[name]:
        pg.execute(statement)
    tandem.run_once().expect()
    check(tandem, pg)
    tandem.run("verify").expect()


def test_nothing_is_read_again_without_a_reason(tandem, pg):
    """Every schema record of a table says that it is read again."""
    tandem.sync()

    def records():
        lines = tandem.run("log", "show", "--json").expect().out.splitlines()
        return sum('"chunk"' in line or '"reread":true' in line for line in lines)

    before = records()
    pg.execute("INSERT INTO coded VALUES (3, '{NULL,-1}'); UPDATE coded SET list = '{}' WHERE id = 2;"
               " ANALYZE; INSERT INTO sale VALUES (145, 'late')")
    for _ in range(2):
        tandem.run_once().expect()
    check(tandem, pg)
    assert records() == before

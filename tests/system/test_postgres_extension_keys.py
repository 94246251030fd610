"""Keys of types that an extension brings: their order is their own operators', over many chunks."""

import sqlite3

import pytest

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: things, item: {PK: "{k}"}}
"""

# Mixed case, so that the order of text is another one.
CITEXT = "(CASE WHEN n % 2 = 0 THEN 'k' ELSE 'K' END || lpad(n::text, 6, '0'))"
KEYS = {
    "citext": ("k ext.citext PRIMARY KEY", f"{CITEXT}::ext.citext"),
    "a domain over citext": ("k name_of PRIMARY KEY", f"{CITEXT}::name_of"),
    "a part that is citext": ("a int, k ext.citext, z int, PRIMARY KEY (a, k, z)", f"n % 3, {CITEXT}::ext.citext, n % 5"),
    "ltree": ("k ext.ltree PRIMARY KEY", "('a' || n % 7 || '.b' || n)::ext.ltree"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_every_row_is_there(deploy, pg, kind):
    columns, values = KEYS[kind]
    pg.execute("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext;"
               " CREATE DOMAIN name_of AS ext.citext")
    pg.execute(f"CREATE TABLE things ({columns}, v int)")
    pg.execute(f"INSERT INTO things SELECT {values}, n FROM generate_series(1, 7000) n")
    tandem = deploy(pg, config=CONFIG)
    tandem.sync()

    def compare():
        with sqlite3.connect(f"file:{tandem.state / 'replica.db'}?mode=ro", uri=True) as replica:
            have = set(replica.execute("SELECT k, v FROM things"))
        assert have == set(pg.query("SELECT k::text, v FROM things"))

    compare()
    pg.execute("UPDATE things SET v = -v WHERE v % 3 = 0; DELETE FROM things WHERE v % 11 = 0")
    tandem.run_once().expect()
    compare()
    tandem.run("snapshot", "things").expect()
    tandem.run_once().expect()
    compare()
    tandem.run("verify", "--deep").expect()

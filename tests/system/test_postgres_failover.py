"""What `check` says of standbys that may take over, on a server whose slots can go with them."""

import pytest

from deployment import FAILED

CONFIG = """
source: {type: postgres, url: "${DATABASE_URL}"}
state: "${TANDEM_STATE}"
target: {type: local, path: "${ITEMS}", tables: {Items: {key: [PK]}}}
documents:
  thing: {table: Items, root: things, item: {PK: "{id}"}}
"""


def line_of(result):
    found = [line for line in result.out.splitlines() if "synchronized_standby_slots" in line]
    return "\n".join(found)


@pytest.mark.parametrize("other_postgres", ["17"], indirect=True)
def test_standbys_that_a_failover_slot_must_wait_for(deploy, other_postgres):
    server = other_postgres
    database = server.create("standbys")
    database.execute("CREATE TABLE things (id integer PRIMARY KEY)")
    tandem = deploy(database, config=CONFIG)
    assert not line_of(tandem.run("check").expect())
    server.execute("SELECT pg_create_physical_replication_slot('near', true)")
    server.execute("SELECT pg_create_physical_replication_slot('far', true)")
    try:
        assert "far, near" in line_of(tandem.run("check").expect())
        server.reload(synchronized_standby_slots="near, far")
        lines = line_of(tandem.run("check").expect())
        assert "slot near, which no standby uses" in lines and "slot far, which no standby uses" in lines
        server.drop_slot("far")
        assert "slot far, which is not there" in line_of(tandem.run("check").expect(FAILED))
    finally:
        server.reload(synchronized_standby_slots="")
        server.drop_slot("near")
        server.drop("standbys")

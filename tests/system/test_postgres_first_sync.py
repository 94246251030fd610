"""From PostgreSQL the whole way once: from an empty target to every item, with `run --once`."""

import pytest

import oracle_chinook as oracle
import oracle_examples
from deployment import REPOSITORY
from workload_postgres import Crowd, prepare

CHINOOK = REPOSITORY / "config" / "chinook-postgres.yaml"
CHANGES = {
    "lessons": (
        "UPDATE lessons SET topic = 'travel' WHERE lesson_id % 5 = 1",
        "UPDATE lessons SET topic = 'lonely' WHERE lesson_id = 7",
        "UPDATE lessons SET topic = 'food' WHERE topic = 'lonely'",
        "DELETE FROM lessons WHERE lesson_id IN (3, 4)",
        "INSERT INTO lessons (title, topic, level, created_at) VALUES ('new', 'music', 'advanced', now())",
        "UPDATE questions SET options = NULL, answer = '{\"deep\": [1.50, null, {}]}' WHERE question_id % 7 = 0",
        "UPDATE passages SET lesson_id = NULL WHERE passage_id = 11",
    ),
    "registry": (
        "UPDATE msg_anag SET abil = false WHERE id_anag % 10 = 1",
        "UPDATE msg_anag SET tipo = 9 WHERE tipo = 3 AND id_anag < 30",
        "UPDATE msg_anag SET tipo = CASE tipo WHEN 1 THEN 2 ELSE 1 END WHERE id_anag IN (24, 26, 30, 31)",
        "UPDATE msg SET abil = NOT abil WHERE id_msg % 4 = 0",
        "UPDATE msg SET stato = 'X' WHERE id_msg % 9 = 0",
        "DELETE FROM msg WHERE id_msg > 350",
    ),
}


@pytest.mark.quick
def test_every_item_of_the_real_chinook(deploy, pg_source, dynamodb):
    tandem = deploy(pg_source, config=CHINOOK, endpoint=dynamodb.endpoint)
    tandem.sync()
    want = oracle.expected(pg_source)
    assert sum(map(len, want.values())) == 4709
    lines = oracle.differences(want, oracle.scanned(dynamodb))
    assert not lines, "\n".join(lines)


@pytest.mark.parametrize("name", CHANGES)
def test_an_example_and_its_changes(deploy, pg, dynamodb, name):
    pg.execute(oracle_examples.script(name))
    tandem = deploy(pg, config=REPOSITORY / "config" / f"{name}.yaml", endpoint=dynamodb.endpoint)
    tandem.sync()
    oracle_examples.check(name, pg, dynamodb)
    for change in CHANGES[name]:
        pg.execute(change)
        tandem.run_once().expect()
        oracle_examples.check(name, pg, dynamodb)


def test_init_twice_and_run_twice_change_nothing(deploy, small_pg_source, dynamodb):
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=dynamodb.endpoint)
    tandem.sync()
    tandem.sync()
    oracle.check(small_pg_source, dynamodb)


def test_a_second_run_writes_nothing(deploy, small_pg_source, proxy, dynamodb):
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=proxy.endpoint)
    tandem.sync()
    proxy.counts.clear()
    tandem.run_once().expect()
    assert proxy.writes == 0, proxy.counts


def test_a_server_by_its_unix_socket(deploy, small_pg_source, dynamodb):
    url = small_pg_source.server.socket_url(small_pg_source.name)
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=dynamodb.endpoint, environment={"DATABASE_URL": url})
    tandem.sync()
    oracle.check(small_pg_source, dynamodb)
    small_pg_source.execute("UPDATE artist SET name = 'by the socket' WHERE artist_id = 1")
    tandem.run_once().expect()
    oracle.check(small_pg_source, dynamodb)


def test_uninstall_leaves_the_server_as_it_was(deploy, small_pg_source, dynamodb):
    def made():
        publications = small_pg_source.query("SELECT pubname FROM pg_publication ORDER BY 1")
        return publications, small_pg_source.slot()

    small_pg_source.execute("CREATE PUBLICATION of_somebody_else FOR ALL TABLES")
    before = made()
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=dynamodb.endpoint)
    tandem.sync()
    assert made() != before
    assert small_pg_source.slot()["slot_name"] == "tandem_chinook_postgres"
    tandem.run("init", "--uninstall").expect()
    assert made() == before


def test_verify_finds_nothing_and_then_what_was_harmed(deploy, small_pg_source, dynamodb):
    tandem = deploy(small_pg_source, config=CHINOOK, endpoint=dynamodb.endpoint)
    tandem.sync()
    tandem.run("verify").expect()
    dynamodb.client.delete_item(
        TableName="MusicCatalog", Key={"PK": {"S": "ARTIST#1"}, "SK": {"S": "METADATA"}}
    )
    result = tandem.run("verify").expect(3)
    assert "ARTIST#1" in result.out, str(result)


def test_a_guessed_config_runs(deploy, small_pg_source, tmp_path):
    tandem = deploy(small_pg_source, config=tmp_path / "guessed.yaml")
    tandem.run("init", "--source", small_pg_source.server.url(small_pg_source.name, password="hush")).expect()
    text = (tmp_path / "guessed.yaml").read_text()
    assert "${DATABASE_URL}" in text and "hush" not in text
    tandem.run("check").expect()
    tandem.init()
    tandem.run_once().expect()
    tandem.run("verify").expect()


def test_other_versions_of_postgres(deploy, other_postgres, dynamodb, seed):
    """First sync, changes, and what only newer servers have, on each version."""
    if not other_postgres.has("small_chinook"):
        pytest.skip("NOT TESTED: the Chinook script is not here")
    database = other_postgres.create(f"chinook_{seed}", template="small_chinook")
    prepare(database)
    crowd = Crowd(database, seed, sessions=3)
    tandem = deploy(database, config=CHINOOK, endpoint=dynamodb.endpoint)
    tandem.run("check").expect()
    tandem.sync()
    oracle.check(database, dynamodb)
    for _ in range(3):
        crowd.burst(60)
        crowd.migration()
        tandem.run_once().expect()
        oracle.check(database, dynamodb)
    crowd.close()
    assert database.slot().get("failover", True), "a failover slot where the server can"
    other_postgres.drop(database.name)

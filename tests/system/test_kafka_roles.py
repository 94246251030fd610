"""Capture and apply in processes of their own, with nothing but the topics between them."""

import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from confluent_kafka import TopicPartition

import failpoints
import oracle_chinook as oracle
from deployment import FAILED, REPOSITORY, USAGE
from eventually import eventually
from workload_postgres import Crowd, prepare

CHINOOK = REPOSITORY / "config" / "chinook-kafka.yaml"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
NO_TARGET = "http://127.0.0.1:1"


class Apart:
    """A pipeline in parts: one that captures and has no target, one that applies and has no source."""

    def __init__(self, deploy, source, dynamodb, topic):
        self.deploy, self.source, self.dynamodb, self.topic = deploy, source, dynamodb, topic
        self.capture = deploy(source, config=CHINOOK, endpoint=NO_TARGET, environment=topic, name="capture")
        self.apply = self.another("apply")
        deploy(source, config=CHINOOK, endpoint=dynamodb.endpoint, environment=topic, name="init").init()

    def another(self, name, config=CHINOOK, **options):
        environment = {**self.topic, "DATABASE_URL": NOWHERE}
        return self.deploy(self.source, config=config, endpoint=self.dynamodb.endpoint, environment=environment,
                           name=name, **options)

    def check(self):
        return oracle.check(self.source, self.dynamodb)

    def captured(self):
        return self.capture.run("run", "--once", "--role", "capture").expect()

    def applied(self, by=None):
        return (by or self.apply).run("run", "--once", "--role", "apply").expect()

    def sync(self):
        self.captured()
        self.applied()
        self.check()


@pytest.fixture
def apart(deploy, small_pg_source, dynamodb, topic):
    return Apart(deploy, small_pg_source, dynamodb, topic)


def test_each_half_by_itself(apart):
    done = apart.captured()
    assert "is in the log, up to offset" in done.out
    assert {file.name for file in apart.capture.state.iterdir()} == {"capture"}
    made = {file.name for file in (apart.capture.state / "capture").iterdir()}
    assert made == {"lock", "inbox.db", "status.json"}, "capture has no replica and no ledger"
    apart.applied()
    apart.check()
    apart.source.execute("UPDATE artist SET name = 'told apart' WHERE artist_id = 1")
    apart.sync()


def test_both_halves_beside_applications(apart, seed):
    """And status on each side, and of both from where both have their state."""
    prepare(apart.source)
    crowd = Crowd(apart.source, seed, sessions=3)
    apart.apply.state = apart.capture.state
    apart.apply.environment["TANDEM_STATE"] = str(apart.capture.state)
    apply = apart.apply.start("run", "--role", "apply", until_owned=False)
    apply.wait_for_line("yet: start the capture")
    capture = apart.capture.start("run", "--role", "capture", until_owned=False)
    for _ in range(3):
        crowd.burst(60)
        crowd.migration()
    crowd.close()

    def level():
        status = apart.capture.run("status", "--json").expect().json
        return status["in_sync"] and status["role"] == "all" and apart.check()

    def settled():
        try:
            return level()
        except AssertionError:
            return False

    eventually(settled, 60, "the target has what the applications wrote", alive=apply.alive)
    capture.alive()
    text = apart.apply.run("status").expect().out
    assert "source and target are level" in text and "0 records (0 B) behind" in text
    capture.stop()
    status = apart.apply.run("status", "--json").expect().json
    assert (status["role"], status["level"], status["in_sync"]) == ("apply", True, False)
    assert status["replica"]["lag_offsets"] == 0 and status["replica"]["lag_bytes"] == 0
    assert "the target has all of the log" in apart.apply.run("status").expect().out
    apply.stop()
    apart.check()


ENDLESS = """DO $$ BEGIN LOOP
  UPDATE artist SET name = md5(random()::text) WHERE artist_id = 1 + floor(random() * 5);
  COMMIT;
END LOOP; END $$"""


def test_an_apply_writes_beside_a_stream_without_a_pause(apart, proxy):
    """It waits for the log's end as it was when it started, and not for the end."""
    apart.captured()
    apart.apply.environment["DYNAMODB_ENDPOINT"] = proxy.endpoint
    capture = apart.capture.start("run", "--role", "capture", until_owned=False)
    with apart.source.connect() as application, ThreadPoolExecutor() as pool:
        application.execute("SET synchronous_commit = off")
        stream = pool.submit(application.execute, ENDLESS)
        try:
            apply = apart.apply.start("run", "--role", "apply")
            eventually(lambda: proxy.writes > 0, 30, "something is written", alive=apply.alive)
        finally:
            application.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            stream.result()
    eventually(apart.check, 60, "the target has what was committed", alive=apply.alive)
    capture.stop()
    apply.stop()


def test_status_of_a_capture_alone_and_lag(apart):
    apart.sync()
    capture = apart.capture.start("run", "--role", "capture", until_owned=False)
    apart.source.execute("UPDATE track SET milliseconds = milliseconds + 1")

    def caught_up():
        status = apart.capture.run("status", "--json").expect().json
        return status["role"] == "capture" and status["level"]

    eventually(caught_up, 30, "the capture has all", alive=capture.alive)
    assert "the log has all of the source" in apart.capture.run("status").expect().out
    behind = apart.apply.run("status", "--json").expect().json["replica"]
    tracks = apart.source.query("SELECT count(*) FROM track")[0][0]
    assert behind["lag_offsets"] > tracks and behind["lag_bytes"] > 100 * tracks, behind
    capture.stop()


def test_an_apply_without_its_state_folds_anew_and_writes_nothing(apart, proxy):
    apart.sync()
    shutil.rmtree(apart.apply.state)
    apart.apply.environment["DYNAMODB_ENDPOINT"] = proxy.endpoint
    apart.applied()
    assert proxy.writes == 0, proxy.counts
    apart.check()


def test_the_older_of_two_that_apply_is_fenced(apart):
    apart.sync()
    first = apart.apply.start("run", "--role", "apply")
    first.wait_for_line("level")
    second = apart.another("second").start("run", "--role", "apply")
    second.wait_for_line("level")
    apart.source.execute("UPDATE artist SET name = 'whoever' WHERE artist_id < 5")
    apart.captured()
    assert first.wait(30) == FAILED
    assert "another agent has taken over this target" in first.output()
    eventually(lambda: equal(apart), 30, "the second writes", alive=second.alive)
    second.stop()


def equal(apart):
    try:
        return apart.check()
    except AssertionError:
        return False


def test_one_that_applies_in_turn_with_another_trusts_no_ledger(apart):
    """What stands at the target is not what its own ledger says: the other one wrote it."""
    def name(text):
        apart.source.execute("UPDATE artist SET name = %s WHERE artist_id = 1", (text,))
        apart.captured()

    other = apart.another("other")
    apart.sync()
    name("told by another")
    apart.applied(other)
    apart.check()
    name("AC/DC")
    apart.applied()
    apart.check()
    name("told by another once more")
    apart.applied()
    name("told by another")
    apart.applied(other)
    apart.check()


def test_a_zombie_that_applies_sends_nothing_more(apart):
    apart.sync()
    first = apart.apply.start("run", "--role", "apply")
    first.wait_for_line("level")
    first.pause()
    apart.source.execute("UPDATE artist SET name = 'of the zombie' WHERE artist_id = 1")
    apart.captured()
    apart.source.execute("UPDATE artist SET name = 'of the living' WHERE artist_id = 1")
    apart.captured()
    apart.applied(apart.another("second"))
    apart.check()
    first.resume()
    assert first.wait(30) == FAILED
    apart.check()


def test_one_with_nothing_to_send_hears_of_late_writes(apart, kafka):
    """What was harmed without its knowledge is put right, though no change comes."""
    apart.sync()
    apply = apart.apply.start("run", "--role", "apply")
    apply.wait_for_line("level")
    key = {"PK": {"S": "ARTIST#1"}, "SK": {"S": "METADATA"}}
    apart.dynamodb.client.delete_item(TableName="MusicCatalog", Key=key)
    kafka.produce(apart.topic["KAFKA_TOPIC"] + ".control",
                  b'{"kind":"late","pipeline":"chinook-kafka","instance":"somebody"}')
    apply.wait_for_line("may have written to the target since")
    eventually(lambda: equal(apart), 30, "the item is there again", alive=apply.alive)
    apply.stop()


def test_one_that_was_succeeded_while_it_was_down_does_not_come_back(apart, kafka):
    apart.sync()
    apply = apart.apply.start("run", "--role", "apply")
    apply.wait_for_line("level")
    control = apart.topic["KAFKA_TOPIC"] + ".control"
    kafka.produce(control, b'{"kind":"late","pipeline":"chinook-kafka","instance":"somebody"}')
    apply.wait_for_line("trying again in 1.0 s")
    kafka.produce(control, b'{"kind":"owner","pipeline":"chinook-kafka","instance":"another"}')
    assert apply.wait(30) == FAILED
    assert "another agent has taken over this target" in apply.output()


def test_what_others_write_into_the_control_topic_stops_nobody(apart, kafka):
    control = apart.topic["KAFKA_TOPIC"] + ".control"
    for strange in (b"", b"no JSON", b"[]", b'{"kind":7}', b'{"kind":"of a later version"}'):
        kafka.produce(control, strange)
    apart.sync()
    assert "that Tandem did not write, at offset" in apart.applied().err


def test_a_log_that_ends_in_half_a_transaction(apart, debug_binary):
    """What is there of it counts for nothing, and nobody waits for the rest."""
    apart.sync()
    # More than is appended at once.
    apart.source.execute(
        "INSERT INTO artist SELECT 10000 + i, i || repeat('x', 100) FROM generate_series(1, 9000) AS i")
    apart.capture.binary = debug_binary
    killed = apart.capture.run("run", "--once", "--role", "capture",
                               environment=failpoints.armed("capture.append.after"))
    assert killed.status == -signal.SIGKILL, str(killed)
    records = apart.apply.run("log", "show", "--json").expect().out
    assert records.count('"record":"begin"') > records.count('"record":"end"'), "half of it is there"
    shutil.rmtree(apart.apply.state)
    apply = apart.apply.start("run", "--role", "apply")
    eventually(lambda: apart.apply.run("status", "--json").expect().json["level"], 90, "level", alive=apply.alive)
    apply.stop()
    apart.applied()
    apart.apply.run("replay", "--from", "1").expect()
    apart.applied()
    apart.sync()


def test_several_that_apply_other_documents(apart):
    """Each has a name and documents of its own; one capture writes for all of them."""
    text = CHINOOK.read_text()
    start, end = text.index("documents:"), text.index("  album:")
    config = text[:start] + text[start:end]
    config = config.replace("name: chinook-kafka", "name: only-artists").replace("MusicCatalog", "Artists")
    others = [line for line in ("CustomerOrders", "Playlists", "EmployeeManagement")]
    assert all(name in config for name in others)
    apart.sync()
    artists = apart.another("artists", config=config)
    artists.run("init", "--role", "apply").expect()
    apart.applied(artists)
    found = apart.dynamodb.client.scan(TableName="Artists")["Items"]
    assert len(found) == apart.source.query("SELECT count(*) FROM artist")[0][0]
    apart.source.execute("UPDATE artist SET name = 'seen by both' WHERE artist_id = 1")
    apart.sync()
    apart.applied(artists)
    names = {item["Name"]["S"] for item in apart.dynamodb.client.scan(TableName="Artists")["Items"]}
    assert "seen by both" in names
    apart.dynamodb.client.delete_table(TableName="Artists")


def test_an_apply_asks_for_what_retention_has_cut(apart, kafka):
    """By the control topic, once, and said on both sides."""
    apart.sync()
    apart.source.execute("UPDATE artist SET name = 'lost by the log' WHERE artist_id = 1")
    apart.source.execute("DELETE FROM playlist_track WHERE track_id = 1")
    done = apart.captured()
    end = int(done.out.split()[-1])
    name = apart.topic["KAFKA_TOPIC"]
    kafka.admin.delete_records([TopicPartition(name, 0, end)])[TopicPartition(name, 0)].result(30)
    for agent in range(2):
        apply = apart.apply.start("run", "--role", "apply")
        apply.wait_for_line("records to fold")
        asked = "so capture is asked to read everything again" in apply.output()
        assert asked == (agent == 0), "asked once"
        apply.stop()
    capture = apart.capture.start("run", "--role", "capture", until_owned=False)
    capture.wait_for_line("pipeline chinook-kafka asks for everything to be read again")
    apply = apart.apply.start("run", "--role", "apply")
    eventually(lambda: equal(apart), 60, "the target is right again", alive=apply.alive)
    apply.stop()
    capture.stop()
    assert capture.output().count("asks for everything") == 1
    # It is not asked for once more.
    apart.sync()


def test_a_lost_state_beside_a_log_whose_beginning_is_gone(apart, kafka):
    """Not even the tables are told there any more."""
    apart.sync()
    name, end = apart.topic["KAFKA_TOPIC"], int(apart.captured().out.split()[-1])
    kafka.admin.delete_records([TopicPartition(name, 0, end)])[TopicPartition(name, 0)].result(30)
    shutil.rmtree(apart.apply.state)
    apply = apart.apply.start("run", "--role", "apply", until_owned=False)
    apply.wait_for_line("so capture is asked to read everything again")
    apart.source.execute("UPDATE artist SET name = 'read again' WHERE artist_id = 1")
    capture = apart.capture.start("run", "--role", "capture", until_owned=False)
    eventually(lambda: equal(apart), 60, "the target is right again", alive=apply.alive)
    capture.stop()
    apply.stop()
    assert (apply.output() + capture.output()).count("so capture is asked") == 1


def test_a_lost_state_continues_from_a_copy_of_the_replica(apart, kafka, proxy, tmp_path):
    """Where retention has cut the log's beginning, that spares the capture a re-read."""
    apart.sync()
    copy = tmp_path / "replica-copy.db"
    said = apart.apply.run("snapshot-state", copy).expect().out
    assert copy.stat().st_mode & 0o777 == 0o600
    assert "is there already" in apart.apply.run("snapshot-state", copy).expect(FAILED).err
    name, end = apart.topic["KAFKA_TOPIC"], int(said.split()[-1])
    apart.source.execute("UPDATE artist SET name = 'behind the copy' WHERE artist_id = 1")
    apart.captured()
    kafka.admin.delete_records([TopicPartition(name, 0, end)])[TopicPartition(name, 0)].result(30)
    shutil.rmtree(apart.apply.state)
    apart.apply.environment["DYNAMODB_ENDPOINT"] = proxy.endpoint
    apart.apply.run("snapshot-state", copy, "--restore").expect()
    proxy.counts.clear()
    apart.applied()
    apart.check()
    items = [item for table in oracle.expected(apart.source).values() for item in table.values()]
    assert proxy.writes == sum("behind the copy" in str(item) for item in items), proxy.counts
    shown = apart.apply.run("log", "show", "--json").expect().out
    assert '"record":"gap"' not in shown and '"reread":true' not in shown
    assert "another log" in another_log(apart, copy)


def another_log(apart, copy):
    """What is said of the copy beside a log that was made anew."""
    apart.topic["KAFKA_TOPIC"] += "-other"
    other = apart.another("of-another-log")
    apart.deploy(apart.source, config=CHINOOK, endpoint=apart.dynamodb.endpoint, environment=apart.topic,
                 name="init-other").sync()
    return other.run("snapshot-state", copy, "--restore").expect(FAILED).err


def test_a_snapshot_that_an_apply_asks_for(apart):
    apart.sync()
    apart.apply.run("snapshot", "artist").expect()
    apply = apart.apply.start("run", "--role", "apply")
    apply.wait_for_line("level")
    apply.stop()
    apart.captured()
    shown = apart.apply.run("log", "show", "--table", "artist", "--json").expect().out
    assert shown.count('"record":"chunk"') == 2, shown
    apart.captured()
    again = apart.apply.run("log", "show", "--table", "artist", "--json").expect().out
    assert again.count('"record":"chunk"') == 2


def test_mistakes_are_said(apart):
    embedded = (REPOSITORY / "config" / "chinook-postgres.yaml").read_text()
    for role in ("capture", "apply"):
        refused = apart.deploy(apart.source, config=embedded, name=f"embedded-{role}")
        assert "kafka" in refused.run("run", "--role", role).expect(USAGE).err
    apart.captured()
    wrong = CHINOOK.read_text().replace('Name: "{name}"', 'Name: "{nam}"', 1)
    assert "did you mean name" in apart.another("wrong", config=wrong).run("run", "--role", "apply").expect(USAGE).err
    missing = CHINOOK.read_text().replace("root: artist", "root: painter", 1)
    agent = apart.another("missing", config=missing).start("run", "--role", "apply", until_owned=False)
    agent.wait_for_line("the log does not tell of painter yet")
    agent.stop()

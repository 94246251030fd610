"""verify: it finds every difference, says what it is, mends by marking, and raises no false alarm."""

import json
import threading

import pytest

import oracle_chinook as oracle
from database import opened
from deployment import DIFFERENCES, DONE
from eventually import eventually
from workload_chinook import Application

TRACKS = {"PK": {"S": "PLAYLIST#1"}, "SK": {"S": "TRACKS#2"}}
PROFILE = {"PK": {"S": "CUSTOMER#2"}, "SK": {"S": "PROFILE"}}


def harm_attribute(dynamodb):
    """Somebody wrote past us; our own attribute still says that all is well."""
    dynamodb.client.update_item(
        TableName="CustomerOrders",
        Key=PROFILE,
        UpdateExpression="SET TotalSpent = :wrong",
        ExpressionAttributeValues={":wrong": {"N": "1"}},
    )


def harm_stamp(dynamodb):
    dynamodb.client.update_item(
        TableName="CustomerOrders",
        Key=PROFILE,
        UpdateExpression="SET TotalSpent = :wrong, #own.h = :hash",
        ExpressionAttributeNames={"#own": "_tandem"},
        ExpressionAttributeValues={":wrong": {"N": "1"}, ":hash": {"S": "0" * 32}},
    )


def harm_missing(dynamodb):
    dynamodb.client.delete_item(TableName="Playlists", Key=TRACKS)


@pytest.fixture
def synced(deploy, small_source, dynamodb):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    return tandem


@pytest.mark.parametrize("flags", [[], ["--deep"]])
def test_equal_is_done(synced, flags):
    synced.run("verify", *flags).expect(DONE)
    assert isinstance(synced.run("verify", *flags, "--json").expect(DONE).json, dict)


@pytest.mark.parametrize(
    "harm, flags, named",
    [
        (harm_attribute, ["--deep"], "TotalSpent"),
        (harm_stamp, [], "CUSTOMER#2"),
        (harm_stamp, ["--deep"], "TotalSpent"),
        (harm_missing, [], "PLAYLIST#1"),
        (harm_missing, ["--deep"], "TRACKS#2"),
    ],
)
def test_harm_is_found_named_and_mended(synced, small_source, dynamodb, harm, flags, named):
    harm(dynamodb)
    result = synced.run("verify", *flags).expect(DIFFERENCES)
    assert named in result.out, str(result)
    result = synced.run("verify", *flags, "--json").expect(DIFFERENCES)
    assert named in json.dumps(result.json), str(result)
    with pytest.raises(AssertionError):
        oracle.check(small_source, dynamodb)  # verify by itself writes nothing

    synced.run("verify", *flags, "--repair").expect(DIFFERENCES)
    with pytest.raises(AssertionError):
        oracle.check(small_source, dynamodb)  # nor does --repair: it marks
    synced.run_once().expect(DONE)
    oracle.check(small_source, dynamodb)
    synced.run("verify", *flags).expect(DONE)


@pytest.mark.quick
@pytest.mark.parametrize("beside_an_agent", [True, False])
def test_an_item_that_nothing_yields_is_found_and_deleted(
    synced, small_source, dynamodb, beside_an_agent
):
    """With a stamp of ours, and unknown to the ledger: as a state that was lost leaves it."""
    key = {"PK": {"S": "ARTIST#9999"}, "SK": {"S": "METADATA"}}
    ours = dynamodb.client.get_item(TableName="CustomerOrders", Key=PROFILE)["Item"]["_tandem"]
    ours["M"]["n"] = {"S": ours["M"]["n"]["S"].split("/")[0] + "/artist"}
    dynamodb.client.put_item(
        TableName="MusicCatalog", Item={**key, "Name": {"S": "left over"}, "_tandem": ours}
    )
    agent = synced.start() if beside_an_agent else None
    result = synced.run("verify", "--repair").expect(DIFFERENCES)
    assert "ARTIST#9999" in result.out and "surplus" in result.out, str(result)
    if agent:
        eventually(lambda: oracle.check(small_source, dynamodb), 30, "the repair", alive=agent.alive)
        agent.stop()
    else:
        synced.run_once().expect()
        oracle.check(small_source, dynamodb)
    synced.run("verify", "--deep").expect(DONE)


def test_what_capture_missed_is_found(synced, small_source, dynamodb):
    """A change that no trigger saw: the replica believes the old row, verify reads the source."""
    with opened(small_source) as connection:
        names = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'Artist'"
            )
        ]
        saved = [
            connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0]
            for name in names
        ]
        connection.execute("BEGIN")
        for name in names:
            connection.execute(f'DROP TRIGGER "{name}"')
        connection.execute("UPDATE Artist SET Name = 'unseen' WHERE ArtistId = 3")
        for sql in saved:
            connection.execute(sql)
        connection.execute("COMMIT")
    result = synced.run("verify", "--repair").expect(DIFFERENCES)
    assert "Artist (3)" in result.out and "Name" in result.out, str(result)
    synced.run_once().expect()
    oracle.check(small_source, dynamodb)


@pytest.mark.parametrize("beside_an_agent", [True, False])
def test_changes_that_are_on_their_way_are_no_differences(
    synced, small_source, dynamodb, seed, beside_an_agent
):
    agent = synced.start() if beside_an_agent else None
    stop = threading.Event()

    def write():
        application = Application(small_source, seed)
        while not stop.wait(0.03):
            application.burst(1)
        application.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for flags in ([], ["--deep"], []):
            said = synced.run("verify", *flags, "--json").expect(DONE, DIFFERENCES).json
            assert not said["row_differences"] and not said["item_differences"], said
            if agent:  # with one, most things are judged
                assert said["items_expected"] > 300 and said["rows_compared"] > 500, said
                assert said["pending"] < said["items_expected"] / 4, said
    finally:
        stop.set()
        writer.join()
    if agent:
        agent.stop()


def test_an_item_of_a_stranger_is_left_alone(synced, dynamodb):
    """Not ours, not harmed: a target table may hold items that other programs own."""
    key = {"PK": {"S": "SETTINGS"}, "SK": {"S": "THEME"}}
    dynamodb.client.put_item(TableName="Playlists", Item={**key, "Colour": {"S": "red"}})
    synced.run("verify", "--repair")
    synced.run_once().expect()
    assert dynamodb.client.get_item(TableName="Playlists", Key=key)["Item"]["Colour"] == {"S": "red"}

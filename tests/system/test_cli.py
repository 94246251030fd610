"""The command line as a contract: exit statuses, --json, and messages that say what to do."""

import json
import re
import subprocess

import pytest

from database import opened
from deployment import DIFFERENCES, DONE, FAILED, USAGE
from eventually import eventually

LOCAL = """
source: {type: sqlite, path: "${LEGACY_DB}"}
state: "${TANDEM_STATE}"
target:
  type: local
  path: items.db
  tables: {Artists: {key: [PK]}}
documents:
  artist: {table: Artists, root: Artist, item: {PK: "ARTIST#{ArtistId}", $columns: all}}
"""


@pytest.fixture
def local(deploy, small_source):
    return deploy(small_source, config=LOCAL)


def one_line(result):
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert len(lines) == 1, str(result)
    return lines[0]


def test_help_is_done(binary):
    answer = subprocess.run([binary, "--help"], capture_output=True, text=True, timeout=20)
    assert answer.returncode == DONE
    for command in (
        "demo check init run status verify explain snapshot snapshot-state replay log dead-letters reset".split()
    ):
        assert re.search(rf"\b{command}\b", answer.stdout), command


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["run", "--twice"],
        ["explain"],
        ["replay", "--from", "yesterday"],
        ["run", "--role", "king"],
        [],
    ],
)
def test_wrong_usage_is_2(local, arguments):
    result = local.run(*arguments)
    assert result.status == USAGE, str(result)
    assert result.err.strip() or result.out.strip()


def test_a_missing_config_is_2(local):
    local.config = local.directory / "not-there.yaml"
    result = local.run("check").expect(USAGE)
    assert "not-there.yaml" in result.err


@pytest.mark.quick
def test_each_command_on_a_synced_database(local, small_source):
    assert "init" in local.run("check").expect(DONE, FAILED).out
    local.sync()
    local.run("check").expect(DONE)
    assert "artist: 25 items" in local.run("status").expect(DONE).out
    assert isinstance(local.run("status", "--json").expect(DONE).json, dict)
    local.run("verify").expect(DONE)
    assert "AC/DC" in local.run("explain", "Artist", "1").expect(DONE).out
    assert local.run("log", "show").expect(DONE).out
    for line in local.run("log", "show", "--table", "Artist", "--key", "1", "--json").expect(DONE).out.splitlines():
        json.loads(line)
    local.run("dead-letters", "list").expect(DONE)
    local.run("snapshot", "Artist").expect(DONE)
    local.run("run", "--once").expect(DONE)
    local.run("replay", "--from", "beginning").expect(DONE)
    local.run("run", "--once").expect(DONE)
    local.run("verify", "--deep").expect(DONE)


def test_unknown_tables_are_refused_by_name(local):
    local.sync()
    assert "Artst" in local.run("snapshot", "Artst").expect(FAILED, USAGE).err
    assert "Artst" in local.run("explain", "Artst", "1").expect(FAILED, USAGE).err


def test_run_without_init_says_so(local):
    result = local.run("run", "--once").expect(FAILED)
    assert "init" in one_line(result)


def test_reset_needs_confirm_and_keeps_the_target(local):
    local.sync()
    local.run("reset").expect(FAILED, USAGE)
    assert local.state.exists()
    local.run("reset", "--confirm").expect(DONE)
    with opened(local.directory / "items.db") as target:
        tables = [row[0] for row in target.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert tables
    local.sync()
    local.run("verify", "--deep").expect(DONE)


def test_init_beside_a_running_agent(local):
    local.init()
    agent = local.start()
    eventually(lambda: (local.state / "status.json").exists(), 20, "it runs", alive=agent.alive)
    local.run("init").expect(DONE)
    agent.alive()
    agent.stop()


def test_a_second_agent_on_the_same_state_is_refused(local):
    local.sync()
    agent = local.start()
    eventually(lambda: local.run("status").status == DONE, 20, "it runs", alive=agent.alive)
    result = local.run("run", "--once").expect(FAILED)
    assert str(local.state) in result.err or "running" in result.err, str(result)
    agent.alive()
    agent.stop()


def test_stop_on_sigterm_is_clean_and_quick(local, small_source):
    local.init()
    agent = local.start()
    eventually(lambda: (local.state / "status.json").exists(), 20, "it runs", alive=agent.alive)
    agent.stop(seconds=5)
    local.run_once().expect(DONE)


def test_init_writes_a_first_config_that_runs(deploy, small_source):
    tandem = deploy(small_source)
    tandem.config = tandem.directory / "tandem.yaml"
    tandem.run("init", "--source", str(small_source)).expect(DONE)
    assert tandem.config.exists()
    tandem.init()
    tandem.run("check").expect(DONE)
    tandem.run_once().expect(DONE)
    tandem.run("verify", "--deep").expect(DONE)


def test_logs_go_to_stderr_and_can_be_json(local):
    result = local.run("--log-format", "json", "init").expect(DONE)
    for line in result.err.splitlines():
        json.loads(line)


def test_documents_no_longer_declared_stay_unless_pruned(local):
    local.sync()
    text = local.config.read_text().replace("artist: {", "singer: {")
    local.config.write_text(text)
    assert local.run("run", "--once").status in (DONE, DIFFERENCES)
    local.run("run", "--once", "--prune").expect(DONE)
    local.run("verify", "--deep").expect(DONE)


def test_items_of_documents_no_longer_declared_are_no_differences(local, small_source):
    declared = local.config.read_text()
    local.config.write_text(
        declared + '  genre: {table: Artists, root: Genre, item: {PK: "GENRE#{GenreId}"}}\n'
    )
    local.sync()
    with opened(small_source) as connection:
        genres = connection.execute("SELECT count(*) FROM Genre").fetchone()[0]
    local.config.write_text(declared)
    local.run_once().expect(DONE)
    result = local.run("verify", "--deep").expect(DONE)
    assert f"{genres} items" in result.out and "run --prune" in result.out, str(result)
    said = local.run("verify", "--repair", "--json").expect(DONE).json
    assert said["equal"] and said["undeclared_items"] == genres, said
    local.run("run", "--once", "--prune").expect(DONE)
    assert local.run("verify", "--json").expect(DONE).json["undeclared_items"] == 0


WORDS = """
source: {type: sqlite, path: "${LEGACY_DB}"}
state: "${TANDEM_STATE}"
target: {type: local, path: items.db, tables: {Rows: {key: [PK]}}}
documents:
  word: {table: Rows, root: Word, item: {PK: "{T}"}}
"""


@pytest.fixture
def words(deploy, tmp_path):
    """Each row is a dead letter, since its item's key is null."""
    path = tmp_path / "words.db"
    with opened(path) as connection:
        connection.execute("CREATE TABLE Word (W TEXT PRIMARY KEY, T TEXT)")
        connection.executemany("INSERT INTO Word VALUES (?, NULL)", [("7",), ("foo 7",), ("(7)",)])
    tandem = deploy(path, config=WORDS)
    tandem.init()
    tandem.run_once().expect(DIFFERENCES)
    return tandem


def letters(tandem):
    result = tandem.run("dead-letters", "list", "--json").expect(DONE, DIFFERENCES)
    return sorted(letter["row"] for letter in result.json)


def test_one_dead_letter_is_named_by_its_key(words):
    assert letters(words) == ["Word '(7)'", "Word '7'", "Word 'foo 7'"]
    listed = words.run("dead-letters", "list", "word", "7", "--json").expect(DIFFERENCES)
    assert [letter["row"] for letter in listed.json] == ["Word '7'"]
    words.run("dead-letters", "drop", "word", "oo 7").expect(DONE)
    words.run("dead-letters", "drop", "word", "7").expect(DONE)
    words.run_once().expect(DIFFERENCES)
    assert letters(words) == ["Word '(7)'", "Word 'foo 7'"]
    words.run("dead-letters", "drop", "word", "'foo 7'").expect(DONE)  # as the listing shows it
    words.run_once().expect(DIFFERENCES)
    assert letters(words) == ["Word '(7)'"]
    words.run("dead-letters", "drop").expect(DONE)
    words.run_once().expect(DONE)
    assert letters(words) == []

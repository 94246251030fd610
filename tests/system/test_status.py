"""status: level only when nothing is left to do; and no reason to stop when it can't be told."""

import signal

import failpoints
import oracle_chinook as oracle
from deployment import DONE
from eventually import eventually


def level(tandem):
    return tandem.run("status", "--json").expect(DONE).json["in_sync"]


def test_a_first_load_cut_off_is_not_level(deploy, small_source, dynamodb, debug_binary):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint, use=debug_binary)
    tandem.init()
    armed = failpoints.armed("dynamodb.send.after", "kill", 2)
    assert tandem.run("run", "--once", environment=armed).status == -signal.SIGKILL
    assert not level(tandem)
    assert "on its way" in tandem.run("status").expect(DONE).out
    tandem.run_once().expect(DONE)
    assert level(tandem)


def test_a_status_that_cannot_be_written_stops_nothing(deploy, small_source, dynamodb):
    tandem = deploy(small_source, endpoint=dynamodb.endpoint)
    tandem.sync()
    (tandem.state / "status.json.new").mkdir()
    agent = tandem.start()
    agent.wait_for_line("status.json")
    tandem.run("snapshot", "Track").expect(DONE)  # and requests are still taken
    eventually(lambda: oracle.check(small_source, dynamodb), 30, "it syncs", alive=agent.alive)
    (tandem.state / "status.json.new").rmdir()
    eventually(lambda: level(tandem), 30, "it is level", alive=agent.alive)
    agent.stop()

"""Two agents, one source: the older one is stopped, the newer takes over, the older goes on.

Nothing may go backwards, nothing may be lost, and in the end the target is what the source says. An
agent that finds out that it was fenced ends with one clear message.
"""

import threading

import pytest

import failpoints
import oracle_chinook as oracle
import ways
from deployment import CHINOOK_CONFIG, DONE, FAILED
from eventually import eventually
from local_items import LocalItems, chinook_config
from proxy import WRITES
from reader import SamplingReader
from workload_chinook import Application

# Stopped here it holds the source's write lock: nobody can take over, and nobody can write either.
LOCKED = ("capture.prune.before", "capture.source.commit.before")

# Of commands that need no source of their own: they end well whoever owns it.
NO_RUN = ("dynamodb.create.", "inbox.put.")


def settled(source, target, agent, what):
    eventually(lambda: oracle.check(source, target), 150, what, pause=0.1, alive=agent.alive)


def expect_fenced(zombie):
    assert zombie.wait(60) == FAILED, zombie.output()
    assert "another agent has taken over" in zombie.output(), zombie.output()


def wait_until_stopped(zombie):
    eventually(lambda: zombie.state() == "T", 60, "it stops at the point", alive=zombie.alive)


def there(application):
    """Changes that a stale write would show, once they are taken back. Returns how to."""
    names = application.sql("SELECT ArtistId, Name FROM Artist").fetchall()
    artist = application.fresh("Artist", "ArtistId")
    application.sql("UPDATE Artist SET Name = 'elsewhere'")
    application.sql("INSERT INTO Artist (ArtistId, Name) VALUES (?, 'passing through')", artist)

    def back():
        application.sql("PRAGMA foreign_keys = OFF")
        application.sql("DELETE FROM Artist WHERE ArtistId = ?", artist)
        for key, name in names:
            application.sql("UPDATE Artist SET Name = ? WHERE ArtistId = ?", name, key)

    return back


def test_a_paused_agent_that_goes_on_is_fenced(deploy, small_source, dynamodb, seed):
    first = deploy(small_source, endpoint=dynamodb.endpoint)
    first.init()
    application = Application(small_source, seed)
    with SamplingReader(dynamodb):
        zombie = first.start()
        application.burst(40)
        settled(small_source, dynamodb, zombie, "the first agent")
        application.burst(40)
        zombie.pause()  # probably with something on its way
        application.burst(40)

        second = first.beside("second")
        second.init()
        living = second.start()
        application.burst(40)
        settled(small_source, dynamodb, living, "the second agent")

        zombie.resume()
        application.burst(40)
        expect_fenced(zombie)
        application.burst(40)
        settled(small_source, dynamodb, living, "after the first has gone")
        living.stop()
    oracle.check(small_source, dynamodb)
    application.close()


@pytest.fixture
def first(tandem):
    return tandem


@pytest.mark.parametrize("point", [point for point in failpoints.names() if point not in LOCKED])
def test_stopped_at(first, target, small_source, seed, point):
    """Stopped exactly at a failpoint, the worst ones between a decision and its send."""
    application = Application(small_source, seed)
    with SamplingReader(target, pause=0.2):
        arguments = ways.past(point)(first, application)
        back = there(application)
        zombie = first.start(*arguments, environment=failpoints.armed(point, "stop"))
        wait_until_stopped(zombie)
        back()
        application.burst(15)
        second = first.beside("second")
        second.sync()
        oracle.check(small_source, target)
        zombie.resume()
        if arguments == ["run"]:
            expect_fenced(zombie)
        elif point.startswith(NO_RUN):
            assert zombie.wait(60) == DONE, zombie.output()
        elif zombie.wait(60) != DONE:
            expect_fenced(zombie)
        application.burst(15)
        second.run_once().expect()
        oracle.check(small_source, target)
    application.close()


@pytest.mark.parametrize("point", LOCKED)
def test_stopped_with_the_source_locked(first, target, small_source, seed, point):
    application = Application(small_source, seed)
    arguments = ways.past(point)(first, application)
    zombie = first.start(*arguments, environment=failpoints.armed(point, "stop"))
    wait_until_stopped(zombie)
    zombie.resume()
    if arguments == ["run"]:
        settled(small_source, target, zombie, "it goes on")
        zombie.stop()
    else:
        assert zombie.wait(60) == DONE, zombie.output()
    application.burst(15)
    first.beside("second").sync()
    oracle.check(small_source, target)
    application.close()


@pytest.mark.parametrize("point", ["dynamodb.send.before", "dynamodb.send.after", "reconciler.submit.before"])
def test_a_zombie_of_the_first_load(first, target, small_source, seed, point):
    """First loads may be written unconditionally: not once another agent has taken over."""
    application = Application(small_source, seed)
    first.init()
    zombie = first.start("run", "--once", environment=failpoints.armed(point, "stop"))
    wait_until_stopped(zombie)
    application.burst(30)
    second = first.beside("second")
    second.sync()
    oracle.check(small_source, target)
    with SamplingReader(target):
        zombie.resume()
        expect_fenced(zombie)
        application.burst(30)
        second.run_once().expect()
        oracle.check(small_source, target)
    application.close()


class Held:
    """Holds every write that comes to a proxy until let_go()."""

    def __init__(self, proxy):
        self.waiting = threading.Semaphore(0)
        self.free = threading.Event()
        proxy.hold = self.hold

    def hold(self, operation):
        if operation in WRITES:
            self.waiting.release()
            assert self.free.wait(60)

    def let_go(self):
        self.free.set()


@pytest.mark.parametrize("living", [True, False], ids=["a running successor", "a successor between runs"])
def test_a_write_that_arrives_late(deploy, small_source, dynamodb, proxy, seed, living):
    """Sent by the owner, held up by the network, taken by the target after another one took over."""
    first = deploy(small_source, endpoint=proxy.endpoint)
    first.sync()
    application = Application(small_source, seed)
    held = Held(proxy)
    back = there(application)
    late = first.start("run")
    assert held.waiting.acquire(timeout=30), late.output()
    back()
    second = first.beside("second", endpoint=dynamodb.endpoint)
    second.sync()
    oracle.check(small_source, dynamodb)
    agent = second.start() if living else None
    held.let_go()
    expect_fenced(late)
    if agent:
        eventually(lambda: oracle.check(small_source, dynamodb), 150, "it is mended", alive=agent.alive)
        agent.stop()
    else:
        second.run_once().expect()
        oracle.check(small_source, dynamodb)
    application.close()


@pytest.mark.parametrize("point", ["reconciler.submit.before", "reconciler.submit.after"])
def test_the_first_agent_takes_over_again(first, target, small_source, seed, point):
    """Killed with items on their way, which a second one then writes; when that one has stopped, the
    first is the rightful owner once more."""
    first.sync()
    application = Application(small_source, seed)
    with SamplingReader(target):
        application.sql("UPDATE Artist SET Name = Name || ' (of the first)'")
        first.start("run", environment=failpoints.armed(point)).wait(60)
        application.sql("UPDATE Artist SET Name = Name || ' (of the second)'")
        application.burst(15)
        second = first.beside("second")
        second.sync()
        oracle.check(small_source, target)
        for agent in (first, second, first):
            application.burst(15)
            agent.run_once().expect()
            oracle.check(small_source, target)
    application.close()

"""For each failpoint a way past it: a command that comes by, once all before it has been prepared.

A way takes a fresh deployment and an application on its source, runs what has to come first, and
returns the arguments of the command. Most points lie on the way of any sync; each of the others is
named here, so that a new one that no sync passes fails its tests until it has a way.
"""


def init(tandem, application):
    return ["init"]


def first_sync(tandem, application):
    tandem.init()
    return ["run", "--once"]


def sync(tandem, application):
    tandem.sync()
    application.burst(15)
    return ["run", "--once"]


def request(tandem, application):
    tandem.sync()
    return ["snapshot", "Track"]


def requested(tandem, application):
    tandem.run(*request(tandem, application)).expect()
    return ["run", "--once"]


def many_changes(tandem, application):
    """More rows in the trigger log than one step of pruning takes: it does not wait then."""
    tandem.sync()
    application.sql("BEGIN")
    for _ in range(16):
        application.sql("UPDATE Track SET Milliseconds = Milliseconds + 1")
    application.sql("COMMIT")
    return ["run"]


_OTHERS = {
    "capture.chunk.": first_sync,
    "capture.prune.": many_changes,
    "dynamodb.create.": init,
    "inbox.put.": request,
    "inbox.remove.": requested,
    "reconciler.rebuild.": first_sync,
}


def past(point):
    return next((way for prefix, way in _OTHERS.items() if point.startswith(prefix)), sync)


def config_of(point, text):
    """The config with which the way comes by: the log keeps nothing that nobody needs."""
    if not point.startswith("log.prune."):
        return text
    before = "log:\n  type: embedded\n"
    assert before in text, "config/chinook.yaml has no log as we know it"
    return text.replace(before, before + "  retention: {size: 1KB}\n")

"""What a measurement needs around it: a source database, a config, the agent and its endpoint."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
TICKS = os.sysconf("SC_CLK_TCK")

COLUMNS = ("id", "name", "email", "status", "balance", "version", "created_at", "updated_at",
           "notes", "active")
SCHEMA = ("CREATE TABLE Account(id INTEGER PRIMARY KEY, name TEXT, email TEXT, status TEXT, "
          "balance DECIMAL(10,2), version INTEGER, created_at TEXT, updated_at TEXT, notes TEXT, "
          "active INTEGER)")
# In SQL, so that making a million rows takes seconds; some 320 bytes a row.
ROWS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO Account SELECT i, printf('Customer Name %08d', i),
  printf('customer%08d@example.invalid', i), iif(i % 2, 'active', 'closed'),
  i * 37 % 1000000 / 100.0, i % 1000, printf('2024-01-02 03:04:05.%06d', i % 1000000),
  printf('2024-05-06 07:08:09.%06d', i % 1000000),
  printf('lorem ipsum dolor sit amet %d lorem ipsum dolor sit amet %d lorem ipsum dolor sit amet %d '
         || 'lorem ipsum dolor sit amet %d ', i, i, i, i), i % 2 FROM n
"""
ENVIRONMENT = {**os.environ, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


def make_source(path, rows):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(SCHEMA)
    database.execute("BEGIN")
    database.execute(ROWS, (rows,))
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def sqlite_rates(path, rows, scratch):
    """What SQLite itself does with these rows: a scan of every column, and upserts in the order of
    the keys, in transactions of 10,000. All of it inside SQLite, none of it in Python."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("ATTACH ? AS copy", (str(scratch),))
    database.execute("PRAGMA copy.journal_mode = WAL")
    database.execute("PRAGMA copy.synchronous = NORMAL")
    database.execute("PRAGMA copy.cache_size = -262144")
    database.execute(SCHEMA.replace("Account", "copy.Account", 1))
    start = time.monotonic()
    every = ", ".join(f"max({column})" for column in COLUMNS)
    database.execute(f"SELECT {every} FROM main.Account").fetchall()
    scan = rows / (time.monotonic() - start)
    update = ", ".join(f"{c} = excluded.{c}" for c in COLUMNS[1:])
    start = time.monotonic()
    for after in range(0, rows, 10_000):
        database.execute(
            "INSERT INTO copy.Account SELECT * FROM main.Account WHERE id > ? AND id <= ? "
            "ON CONFLICT(id) DO UPDATE SET " + update, (after, after + 10_000))
    upsert = rows / (time.monotonic() - start)
    database.close()
    return scan, upsert


def write_config(folder, target, source=None, root="Account", log=None):
    """A pipeline of one flat document over `root`; all of these are the config's own sections."""
    config = {
        "source": source or {"type": "sqlite", "path": str(folder / "source.db")},
        "state": str(folder / "state"),
        "target": {**target, "tables": {"Accounts": {"key": ["PK"]}}},
        "documents": {"account": {"table": "Accounts", "root": root,
                                  "item": {"PK": "ACCOUNT#{id}", "$columns": "all"}}},
    }
    if log:
        config["log"] = log
    path = folder / "bench.yaml"
    path.write_text(json.dumps(config, indent=1))
    return path


@dataclass
class Run:
    """A command that ran to its end: what it printed, and what it took."""

    output: str
    seconds: float
    cpu: float  # seconds, user and system
    busiest: float  # CPU seconds of its busiest thread: what bounds the pipeline on free cores
    memory: float  # the highest, in MiB


def tandem(config, *arguments):
    return watched(BUILD / "tandem", "-c", config, *arguments)


def watched(*command):
    """Runs a command to its end and says what it took."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.monotonic()
        process = subprocess.Popen([str(word) for word in command], env=ENVIRONMENT, stdout=output,
                                   stderr=errors, text=True)
        watch = Watch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        watch.end()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            words = " ".join([Path(command[0]).name, *map(str, command[1:])])
            raise SystemExit(f"`{words}` failed with {process.returncode}: {errors.read()}")
        return Run(output.read(), seconds, usage.ru_utime + usage.ru_stime,
                   max(watch.threads.values(), default=0), watch.memory)


class Watch:
    """Looks at a process now and then, seldom enough to take no part of the machine from it. The
    highest memory is read there, for ru_maxrss counts what this process has as well."""

    EVERY = 0.05

    def __init__(self, pid):
        self.threads, self.memory = {}, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(pid,))
        self._thread.start()

    def _run(self, pid):
        while not self._ended.wait(self.EVERY):
            self.threads.update(cpu_of_threads(pid))
            self.memory = max(self.memory, highest_memory(pid))

    def end(self):
        self._ended.set()
        self._thread.join()


def cpu_of_threads(pid):
    """CPU seconds so far of each thread that is alive, by its number."""
    seconds = {}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            seconds[task.name] = cpu_in(task / "stat")
        except OSError:  # it has ended
            continue
    return seconds


def cpu_of(pid):
    return cpu_in(Path(f"/proc/{pid}/stat"))


def cpu_in(stat):
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(pid, field):
    """VmRSS (now) or VmHWM (the highest so far), in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"/proc/{pid}/status has no {field}")


def highest_memory(pid):
    try:
        return memory_of(pid, "VmHWM")
    except (OSError, SystemExit):  # it is ending
        return 0


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


class NullEndpoint:
    """A DynamoDB that answers and keeps nothing, in a process of its own."""

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen([BUILD / "bench_null_endpoint", str(self.port)],
                                        stdout=subprocess.PIPE, text=True)
        wait_until(self._answers, "the null endpoint does not listen")
        return self

    def _answers(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def cpu(self):
        return cpu_of(self.process.pid)

    def counters(self):
        """What it has seen so far: requests, writes, bytes."""
        self.process.send_signal(signal.SIGUSR1)
        line = self.process.stdout.readline()
        return {name: float(value) for name, value in (word.split("=") for word in line.split())}

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()


class Beside:
    """A program beside the measurement; it is killed at the end of the block."""

    def __init__(self, *command):
        self.command = [str(word) for word in command]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Agent:
    """`tandem run` beside the measurement, until the block ends."""

    def __init__(self, config):
        self.config = config

    def __enter__(self):
        self.process = subprocess.Popen([BUILD / "tandem", "-c", self.config, "run"],
                                        env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        status = Path(json.loads(self.config.read_text())["state"]) / "status.json"
        wait_until(lambda: status.exists() and json.loads(status.read_text()).get("in_sync"),
                   "the agent is not in sync")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        _, errors = self.process.communicate(timeout=30)
        if self.process.returncode != 0:
            raise SystemExit(f"`tandem run` ended with {self.process.returncode}: {errors}")

"""PostgreSQL servers of the tests' own: real ones, on free ports, in temporary directories.

A server is copied from a template that has been initialised once and holds Chinook already, so that
a test may have one for itself and kill it. Most tests take a database of a shared server instead.
PostgreSQL refuses to run as root; there, servers run as the user `postgres`.
"""

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile

import psycopg
from psycopg import sql

import chinook
from child import free_port, start_child
from eventually import eventually

SETTINGS = {
    "wal_level": "logical",
    "max_replication_slots": 20,
    "max_wal_senders": 20,
    "max_prepared_transactions": 20,
    "max_connections": 100,
    "fsync": "off",  # what these tests kill are processes, not machines
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "1s",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
    "restart_after_crash": "on",
}

# What Debian installs the binaries as, newest first.
_DEBIAN = pathlib.Path("/usr/lib/postgresql")


def binaries():
    """The folder of initdb and postgres; None if there is no server here."""
    named = os.environ.get("TANDEM_POSTGRES_BIN")
    if named:
        return pathlib.Path(named)
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def archives():
    """{"17": archive} of the other versions that ./dev has fetched."""
    folder = os.environ.get("TANDEM_POSTGRES_ARCHIVES")
    if not folder:
        return {}
    pattern = re.compile(r"-(\d+)\.\d+\.\d+\.jar$")
    found = {pattern.search(path.name): path for path in pathlib.Path(folder).glob("*.jar")}
    return {match[1]: path for match, path in found.items() if match}


def _user():
    """How subprocess starts a server: root can't, so it becomes `postgres`."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _own(path):
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)
    return path


def unpacked(archive, folder):
    """The binaries of an archive of ./dev's, for any user to run."""
    with zipfile.ZipFile(archive) as jar:
        (name,) = [name for name in jar.namelist() if name.endswith(".txz")]
        jar.extract(name, folder)
    subprocess.run(["tar", "xJf", name], cwd=folder, check=True)
    return pathlib.Path(folder) / "bin"


class Installation:
    """One version's binaries and a data directory that servers are copied from."""

    def __init__(self, binaries):
        self.binaries = binaries
        # Not pytest's folder: it lets no other user in.
        self.folder = pathlib.Path(_own(tempfile.mkdtemp(prefix="tandem-postgres-")))
        self.template = self.folder / "template"
        initdb = [binaries / "initdb", "-D", self.template, "-U", "postgres", "-A", "trust"]
        done = subprocess.run(
            [*map(str, initdb), "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            **_user(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self._made = 0
        with self.server(data=self.template) as server:
            self.version = server.version
            if chinook.find_postgres() is not None:
                server.create("chinook")
                server.execute(chinook.postgres_script(), database="chinook")
                server.create("small_chinook", template="chinook")
                server.execute(chinook.POSTGRES_SMALL, database="small_chinook")

    def server(self, data=None, **settings):
        """A running server; by default on a copy of the template."""
        self._made += 1
        if data is None:
            data = self.folder / f"data-{self._made}"
            subprocess.run(["cp", "-a", str(self.template), str(data)], check=True)
        return PostgresServer(self.binaries, data, settings).start()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresServer:
    """Its port stays the same over restarts, so that an agent finds it again."""

    def __init__(self, binaries, data, settings):
        self.binaries, self.data = binaries, pathlib.Path(data)
        self.settings = SETTINGS | settings
        self.port = free_port()
        self.process = None
        self.log = self.data.with_name(self.data.name + ".log")
        self.rules = []  # lines of pg_hba.conf that come before "anybody may"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- the process ---------------------------------------------------------------------------

    def start(self, **settings):
        """Starts it, with further settings that stay, and returns once it takes connections."""
        self.settings |= settings
        fixed = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            # A socket's path is limited to some hundred bytes.
            "unix_socket_directories": self.data if len(str(self.data)) < 80 else "",
        }
        text = "".join(f"{name} = '{value}'\n" for name, value in (self.settings | fixed).items())
        (self.data / "postgresql.auto.conf").write_text(text)
        everybody = [
            f"{origin} trust"
            for who in ("all", "replication")
            for origin in (f"host {who} all 127.0.0.1/32", f"local {who} all")
        ]
        (self.data / "pg_hba.conf").write_text("\n".join(self.rules + everybody) + "\n")
        with open(self.log, "ab") as log:
            self.process = start_child(
                [self.binaries / "postgres", "-D", self.data],
                cwd=self.data,
                env={"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "")},
                stdout=log,
                stderr=subprocess.STDOUT,
                **_user(),
            )
        eventually(self._answers, 60, "PostgreSQL answers", alive=self._alive)
        return self

    def _answers(self):
        try:
            with self.connect() as connection:
                self.version = connection.info.server_version // 10000
            return True
        except psycopg.OperationalError:
            return False

    def _alive(self):
        if self.process.poll() is not None:
            raise RuntimeError("PostgreSQL ended: " + self.log.read_text(errors="replace")[-4000:])

    def stop(self, how=signal.SIGINT, seconds=30):
        """SIGINT: sessions are ended; SIGTERM waits for them; SIGQUIT doesn't shut down cleanly."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """kill -9 of the server and all its processes."""
        processes = [self.process.pid, *_children(self.process.pid)]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        eventually(lambda: not any(map(_runs, processes)), 30, "all processes of the server are gone")

    @contextlib.contextmanager
    def standing_still(self):
        """No process of the server does anything within the block."""
        stopped = []

        def stop(*processes):
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGSTOP)
                    stopped.append(process)
            eventually(lambda: all(_state(process) in "TZ" for process in processes), 30, "the processes stand still")

        try:
            stop(self.process.pid)  # first, so that no child is added
            stop(*_children(self.process.pid))
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def restart(self, how=signal.SIGINT, **settings):
        self.stop(how)
        return self.start(**settings)

    def reload(self, **settings):
        """Settings that need no restart."""
        for name, value in settings.items():
            self.settings[name] = value
            self.execute(
                sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(str(value)))
            )
        self.execute("SELECT pg_reload_conf()")

    def kill_walsender(self, timeout=30):
        """kill -9 of a walsender: the server goes through crash recovery. False if there is none."""
        with contextlib.closing(self.connect()) as witness:
            pids = witness.execute(
                "SELECT active_pid FROM pg_replication_slots WHERE active_pid IS NOT NULL"
            ).fetchall()
            for (pid,) in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if pids:  # the server ends all sessions before it recovers, this one too
                eventually(lambda: _is_cut(witness), timeout, "PostgreSQL ends its sessions")
        eventually(self._answers, timeout, "PostgreSQL is back from recovery", alive=self._alive)
        return bool(pids)

    # ---- sessions ------------------------------------------------------------------------------

    def url(self, database="postgres", user="postgres", password="", port=None, **options):
        secret = f":{password}" if password else ""
        tail = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{user}{secret}@127.0.0.1:{port or self.port}/{database}" + ("?" + tail if tail else "")

    def socket_url(self, database="postgres", user="postgres"):
        """The same by the server's Unix socket."""
        return f"postgresql:///{database}?host={self.data}&port={self.port}&user={user}"

    def connect(self, database="postgres", autocommit=True, **options):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, autocommit=autocommit,
            **{"user": "postgres", "connect_timeout": 10, **options},
        )

    def execute(self, statement, *parameters, database="postgres"):
        with self.connect(database) as connection:
            connection.execute(statement, parameters or None)

    def query(self, statement, *parameters, database="postgres"):
        with self.connect(database) as connection:
            return connection.execute(statement, parameters or None).fetchall()

    # ---- databases -----------------------------------------------------------------------------

    def create(self, name, template="template0"):
        """A database, empty or as a copy; nobody may be connected to the template."""
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.execute(made.format(sql.Identifier(name), sql.Identifier(template)))
        return PostgresDatabase(self, name)

    def has(self, name):
        return bool(self.query("SELECT 1 FROM pg_database WHERE datname = %s", name))

    def drop(self, name):
        """With its slots and sessions."""

        def dropped():
            for (slot,) in self.query("SELECT slot_name FROM pg_replication_slots WHERE database = %s", name):
                self.drop_slot(slot)
            self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            return True

        eventually(lambda: _quietly(dropped), 20, f"database {name} is dropped")

    def drop_slot(self, slot):
        self.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                     " WHERE slot_name = %s AND active_pid IS NOT NULL", slot)
        self.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                     " WHERE slot_name = %s", slot)

    def slots(self):
        """{name: row as a dictionary}"""
        with self.connect() as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            return {row["slot_name"]: row for row in cursor.execute("SELECT * FROM pg_replication_slots")}


class PostgresDatabase:
    """One database of a server, which is what a Deployment takes for its source."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def __str__(self):
        return self.url

    @property
    def url(self):
        return self.server.url(self.name)

    def connect(self, **options):
        return self.server.connect(self.name, **options)

    def execute(self, statement, *parameters):
        self.server.execute(statement, *parameters, database=self.name)

    def query(self, statement, *parameters):
        return self.server.query(statement, *parameters, database=self.name)

    def value(self, statement, *parameters):
        return self.query(statement, *parameters)[0][0]

    def slot(self):
        """Its one slot as a dictionary; None if it has none."""
        found = [slot for slot in self.server.slots().values() if slot["database"] == self.name]
        assert len(found) <= 1, found
        return found[0] if found else None


def _quietly(action):
    """False where the server refuses: whoever is in the way may be gone the next time."""
    try:
        return action()
    except psycopg.Error:
        return False


def _is_cut(connection):
    try:
        connection.execute("SELECT 1")
        return False
    except psycopg.OperationalError:
        return True


def _children(pid):
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(child) for child in listing.stdout.split()]


def _state(pid):
    """As the kernel tells it: T when it is stopped, Z when it has ended or is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "Z"
    return stat.rpartition(")")[2].split()[0]


def _runs(pid):
    return _state(pid) != "Z"

"""One Tandem as a person would run it: a config, a source, a state directory, an environment."""

import json
import os
import pathlib
import signal
import subprocess
import time

from child import start_child
from eventually import eventually

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CHINOOK_CONFIG = REPOSITORY / "config" / "chinook.yaml"

DONE, FAILED, USAGE, DIFFERENCES = 0, 1, 2, 3

# Of DynamoDB Local, which takes any.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tandem", "AWS_SECRET_ACCESS_KEY": "tandem"}


class Result:
    """What one command came to."""

    def __init__(self, arguments, status, out, err):
        self.arguments, self.status, self.out, self.err = arguments, status, out, err

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return (
            f"tandem {' '.join(map(str, self.arguments))} ended with {self.status}\n"
            f"--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-8000:]}"
        )

    def expect(self, *statuses):
        assert self.status in (statuses or (DONE,)), str(self)
        return self


class Running:
    """A Tandem that runs beside the test."""

    def __init__(self, process, log, arguments):
        self.process, self.log, self.arguments = process, log, arguments

    @property
    def pid(self):
        return self.process.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def alive(self):
        """Raises if it has ended by itself."""
        status = self.process.poll()
        if status is not None:
            raise AssertionError(f"tandem ended with {status}:\n{self.output()[-8000:]}")

    def wait(self, seconds):
        """The exit status; negative for a signal."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"tandem still runs after {seconds} s:\n{self.output()[-8000:]}"
            ) from None

    def wait_for_line(self, text, seconds=30):
        eventually(lambda: text in self.output(), seconds, f"the line {text!r}", alive=self.alive)

    def stop(self, seconds=5):
        """A clean stop, which must take no longer than the 5 s that are promised."""
        if self.process.poll() is not None:
            return self.process.returncode
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds * 4)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"no stop on SIGTERM:\n{self.output()[-8000:]}") from None
        took = time.monotonic() - began
        assert took <= seconds, f"the stop took {took:.1f} s:\n{self.output()[-8000:]}"
        assert status == DONE, f"a stop on SIGTERM ended with {status}:\n{self.output()[-8000:]}"
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        return self.process.wait()

    def state(self):
        """The state of the process as the kernel tells it: "T" when it is stopped."""
        try:
            stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        except FileNotFoundError:
            return None
        return stat.rpartition(")")[2].split()[0]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


class Deployment:
    def __init__(self, binary, directory, config, source, endpoint="", environment=None):
        self.binary = pathlib.Path(binary)
        self.directory = pathlib.Path(directory)
        self.config = pathlib.Path(config)
        self.source = source
        self.state = self.directory / "state"
        url = getattr(source, "url", None)  # of a PostgresDatabase; a path has none
        self.environment = {
            "DATABASE_URL" if url else "LEGACY_DB": url or str(source),
            "DYNAMODB_ENDPOINT": endpoint,
            "TANDEM_STATE": str(self.state),
            "ITEMS": str(self.directory / "items.db"),
            **CREDENTIALS,
            **(environment or {}),
        }
        self.running = []
        self._log_number = 0

    def beside(self, name, **changes):
        """Another deployment of the same config and source, with a state directory of its own."""
        directory = self.directory / name
        directory.mkdir()
        other = Deployment(
            changes.get("binary", self.binary), directory, self.config, self.source
        )
        other.environment = {**self.environment, "TANDEM_STATE": str(other.state)}
        if "endpoint" in changes:
            other.environment["DYNAMODB_ENDPOINT"] = changes["endpoint"]
        other.running = self.running
        return other

    def _environment(self, extra):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        kept |= {n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")}
        return {**kept, "LC_ALL": "C.UTF-8", **self.environment, **(extra or {})}

    def run(self, *arguments, environment=None, seconds=120):
        """Runs one command to its end. A command that hangs is a failure."""
        process = start_child(
            [self.binary, "-c", self.config, *arguments],
            cwd=self.directory,
            env=self._environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(
                f"no end within {seconds} s: {Result(arguments, 'SIGKILL', out, err)}"
            ) from None
        return Result(arguments, process.returncode, out, err)

    def init(self, **options):
        return self.run("init", **options).expect()

    def run_once(self, **options):
        return self.run("run", "--once", **options)

    def sync(self):
        """init, then everything that is committed, into the target."""
        self.init()
        return self.run_once().expect()

    def start(self, *arguments, environment=None, until_owned=True):
        """Starts `run` (or the command given), and returns once it owns the state directory.

        It looks at the source before; a test that locks the source doesn't wait for it.
        """
        self._log_number += 1
        log = self.directory / f"tandem-{self._log_number}.log"
        arguments = arguments or ("run",)
        with open(log, "wb") as file:
            process = start_child(
                [self.binary, "-c", self.config, *arguments],
                cwd=self.directory,
                env=self._environment(environment),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        running = Running(process, log, arguments)
        self.running.append(running)
        if arguments[0] == "run" and until_owned:
            self._wait_until_owned_by(running)
        return running

    def _wait_until_owned_by(self, running):
        """Until the agent owns its state directory: a command that the test runs beside it must
        find it there, not take its place. It may also have ended, or stand still at a failpoint.
        """
        lock = self.state / "lock"

        def owned():
            if running.process.poll() is not None or running.state() == "T":
                return True
            return lock.exists() and lock.read_text().strip() == str(running.pid)

        eventually(owned, 30, "the agent owns its state directory")

    def kill_all(self):
        for running in self.running:
            running.kill()

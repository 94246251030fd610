"""Kafka Connect standalone, in a process of its own."""

import os
import pathlib
import shutil

from child import free_port, start_child

HERE = pathlib.Path(__file__).parent / "debezium"
JVM = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def home():
    """Where ./dev has put its archives, with Debezium's; None if they are not there."""
    named = os.environ.get("TANDEM_DEBEZIUM")
    if not named or not shutil.which("java"):
        return None
    path = pathlib.Path(named)
    return path if list(path.glob("debezium-connector-postgres-*.jar")) else None


def _lines(properties):
    return "".join(f"{name}={value}\n" for name, value in properties.items())


class Connect:
    """A worker with one connector, whose messages are JSON without schemas."""

    def __init__(self, directory, brokers, connector):
        self.directory = pathlib.Path(directory)
        self.log = self.directory / "connect.log"
        converter = "org.apache.kafka.connect.json.JsonConverter"
        worker = {
            "bootstrap.servers": brokers,
            "key.converter": converter,
            "value.converter": converter,
            "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false",
            "offset.storage.file.filename": self.directory / "offsets",
            "offset.flush.interval.ms": 1000,
            "listeners": f"http://127.0.0.1:{free_port()}",
            "plugin.discovery": "service_load",
        }
        (self.directory / "worker.properties").write_text(_lines(worker))
        (self.directory / "connector.properties").write_text(_lines(connector))
        with open(self.directory / "stdout.log", "ab") as out:
            self.process = start_child(
                [
                    "java",
                    *JVM,
                    f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",
                    f"-Dconnect.log={self.log}",
                    "-cp",
                    f"{home()}/*",
                    "org.apache.kafka.connect.cli.ConnectStandalone",
                    str(self.directory / "worker.properties"),
                    str(self.directory / "connector.properties"),
                ],
                stdout=out,
                stderr=out,
            )

    def alive(self):
        """Raises if it has ended by itself."""
        if self.process.poll() is not None:
            raise AssertionError("Kafka Connect ended: " + self.said())

    def said(self):
        """The end of what it logged."""
        files = [file for file in (self.log, self.directory / "stdout.log") if file.exists()]
        return "".join(file.read_text(errors="replace")[-4000:] for file in files)

    def stop(self):
        self.process.kill()  # nobody asks what it leaves behind
        self.process.wait()

"""./dev bench [PART…] [--full] [--repeat N] [--json FILE]: what Tandem costs, beside what the same
machine's SQLite, PostgreSQL, boto3 and Debezium do in the same run.

Parts: sync write latency fold triggers memory postgres postgres_latency postgres_memory kafka
kafka_latency kafka_apply (all if none is named). Sizes are small by default, some minutes in all; --full takes the sizes that
docs/benchmarks.md reports. Each measurement runs --repeat times and the median is shown, with the
range where it is wide.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import kafka_parts
import latency
import postgres_parts
import stage

# Small ones, and those of --full.
SIZES = {
    "rows": (200_000, 1_000_000),  # of the flat table that is synced
    "boto3": (20_000, 50_000),  # items that boto3 sends
    "writes": (200_000, 500_000),  # items of the write stage alone
    "changes": (10_000, 30_000),  # at 1,000 a second, from commit to item
    "fold": (300_000, 1_000_000),  # rows of the replica that random updates hit
    "triggers": (50_000, 100_000),  # statements of the application
    "memory": (1_000_000, 10_000_000),  # rows of the first sync whose memory is watched
    "pg_rows": (200_000, 1_000_000),  # of the PostgreSQL table that is read
    "pg_changes": (200_000, 1_000_000),  # of it that are streamed
    "pg_transaction": (1 << 30, 10 << 30),  # bytes of one transaction whose memory is watched
}
GO_SDK = 123_000  # items per CPU second of the Go SDK, measured apart: docs/benchmarks.md
PROGRAMS = ("tandem", "bench_null_endpoint", "bench_dynamodb_write", "bench_fold", "bench_triggers",
            "bench_postgres_capture")


@dataclass
class Figure:
    group: str  # the figure that it explains; its own name if it stands for itself
    name: str
    values: list
    unit: str = ""
    goal: float | None = None
    at_least: bool = True
    digits: int = 0

    def value(self):
        return statistics.median(self.values)

    def met(self):
        return self.value() >= self.goal if self.at_least else self.value() <= self.goal

    def number(self, value):
        return f"{value:,.{self.digits}f}"

    def text(self):
        text = f"{self.number(self.value())} {self.unit}".strip()
        low, high = min(self.values), max(self.values)
        if high > low * 1.05:
            text += f" [{self.number(low)}–{self.number(high)}]"
        return text

    def goal_text(self):
        if self.goal is None:
            return ""
        return ("≥ " if self.at_least else "≤ ") + self.number(self.goal)


class Bench:
    def __init__(self, full, repeat, scratch):
        self.full, self.repeat, self.scratch = full, repeat, scratch
        self.figures = []
        self.group = ""

    def size(self, name):
        return SIZES[name][self.full]

    def add(self, name, value, unit="", goal=None, at_least=True, digits=0):
        """A figure, or the next value of one that is there. An indented name explains the figure
        before it."""
        if not name.startswith(" "):
            self.group = name
        for figure in self.figures:
            if (figure.group, figure.name) == (self.group, name):
                figure.values.append(value)
                return
        self.figures.append(Figure(self.group, name, [value], unit, goal, at_least, digits))

    def folder(self):
        return Path(tempfile.mkdtemp(dir=self.scratch))

    # ---- the parts -----------------------------------------------------------------------------

    def sync(self):
        """First sync of flat rows into the null endpoint, and the same rows read again."""
        rows, folder = self.size("rows"), self.folder()
        stage.make_source(folder / "source.db", rows)
        scan, upsert = stage.sqlite_rates(folder / "source.db", rows, folder / "copy.db")
        with stage.NullEndpoint() as endpoint:
            config = stage.write_config(folder, {"type": "dynamodb", "endpoint": endpoint.url})
            stage.tandem(config, "init")
            endpoint_cpu = endpoint.cpu()
            sync = stage.tandem(config, "run", "--once")
            endpoint_cpu = endpoint.cpu() - endpoint_cpu
            expect_counts(sync.output, rows, written=rows)
            self.add("first sync, whole pipeline", rows / sync.seconds, "items/s", 100_000)
            self.add("  agent's CPU", sync.cpu / rows * 1e5, "s per 100k items", digits=2)
            self.add("  of it the busiest thread's", sync.busiest / rows * 1e5, "s", digits=2)
            self.add("  items per CPU second of the agent", rows / sync.cpu, "items")
            self.add("  endpoint's CPU, counted apart", endpoint_cpu / rows * 1e5,
                     "s per 100k items", digits=2)
            self.add("  highest memory of the agent", sync.memory, "MiB")
            self.add("  SQLite's own scan of the rows", scan, "rows/s")
            self.add("  SQLite's own upserts of the rows", upsert, "rows/s")
            self.add("  sync / SQLite's upserts", rows / sync.seconds / upsert, digits=2)
            self.boto3(endpoint, rows / sync.cpu)
            writes = endpoint.counters()["writes"]
            stage.tandem(config, "snapshot", "Account")
            again = stage.tandem(config, "run", "--once")
            expect_counts(again.output, rows, written=0)
            self.add("unchanged re-snapshot", rows / again.seconds, "rows/s", 400_000)
            self.add("  agent's CPU", again.cpu / rows * 1e5, "s per 100k rows", digits=2)
            self.add("  of it the busiest thread's", again.busiest / rows * 1e5, "s", digits=2)
            self.add("  write calls", endpoint.counters()["writes"] - writes, "", 0, False)
            self.add("  re-snapshot / SQLite's scan", rows / again.seconds / scan, digits=2)

    def boto3(self, endpoint, own_rate):
        try:
            import boto3  # noqa: F401  (only to know whether it is there)
        except ImportError:
            print("boto3 is not there: run this by ./dev bench to have it", file=sys.stderr)
            return
        output = run(sys.executable, stage.ROOT / "bench" / "boto3_write.py", endpoint.url,
                     str(self.size("boto3")))
        sent = json.loads(output)
        rate = sent["items"] / sent["cpu_seconds"]
        self.add("  boto3's batch_writer, sending alone", rate, "items per CPU second")
        self.add("  sync / boto3, per CPU second", own_rate / rate, "times", 5, digits=1)

    def write(self):
        """The write stage alone: encode, sign, send, read the answer."""
        for mode, goal in (("batch", GO_SDK), ("single", None)):
            with stage.NullEndpoint() as endpoint:
                count = self.size("writes") // (1 if mode == "batch" else 4)
                output = run(stage.BUILD / "bench_dynamodb_write", endpoint.url, str(count), mode)
                figures = dict(re.findall(r"([\w/]+)=([\d.]+)", output))
                what = {"batch": "write stage, 25 a call", "single": "write stage, conditional puts"}
                self.add(what[mode], float(figures["items_per_cpu_s"]), "items per CPU second", goal)
                self.add("  by the clock" + (", conditional" if mode == "single" else ""),
                         float(figures["items/s"]), "items/s")

    def latency(self):
        """From commit to item in a local target, at 1,000 changes a second."""
        rows, folder = 1_000, self.folder()
        stage.make_source(folder / "source.db", rows)
        target = folder / "target.db"
        config = stage.write_config(folder, {"type": "local", "path": str(target)})
        stage.tandem(config, "init")
        stage.tandem(config, "run", "--once")
        with stage.Agent(config) as agent:
            start, cpu = time.monotonic(), stage.cpu_of(agent.pid)
            took, overtaken, reached = latency.measure(
                latency.sqlite_account(folder / "source.db"),
                latency.local_target(target, "version"), rows, 1_000, self.size("changes"))
            busy = (stage.cpu_of(agent.pid) - cpu) / (time.monotonic() - start)
        self.add("commit to item, p50", latency.percentile(took, 50), "ms", 5, False, 2)
        self.add("commit to item, p99", latency.percentile(took, 99), "ms", 25, False, 2)
        self.add("  longest", took[-1], "ms", digits=1)
        self.add("  changes a second that the writer reached", reached)
        self.add("  changes overtaken by newer ones", overtaken)
        self.add("  agent's CPU", busy * 100, "% of a core", digits=0)

    def fold(self):
        """Random updates folded into the replica, beside SQLite's plain random upserts."""
        rows = self.size("fold")
        output = run(stage.BUILD / "bench_fold", str(rows), self.folder())
        plain = float(re.search(r"SQLite: upsert, random keys\s+(\d+)", output)[1])
        folds = re.findall(r"fold: updates, random keys\s+(\d+)", output)
        self.add("SQLite's plain random upserts", plain, "rows/s")
        self.add("fold of random updates", float(folds[0]), "rows/s")
        self.add("  fold / SQLite", float(folds[0]) / plain, "times", 1.3, digits=2)
        self.add("  fold / SQLite, marking documents", float(folds[1]) / plain, "times", digits=2)

    def triggers(self):
        """What capture's triggers add to the application's writes."""
        for line in run(stage.BUILD / "bench_triggers", str(self.size("triggers"))).splitlines():
            work = json.loads(line)
            added = (work["with_cpu_us"] / work["without_cpu_us"] - 1) * 100
            self.add("triggers, " + work["work"], added, "% CPU added", 50, False)
            by_clock = (work["with_wall_us"] / work["without_wall_us"] - 1) * 100
            if "one statement" in work["work"]:  # where the disk counts, not the processor
                self.add("  the same by the clock, " + work["work"].split(",")[0], by_clock,
                         "% added")

    def memory(self):
        """Memory of an idle agent, and of one in a large first sync."""
        folder = self.folder()
        stage.make_source(folder / "source.db", 10_000)
        config = stage.write_config(folder, {"type": "local", "path": str(folder / "target.db")})
        stage.tandem(config, "init")
        stage.tandem(config, "run", "--once")
        with stage.Agent(config) as agent:
            time.sleep(2)  # what follows is what a settled agent does
            start, cpu = time.monotonic(), stage.cpu_of(agent.pid)
            time.sleep(5)
            busy = (stage.cpu_of(agent.pid) - cpu) / (time.monotonic() - start)
            self.add("memory, idle", stage.memory_of(agent.pid, "VmRSS"), "MiB", 64, False)
            self.add("  CPU, idle", busy * 100, "% of a core", 1, False, 1)
        rows, folder = self.size("memory"), self.folder()
        stage.make_source(folder / "source.db", rows)
        with stage.NullEndpoint() as endpoint:
            config = stage.write_config(folder, {"type": "dynamodb", "endpoint": endpoint.url})
            stage.tandem(config, "init")
            sync = stage.tandem(config, "run", "--once")
        self.add(f"memory, first sync of {rows:,} rows", sync.memory, "MiB", 256, False)
        self.add("  items a second of that sync", rows / sync.seconds, "items/s")

    def postgres(self):
        postgres_parts.capture(self)

    def postgres_latency(self):
        postgres_parts.commit_to_item(self)

    def postgres_memory(self):
        postgres_parts.memory(self)

    def kafka(self):
        kafka_parts.capture(self)

    def kafka_latency(self):
        kafka_parts.commit_to_record(self)

    def kafka_apply(self):
        kafka_parts.apply(self)

    PARTS = ("sync", "write", "latency", "fold", "triggers", "memory", "postgres",
             "postgres_latency", "postgres_memory", "kafka", "kafka_latency", "kafka_apply")


def run(*command):
    """A program that prints figures; its output."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{Path(command[0]).name} failed with {done.returncode}")
    return done.stdout


def expect_counts(output, items, written):
    """A figure counts only if the work was done: all items right, so many of them written."""
    counts = re.search(r"([\d,]+) items are right at the target: ([\d,]+) written", output)
    if not counts or [int(n.replace(",", "")) for n in counts.groups()] != [items, written]:
        raise SystemExit(f"expected {items:,} items and {written:,} written, not: {output}")


def report(bench, parts, loads):
    sizes = ", ".join(f"{name} {bench.size(name):,}" for name in SIZES)
    print(f"\nSizes{' (--full)' if bench.full else ''}: {sizes}")
    print(f"{os.cpu_count()} cores; load average {loads[0]:.1f} before and {loads[1]:.1f} after; "
          f"median of {bench.repeat}" + (" [range]" if bench.repeat > 1 else "") + "\n")
    rows = [("", "measured", "goal", "")]
    for figure in bench.figures:
        verdict = "" if figure.goal is None else ("reached" if figure.met() else "MISSED")
        rows.append((figure.name, figure.text(), figure.goal_text(), verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        print("  ".join(cells).rstrip())


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(Bench.PARTS))
    parser.add_argument("--full", action="store_true", help="the sizes of docs/benchmarks.md")
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures for a program")
    arguments = parser.parse_args()
    parts = arguments.parts or Bench.PARTS
    for part in parts:
        if part not in Bench.PARTS:
            parser.error(f"no part {part}; there are {' '.join(Bench.PARTS)}")
    missing = [name for name in PROGRAMS if not (stage.BUILD / name).exists()]
    if missing:
        raise SystemExit(f"not built: {' '.join(missing)}; run ./dev bench, which builds them")
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tandem_bench_") as scratch:
        bench = Bench(arguments.full, arguments.repeat, Path(scratch))
        for part in parts:
            for turn in range(arguments.repeat):
                print(f"{part}, {turn + 1} of {arguments.repeat} …", file=sys.stderr, flush=True)
                getattr(bench, part)()
    report(bench, parts, (before, os.getloadavg()[0]))
    if arguments.json:
        arguments.json.write_text(json.dumps(
            [{"group": f.group, "name": f.name.strip(), "value": f.value(), "values": f.values,
              "unit": f.unit, "goal": f.goal} for f in bench.figures], indent=1))


if __name__ == "__main__":
    main()

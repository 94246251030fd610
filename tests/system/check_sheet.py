"""What one `tandem check` said, and the statements that its advice is made of."""

import re


def things(database, more=""):
    database.execute("CREATE TABLE things (id integer PRIMARY KEY, name text)" + more)
    database.execute("INSERT INTO things SELECT n, 'thing ' || n FROM generate_series(1, 10) AS n")


class Sheet:
    """What one `check` said, a line a finding."""

    def __init__(self, tandem):
        self.result = tandem.run("check")
        self.lines = self.result.out.splitlines()

    def __str__(self):
        return str(self.result)

    def find(self, level, subject, text=""):
        """The first line of that level and subject that matches the text; "" if there is none."""
        pattern = rf"{level} +{re.escape(subject)}: .*{text}"
        return next((line for line in self.lines if re.match(pattern, line)), "")

    def told(self, level, subject, text=""):
        line = self.find(level, subject, text)
        assert line, f"no {level} of {subject} with {text!r}: {self}"
        return line


def statements(line):
    """What a line advises to run, as it is written there; of alternatives the first."""
    line = re.sub(r" \(Amazon RDS: .*?\)", "", line)
    ends = r"(?=;|, or\b|, without | or (?:COMMIT|ROLLBACK) | and restart| in that database|$)"
    found = re.findall(r"\b((?:ALTER|GRANT|COMMIT PREPARED|SELECT pg_terminate) ?.*?)" + ends, line)
    assert found, line
    return found


def play(database, line, **options):
    """Runs what a line advises, one statement after the other."""
    with database.connect(**options) as connection:
        for statement in statements(line):
            connection.execute(statement)

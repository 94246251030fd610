"""What the target must hold for config/lessons.yaml and config/registry.yaml, computed by SQL.

Like oracle_chinook, this shares no code with Tandem.
"""

import json
import uuid
from decimal import Decimal

import psycopg
from psycopg.rows import dict_row

import oracle_chinook
from deployment import REPOSITORY
from local_items import living
from oracle_chinook import as_text, present


def script(name):
    """The SQL file beside the config."""
    return (REPOSITORY / "config" / f"{name}.sql").read_text()


class _Snapshot:
    """All tables as of one commit."""

    def __init__(self, database):
        self.connection = as_text(database.connect(autocommit=False, row_factory=dict_row))
        self.connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def rows(self, sql):
        return [
            {name: Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
             for name, value in row.items()}
            for row in self.connection.execute(sql)
        ]


def _json(text, default=None):
    return default if text is None else json.loads(text, parse_float=Decimal, parse_int=Decimal)


def _iso(text):
    """PostgreSQL's text of a date or time in UTC as ISO 8601."""
    if text is None:
        return None
    text = text.replace(" ", "T", 1)
    return text + ":00" if text.endswith("+00") else text


def _or(value, default):
    return default if value is None else value


# ---- lessons -------------------------------------------------------------------------------------

LEVELS = ("beginner", "intermediate", "advanced")


def _question(row, **more):
    return present(
        QuestionId=row["question_id"], Prompt=row["prompt"], Options=_json(row["options"], []),
        Answer=_json(row["answer"]), Points=_or(row["points"], Decimal(0)), **more,
    )


def lessons(database):
    with _Snapshot(database) as snapshot:
        lesson_rows = snapshot.rows("SELECT * FROM lessons ORDER BY lesson_id")
        passage_rows = snapshot.rows("SELECT * FROM passages ORDER BY passage_id")
        question_rows = snapshot.rows("SELECT * FROM questions ORDER BY place, question_id")
    items = {"Lessons": {}, "Passages": {}, "Topics": {}}
    by_id = {row["lesson_id"]: row for row in lesson_rows}
    for row in lesson_rows:
        questions = [q for q in question_rows if q["lesson_id"] == row["lesson_id"]]
        item = present(
            LessonId=row["lesson_id"], Title=row["title"], Topic=_or(row["topic"], "unsorted"),
            Level=row["level"], Minutes=_or(row["duration_minutes"], Decimal(30)),
            Tags=_json(row["tags"]),
            Settings=_json(row["settings"], {"shuffle": False, "attempts": Decimal(3)}),
            Created=_iso(row["created_at"]),
            Passages=[p["passage_id"] for p in passage_rows if p["lesson_id"] == row["lesson_id"]],
            QuestionCount=Decimal(len(questions)),
            Points=sum((q["points"] for q in questions if q["points"] is not None), Decimal(0)),
            Questions=[_question(q, PassageId=q["passage_id"], Due=_iso(q["due"])) for q in questions],
        )
        item["Published"] = _iso(row["published_at"])  # a null stays
        items["Lessons"][row["lesson_id"],] = item
    for row in passage_rows:
        lesson = by_id.get(row["lesson_id"], {})
        items["Passages"][row["passage_id"],] = present(
            PassageId=row["passage_id"], Title=_or(row["title"], "(untitled)"), Body=row["body"],
            Glossary=_json(row["glossary"], {}), Updated=_iso(row["updated_at"]),
            LessonTitle=lesson.get("title"), Topic=lesson.get("topic"),
            Questions=[_question(q) for q in question_rows if q["passage_id"] == row["passage_id"]],
        )
    for topic in {row["topic"] for row in lesson_rows if row["topic"] is not None}:
        own = [row for row in lesson_rows if row["topic"] == topic]
        items["Topics"][topic,] = {
            "Topic": topic,
            "LessonCount": Decimal(len(own)),
            "PublishedCount": Decimal(sum(row["published_at"] is not None for row in own)),
            "Levels": {level: Decimal(sum(row["level"] == level for row in own)) for level in LEVELS},
            "Lessons": [
                {"LessonId": row["lesson_id"], "Title": row["title"], "Level": row["level"]} for row in own
            ],
        }
    return items


# ---- registry ------------------------------------------------------------------------------------

FIRMS = uuid.UUID("5b6a3f0e-6c0a-4d7e-9c55-0f6d8a3c1e01")
SALES = uuid.UUID("5b6a3f0e-6c0a-4d7e-9c55-0f6d8a3c1e02")
USERS = {0: "system", 1: "anna", 2: "bruno", 3: "carla"}
FIRM_STATUS = {"A": "active", "S": "suspended", "C": "closed"}
SALE_STATUS = {"N": "new", "C": "confirmed", "D": "delivered", "X": "cancelled"}
GOODS = {"grano": "wheat", "mais": "maize", "orzo": "barley", "soia": "soy"}


def _uuid(namespace, number):
    return str(uuid.uuid5(namespace, str(number)))


def _entered(row):
    return {"EnteredBy": USERS.get(row["ute_ins"], "unknown"), "EnteredAt": _iso(row["dt_ins"])}


def _firm(row):
    return dict(
        LegacyId=row["id_anag"], Name=row["rag_soc"], VatNumber=row["p_iva"],
        Email=row["e_mail"] and row["e_mail"].lower(), City=row["citta"], Country=row["naz"],
        Status=FIRM_STATUS.get(row["stato"], "unknown"), **_entered(row),
    )


def registry(database):
    with _Snapshot(database) as snapshot:
        firms = snapshot.rows("SELECT * FROM msg_anag WHERE abil")
        sales = snapshot.rows("SELECT * FROM msg WHERE abil")
    items = {"Buyers": {}, "Producers": {}, "Sales": {}}
    names = {row["id_anag"]: row["rag_soc"] for row in firms}
    for row in firms:
        key = _uuid(FIRMS, row["id_anag"])
        if row["tipo"] in (2, 3):
            items["Buyers"][key,] = present(
                BuyerId=key, Kind={2: "buyer", 3: "agent"}[row["tipo"]], Credit=_or(row["fido"], Decimal(0)),
                SaleCount=Decimal(sum(s["id_acq"] == row["id_anag"] for s in sales)), **_firm(row),
            )
        elif row["tipo"] == 1:
            own = [s["qta"] for s in sales if s["id_prod"] == row["id_anag"] and s["stato"] != "X"]
            items["Producers"][key,] = present(ProducerId=key, Sold=sum(own, Decimal(0)), **_firm(row))
    for row in sales:
        key = _uuid(SALES, row["id_msg"])
        items["Sales"][key,] = present(
            SaleId=key, LegacyId=row["id_msg"], BuyerId=_uuid(FIRMS, row["id_acq"]),
            ProducerId=_uuid(FIRMS, row["id_prod"]), BuyerName=names.get(row["id_acq"]),
            ProducerName=names.get(row["id_prod"]), SoldOn=_iso(row["dt_msg"]),
            Goods=GOODS.get(row["merce"], row["merce"]), Quantity=row["qta"], Price=row["prezzo"],
            Status=SALE_STATUS.get(row["stato"], "unknown"), **_entered(row),
        )
    return items


EXAMPLES = {"lessons": lessons, "registry": registry}
KEYS = {
    "Lessons": "LessonId", "Passages": "PassageId", "Topics": "Topic",
    "Buyers": "BuyerId", "Producers": "ProducerId", "Sales": "SaleId",
}


def check(name, database, target):
    """Raises AssertionError with what differs."""
    want = EXAMPLES[name](database)
    have = {table: living(target.scan_raw(table), key=(KEYS[table],)) for table in want}
    lines = oracle_chinook.differences(want, have)
    assert not lines, f"the target differs from {name}:\n" + "\n".join(lines)
    return True

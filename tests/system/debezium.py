"""Debezium's own connector for PostgreSQL, as Kafka Connect is told of it."""


def connector(database, prefix, **options):
    """Captures a PostgresDatabase into topics that begin with `prefix`."""
    return {
        "name": prefix,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": 1,
        "plugin.name": "pgoutput",
        "database.hostname": "127.0.0.1",
        "database.port": database.server.port,
        "database.user": "postgres",
        "database.password": "none",
        "database.dbname": database.name,
        "topic.prefix": prefix,
        "slot.name": prefix.replace("-", "_"),
        "publication.name": prefix.replace("-", "_"),
        "poll.interval.ms": 10,
        **options,
    }

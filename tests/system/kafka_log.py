"""Configs whose log is a topic of a Kafka, made of those of an embedded log."""

EMBEDDED = "log:\n  type: embedded\n"


def through_kafka(config, **properties):
    """The text of a config, with the topic that KAFKA_TOPIC names as its log."""
    text = config if isinstance(config, str) else config.read_text()
    assert text.count(EMBEDDED) == 1
    lines = "".join(f"\n    {name}: {value}" for name, value in properties.items())
    log = 'log:\n  type: kafka\n  brokers: "${KAFKA_BROKERS}"\n  topic: "${KAFKA_TOPIC}"\n'
    return text.replace(EMBEDDED, log + (f"  properties:{lines}\n" if lines else ""))

"""SASL and TLS by librdkafka's properties; what is wrong is said in a sentence, and secrets in none."""

import pytest

import kafka_users
import oracle_chinook as oracle
from deployment import CHINOOK_CONFIG, FAILED
from kafka_log import through_kafka

PASSWORD = kafka_users.PASSWORDS["tandem"]
WRONG = "wrong-horse-battery"


@pytest.fixture
def connect(deploy, small_source, dynamodb, secure_kafka, authority):
    """connect(property=value, …) makes a deployment whose user may do everything; a property of None is
    left out."""

    def make(**changes):
        topic = secure_kafka.new_topic()
        for name in (topic, topic + ".control"):
            secure_kafka.grant("tandem", name, "All")
        return deploy(small_source, config=through_kafka(CHINOOK_CONFIG, **kafka_users.properties(authority, **changes)),
                      endpoint=dynamodb.endpoint,
                      environment={"KAFKA_BROKERS": secure_kafka.secure_address, "KAFKA_TOPIC": topic,
                                   **kafka_users.of("tandem")})

    return make


def kept(result):
    """The result of a command that told no secret."""
    assert PASSWORD not in result.out + result.err and WRONG not in result.out + result.err, str(result)
    return result


def test_all_is_right(connect, small_source, dynamodb):
    tandem = connect()
    for command in (["init"], ["check"], ["-v", "run", "--once"], ["status"], ["log", "show"]):
        kept(tandem.run(*command)).expect()
    oracle.check(small_source, dynamodb)


@pytest.mark.parametrize("changes, said", [
    ({"sasl_password": WRONG}, ("Authentication failed", "sasl.password")),
    ({"ssl_ca_location": None}, ("certificate verify failed", "ssl.ca.location")),
    ({"security_protocol": "SASL_PLAINTEXT"}, ("security.protocol",)),
    ({"acks": "1"}, ("`acks`", "leave it out")),
    ({"sasl_password": None, "sasl_passwort": PASSWORD}, ("`sasl.passwort`", "CONFIGURATION.md")),
])
def test_what_is_wrong_is_said(connect, changes, said):
    result = kept(connect(**changes).run("init", seconds=60)).expect(FAILED)
    last = result.err.strip().splitlines()[-1]
    for text in said:
        assert text in last, str(result)

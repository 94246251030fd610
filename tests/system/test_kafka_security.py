"""SASL and TLS by librdkafka's properties; what is wrong is said in a sentence, and secrets in none."""

import pytest

import oracle_chinook as oracle
from certificates import Authority
from conftest import missing
from deployment import CHINOOK_CONFIG, FAILED
from kafka_broker import KafkaBroker, home
from kafka_log import through_kafka

PASSWORD = "correct-horse-battery"
WRONG = "wrong-horse-battery"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory, authority):
    """A broker with a second listener, for those who have a password and know the authority."""
    if home() is None:
        missing("Kafka is not here: run ./dev test system")
    certificate, key = authority.sign("localhost", server=True)
    store = authority.folder / "store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    broker = KafkaBroker(tmp_path_factory.mktemp("kafka"), secure={"keystore": store, "user": "tandem", "password": PASSWORD})
    yield broker
    broker.stop()


@pytest.fixture
def connect(deploy, small_source, dynamodb, secure, authority):
    """connect(property=value, …) makes a deployment; a property of None is left out."""

    def make(**changes):
        properties = {
            "security.protocol": "SASL_SSL", "sasl.mechanisms": "PLAIN", "sasl.username": "tandem",
            "sasl.password": PASSWORD, "ssl.ca.location": authority.certificate,
            **{name.replace("_", "."): value for name, value in changes.items()},
        }
        config = through_kafka(CHINOOK_CONFIG, **{name: value for name, value in properties.items() if value})
        return deploy(small_source, config=config, endpoint=dynamodb.endpoint,
                      environment={"KAFKA_BROKERS": secure.secure_address, "KAFKA_TOPIC": secure.new_topic()})

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

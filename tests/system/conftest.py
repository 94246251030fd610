"""Fixtures of the system tests: the binaries, one DynamoDB Local a worker, fresh deployments."""

import itertools
import os
import pathlib
import random
import shutil
import tempfile

import pytest

import chinook
import dynamodb_local
import kafka_broker
import kafka_connect
import postgres
import ways
from certificates import Authority
from deployment import CHINOOK_CONFIG, REPOSITORY, Deployment
from kafka_users import PASSWORDS
from local_items import LocalItems, chinook_config
from proxy import Proxy
from tcp_proxy import TcpProxy


def missing(what):
    """For a person a test without its server is skipped, in CI it fails."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} (in CI this fails)")
    pytest.skip(what)


def _binary(variable, default):
    path = pathlib.Path(os.environ.get(variable, REPOSITORY / default))
    if not path.exists():
        missing(f"{path} is not built: run ./dev test system")
    return path


@pytest.fixture(scope="session")
def binary():
    """The release build, or what TANDEM names."""
    return _binary("TANDEM", "build/tandem")


@pytest.fixture(scope="session")
def debug_binary():
    """The test build, with failpoints compiled in, or what TANDEM_DEBUG names."""
    return _binary("TANDEM_DEBUG", "build/debug/tandem")


@pytest.fixture(scope="session")
def dynamodb_server(tmp_path_factory):
    if dynamodb_local.home() is None:
        missing("DynamoDB Local is not here: run ./dev test system")
    server = dynamodb_local.DynamodbLocal(tmp_path_factory.mktemp("dynamodb"))
    yield server
    server.stop()


@pytest.fixture
def dynamodb(dynamodb_server):
    """DynamoDB Local without a table."""
    dynamodb_server.delete_tables()
    return dynamodb_server


@pytest.fixture
def source(tmp_path):
    """A copy of the real Chinook."""
    if chinook.find() is None:
        missing("the Chinook database is not here: CHINOOK_DB=FILE names it")
    return chinook.copy_to(tmp_path / "chinook.db")


@pytest.fixture
def small_source(tmp_path):
    """A small Chinook, for tests of many rounds."""
    if chinook.find() is None:
        missing("the Chinook database is not here: CHINOOK_DB=FILE names it")
    return chinook.small_copy_to(tmp_path / "small.db")


@pytest.fixture(scope="session")
def postgres_installation():
    """The PostgreSQL of this machine, and a template to copy servers from."""
    if postgres.binaries() is None:
        missing("PostgreSQL is not here: run ./dev test system")
    made = postgres.Installation(postgres.binaries())
    yield made
    made.remove()


@pytest.fixture(scope="session")
def postgres_server(postgres_installation):
    """A server that tests share: each has a database of its own, and leaves the settings alone."""
    with postgres_installation.server() as server:
        yield server


@pytest.fixture
def own_postgres(postgres_installation):
    """own_postgres(setting=value, …) starts a server that a test may stop, kill and configure."""
    made = []

    def make(**settings):
        made.append(postgres_installation.server(**settings))
        return made[-1]

    yield make
    for server in made:
        server.stop()
        shutil.rmtree(server.data, ignore_errors=True)


_numbers = itertools.count(1)


@pytest.fixture
def make_database(postgres_server):
    """make_database(template) makes a database of the shared server, dropped at the end."""
    made = []

    def make(template="template0"):
        if template != "template0" and not postgres_server.has(template):
            missing("the Chinook script is not here: CHINOOK_POSTGRES=FILE names it")
        made.append(postgres_server.create(f"test_{next(_numbers)}", template))
        return made[-1]

    yield make
    for database in made:
        postgres_server.drop(database.name)


@pytest.fixture
def pg(make_database):
    """An empty PostgreSQL database."""
    return make_database()


@pytest.fixture
def pg_source(make_database):
    """The real Chinook in PostgreSQL."""
    return make_database("chinook")


@pytest.fixture
def small_pg_source(make_database):
    """The small Chinook in PostgreSQL."""
    return make_database("small_chinook")


@pytest.fixture(scope="session", params=["14", "16", "17", "18"])
def other_postgres(request, tmp_path_factory):
    """A server of each other version that ./dev fetches."""
    archive = postgres.archives().get(request.param)
    if archive is None:
        missing(f"PostgreSQL {request.param} is not here: run ./dev test system")
    with tempfile.TemporaryDirectory(prefix="tandem-postgres-") as folder:
        os.chmod(folder, 0o755)
        installation = postgres.Installation(postgres.unpacked(archive, folder))
        with installation.server() as server:
            yield server
        installation.remove()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """A broker that tests share: each has topics of its own."""
    if kafka_broker.home() is None:
        missing("Kafka is not here: run ./dev test system")
    broker = kafka_broker.KafkaBroker(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def rough_broker(tmp_path_factory):
    if kafka_broker.home() is None:
        missing("Kafka is not here: run ./dev test system")
    proxy = TcpProxy(0)
    broker = kafka_broker.KafkaBroker(tmp_path_factory.mktemp("kafka"), proxy)
    yield broker
    broker.stop()
    proxy.stop()


@pytest.fixture
def rough_kafka(rough_broker):
    """A broker behind a proxy, which a test may kill, stop and cut off."""
    if rough_broker.process.poll() is not None:
        rough_broker.start()
    rough_broker.resume()
    rough_broker.proxy.delay, rough_broker.proxy.stalled = 0.0, False
    rough_broker.proxy.cut()
    return rough_broker


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory, authority):
    """A broker with a second listener, for those who have a password and know the authority. They
    may do what was granted."""
    if kafka_broker.home() is None:
        missing("Kafka is not here: run ./dev test system")
    certificate, key = authority.sign("localhost", server=True)
    store = authority.folder / "store.pem"
    store.write_text(key.read_text() + certificate.read_text())
    broker = kafka_broker.KafkaBroker(tmp_path_factory.mktemp("kafka"), secure={"keystore": store, "users": PASSWORDS})
    yield broker
    broker.stop()


@pytest.fixture
def connect(kafka, tmp_path):
    """connect(connector) starts Kafka Connect with a connector of these properties, stopped at the end."""
    if kafka_connect.home() is None:
        missing("Kafka Connect and Debezium are not here: run ./dev test system")
    made = []

    def make(connector):
        directory = tmp_path / connector["name"]
        directory.mkdir()
        made.append(kafka_connect.Connect(directory, kafka.address, connector))
        return made[-1]

    yield make
    for worker in made:
        worker.stop()


@pytest.fixture
def topic(kafka):
    """The environment of a deployment whose log is a topic of its own, which `init` makes."""
    return {"KAFKA_BROKERS": kafka.address, "KAFKA_TOPIC": f"test-{next(_numbers)}"}


@pytest.fixture
def deploy(tmp_path, binary):
    """deploy(source, …) makes a Deployment; what it leaves running is killed at the end."""
    made = []

    def make(source, *, config=CHINOOK_CONFIG, endpoint="", use=None, name="", environment=None):
        directory = tmp_path / (name or f"deployment-{len(made)}")
        directory.mkdir()
        if isinstance(config, str):
            text, config = config, directory / "tandem.yaml"
            config.write_text(text)
        made.append(Deployment(use or binary, directory, config, source, endpoint, environment))
        return made[-1]

    yield make
    for deployment in made:
        deployment.kill_all()


@pytest.fixture
def full():
    """Whether tests take the minutes that they would like to: TANDEM_FULL=1 says so."""
    return os.environ.get("TANDEM_FULL", "0") != "0"


@pytest.fixture
def seed():
    """Of everything random in a test; TANDEM_SEED=N repeats a run. Shown when the test fails."""
    number = int(os.environ.get("TANDEM_SEED") or random.randrange(2**32))
    print(f"TANDEM_SEED={number}")
    return number


@pytest.fixture
def proxy(dynamodb):
    """A counting proxy in front of DynamoDB Local."""
    made = Proxy(dynamodb)
    yield made
    made.stop()


@pytest.fixture
def target(request, dynamodb, tmp_path):
    """The local target for its own points, DynamoDB for all others."""
    if request.getfixturevalue("point").startswith("local."):
        return LocalItems(tmp_path / "items.db")
    return dynamodb


@pytest.fixture
def tandem(deploy, small_source, debug_binary, target, point):
    """For tests that name a failpoint: a deployment whose way comes by there."""
    if isinstance(target, LocalItems):
        items = {"ITEMS": str(target.path)}
        return deploy(small_source, config=chinook_config(), use=debug_binary, environment=items)
    config = ways.config_of(point, CHINOOK_CONFIG.read_text())
    return deploy(small_source, config=config, endpoint=target.endpoint, use=debug_binary)

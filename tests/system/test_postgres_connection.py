"""Every way to a PostgreSQL server that libpq knows, from connection string to certificates; and what
is told where a way leads nowhere, is cut, or goes silent."""

import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import time

import pytest

from certificates import Authority
from child import free_port
from conftest import missing
from deployment import DONE, FAILED
from eventually import eventually
from tcp_proxy import TcpProxy
from test_bad_input import clear_message
from test_postgres_bad_input import CONFIG, equal, things

# Longer than any word that comes by otherwise.
SECRET = "correct-horse-battery-staple"

RULES = [
    "host all guarded 127.0.0.1/32 scram-sha-256",
    "hostssl all over_tls 127.0.0.1/32 scram-sha-256",
    "hostnossl all over_tls 127.0.0.1/32 reject",
    "hostssl all certified 127.0.0.1/32 cert",
    "hostnossl all certified 127.0.0.1/32 reject",
]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    if shutil.which("openssl") is None:
        missing("openssl is not here")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(postgres_installation, authority):
    """One that asks for passwords and certificates."""
    certificate, key = authority.sign("db.example", server=True)
    there = {}
    for name, file in {"ssl_cert_file": certificate, "ssl_key_file": key, "ssl_ca_file": authority.certificate}.items():
        there[name] = pathlib.Path(shutil.copy(file, postgres_installation.folder / f"tls-{file.name}"))
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(there[name], entry.pw_uid, entry.pw_gid)
    with postgres_installation.server(password_encryption="scram-sha-256", ssl="on", **there) as made:
        for role in ("guarded", "over_tls", "certified"):
            made.execute(f"CREATE ROLE {role} SUPERUSER LOGIN REPLICATION PASSWORD '{SECRET}'")
        made.rules = RULES
        made.restart()
        yield made


@pytest.fixture
def place(server, tmp_path, authority, deploy):
    made = Place(server, tmp_path, authority, deploy)
    yield made
    server.drop("shop")


class Place:
    """A database of ten things, and the ways to it."""

    def __init__(self, server, folder, authority, deploy):
        self.server, self.folder, self.authority, self._deploy = server, folder, authority, deploy
        self.database = server.create("shop")
        things(self.database)

    def file(self, name, text, mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def url(self, user="guarded", secret=SECRET, host="127.0.0.1", **options):
        return self.server.url("shop", user=user, password=secret, **options).replace("@127.0.0.1", f"@{host}")

    def password_file(self, secret=SECRET, mode=0o600):
        return self.file("passwords", f"*:{self.server.port}:shop:*:{secret}\n", mode)

    def credentials(self, secret=SECRET):
        return self.file("credentials", f"[default]\nx = y\n[postgres-creds]\npg_host = 127.0.0.1\n"
                         f"pg_port = {self.server.port}\npg_user = guarded\npg_password = {secret}\n")

    def credentials_config(self):
        return CONFIG.replace('"${DATABASE_URL}"}',
                              f"dbname=shop, credentials: {{file: {self.folder}/credentials}}}}")

    def verified(self, host="db.example", **options):
        """host is the name that the certificate must have, hostaddr where it is."""
        return self.url("over_tls", host=host, hostaddr="127.0.0.1", sslmode="verify-full",
                        **{"sslrootcert": self.authority.certificate, **options})

    def deploy(self, url, environment=None, config=CONFIG):
        tandem = self._deploy(self.database, config=config, environment={
            "HOME": str(self.folder), **(environment or {})})  # no files of whoever runs this
        tandem.environment["DATABASE_URL"] = url
        return tandem


# ---- ways that lead there ------------------------------------------------------------------------


def uri(place):
    return place.url(), {}


def keywords(place):
    return f"host=127.0.0.1 port={place.server.port} dbname=shop user=guarded password='{SECRET}'", {}


def environment(place):
    return "postgresql://", {"PGHOST": "127.0.0.1", "PGPORT": str(place.server.port), "PGDATABASE": "shop",
                             "PGUSER": "guarded", "PGPASSWORD": SECRET}


def a_password_file(place):
    return place.url(secret=""), {"PGPASSFILE": str(place.password_file())}


def the_password_file_at_home(place):
    place.password_file().rename(place.folder / ".pgpass")
    return place.url(secret=""), {}


def services(place):
    return str(place.file("services", f"[other]\nhost=nowhere.invalid\n[shop]\nhost=127.0.0.1\n"
                          f"port={place.server.port}\ndbname=shop\nuser=guarded\npassword={SECRET}\n"))


def a_service(place):
    return "service=shop", {"PGSERVICEFILE": services(place)}


def the_service_of_the_environment(place):
    return "postgresql://", {"PGSERVICEFILE": services(place), "PGSERVICE": "shop"}


def encryption(place):
    return place.url("over_tls", sslmode="require"), {}


def a_verified_server(place):
    return place.verified(), {}


def channel_binding(place):
    return place.verified(channel_binding="require"), {}


def a_client_certificate(place):
    certificate, key = place.authority.sign("certified", server=False)
    url = place.url("certified", secret="", sslmode="verify-ca", sslrootcert=place.authority.certificate,
                    sslcert=certificate, sslkey=key)
    return url, {}


def a_second_host(place):
    hosts = f"127.0.0.1:{free_port()},127.0.0.1:{place.server.port}"
    return f"postgresql://guarded:{SECRET}@{hosts}/shop", {}


def a_socket(place):
    return place.server.socket_url("shop"), {}


@pytest.mark.parametrize("way", [uri, keywords, environment, a_password_file, the_password_file_at_home, a_service,
                                 the_service_of_the_environment, encryption, a_verified_server, channel_binding,
                                 a_client_certificate, a_second_host, a_socket])
def test_a_way_in(place, way):
    tandem = place.deploy(*way(place))
    tandem.sync()
    assert equal(tandem, place.database)
    # Wherever the address was found, people are told it, and never the password.
    told = tandem.run("status").expect(DONE).out
    assert f"{place.server.port}/shop," in told and SECRET not in told, told


def test_a_credentials_section(place):
    place.credentials()
    tandem = place.deploy("", config=place.credentials_config())
    tandem.sync()
    assert equal(tandem, place.database)
    assert f"postgresql://guarded@127.0.0.1:{place.server.port}/shop," in tandem.run("status").expect(DONE).out


def test_limits_and_names_of_the_users_own(place):
    """What url, service file and environment say of a connection wins over what Tandem would choose."""
    services = place.file("services", "[shop]\nhost=127.0.0.1\napplication_name=of the service\n")
    ways = {"of the url": {"url": place.url(application_name="of%20the%20url")},
            "of the service": {"url": place.url(service="shop"), "environment": {"PGSERVICEFILE": str(services)}},
            "of the environment": {"url": place.url(), "environment": {"PGAPPNAME": "of the environment"}},
            "tandem tandem": {"url": place.url()}}
    for name, way in ways.items():
        tandem = place.deploy(**way)
        tandem.init()
        agent = tandem.start()
        held_by = ("SELECT application_name FROM pg_stat_activity JOIN pg_replication_slots ON pid = active_pid"
                   " WHERE database = 'shop'")
        eventually(lambda: place.database.query(held_by) == [(name,)], 20, name, alive=agent.alive)
        agent.stop()


# ---- ways that do not ----------------------------------------------------------------------------


def test_a_password_file_that_others_may_read(place):
    """libpq takes nothing from it, and would say so in lines of its own between those of the log."""
    passwords = place.password_file(mode=0o644)
    tandem = place.deploy(place.url(secret=""), {"PGPASSFILE": str(passwords)})
    result = tandem.run("init").expect(FAILED)
    assert f"`chmod 600 {passwords}`" in clear_message(result), str(result)
    assert SECRET not in result.err
    subprocess.run(["chmod", "600", passwords], check=True)
    tandem.sync()
    assert equal(tandem, place.database)


def no_password(place):
    return place.url(secret=""), "no password.*PGPASSWORD"


def another_name(place):
    return place.verified(host="elsewhere.example"), "does not match host name.*sslmode"


def an_unknown_authority(place):
    folder = place.folder / "others"
    folder.mkdir()
    return place.verified(sslrootcert=Authority(folder, "others").certificate), "certificate verify failed.*sslrootcert"


def no_authority(place):
    return place.verified(sslrootcert="/nowhere/root.crt"), "/nowhere/root.crt.*sslrootcert"


def no_client_certificate(place):
    return place.url("certified", secret="", sslmode="require"), "client certificate.*sslcert"


def no_encryption(place):
    return place.url("over_tls", sslmode="disable"), "pg_hba.conf rejects.*no encryption"


def no_channel_to_bind(place):
    return place.url(sslmode="disable", channel_binding="require"), "channel binding.*sslmode"


def no_such_service(place):
    return "service=absent", "absent.*PGSERVICEFILE"


@pytest.mark.parametrize("way", [no_password, another_name, an_unknown_authority, no_authority, no_client_certificate,
                                 no_encryption, no_channel_to_bind, no_such_service])
def test_no_way_in(place, way):
    url, told = way(place)
    result = place.deploy(url).run("init").expect(FAILED)
    message = clear_message(result)
    assert re.search(told, message) and SECRET not in result.out + result.err, message


def files_with(word, folder):
    return [path for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def test_a_password_is_nowhere(place):
    """Neither a wrong one nor the right one: in no output, log, file or list of processes."""
    wrong = "in" + SECRET
    tandem = place.deploy(place.url(secret=wrong))
    for command in (["init"], ["check"], ["run", "--once"], ["status"], ["verify"]):
        result = tandem.run("--verbose", *command)
        assert result.status == FAILED or command == ["status"], str(result)
        assert SECRET not in result.out + result.err, str(result)
    assert "password authentication failed" in clear_message(tandem.run("init"))
    tandem.environment["DATABASE_URL"] = place.url()
    tandem.sync()
    agent = tandem.start("--verbose", "run")
    place.database.execute("INSERT INTO things VALUES (11, 'new')")
    eventually(lambda: equal(tandem, place.database), 30, "the agent is at work", alive=agent.alive)
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(tandem.binary) in listing and SECRET not in listing
    agent.stop()
    assert not files_with(SECRET, tandem.directory)


# ---- while it runs -------------------------------------------------------------------------------


def in_a_password_file(place):
    tandem = place.deploy(place.url(secret=""), {"PGPASSFILE": str(place.password_file())})
    return tandem, place.password_file


def in_a_credentials_file(place):
    place.credentials()
    return place.deploy("", config=place.credentials_config()), place.credentials


@pytest.mark.parametrize("kept", [in_a_password_file, in_a_credentials_file])
def test_a_password_changes_under_a_running_agent(place, kept):
    tandem, keep = kept(place)
    tandem.sync()
    agent = tandem.start()
    place.database.execute("INSERT INTO things VALUES (11, 'before')")
    eventually(lambda: equal(tandem, place.database), 30, "the agent is at work", alive=agent.alive)
    try:
        place.server.execute("ALTER ROLE guarded PASSWORD 'something new'")
        place.server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guarded'")
        agent.wait_for_line("password authentication failed")
        keep("something new")
        place.database.execute("INSERT INTO things VALUES (12, 'after')")
        eventually(lambda: equal(tandem, place.database), 60, "it goes on", alive=agent.alive)
    finally:
        place.server.execute(f"ALTER ROLE guarded PASSWORD '{SECRET}'")
    agent.stop()


def walsender(place):
    return place.database.value("SELECT active_pid FROM pg_replication_slots WHERE database = 'shop'")


def test_a_silence_longer_than_the_server_bears(place):
    """Longer than its wal_sender_timeout, which is set for the session."""
    place.server.reload(wal_sender_timeout="1s")
    tandem = place.deploy(place.url())
    tandem.sync()
    agent = tandem.start()
    try:
        before = eventually(lambda: walsender(place), 20, "it streams", alive=agent.alive)
        time.sleep(5)  # nothing happens
        place.database.execute("INSERT INTO things VALUES (11, 'after a silence')")
        eventually(lambda: equal(tandem, place.database), 20, "the first change", alive=agent.alive)
        assert walsender(place) == before
    finally:
        place.server.reload(wal_sender_timeout="60s")
    agent.stop()


def test_a_connection_that_died_without_a_word(place):
    """What stands between takes every byte and passes none on: the kernel has nothing to notice."""
    proxy = TcpProxy(place.server.port)
    tandem = place.deploy(place.url(port=proxy.port, tcp_user_timeout=1000))
    tandem.sync()
    agent = tandem.start()
    place.database.execute("INSERT INTO things VALUES (11, 'before')")
    eventually(lambda: equal(tandem, place.database), 30, "the agent is at work", alive=agent.alive)
    proxy.forget()
    place.database.execute("INSERT INTO things VALUES (12, 'after')")
    # The server believes its end alive, and the slot in use, for about as long as the agent does.
    eventually(lambda: equal(tandem, place.database), 15 + 30, "it connects anew", alive=agent.alive)
    agent.stop()
    proxy.stop()


def busy_walsender(place):
    """Stops it where it works on something: one that waits for us does not count."""
    working = ("SELECT wait_event_type IS NULL OR wait_event_type NOT IN ('Client', 'Activity')"
               " FROM pg_stat_activity WHERE pid = %s")
    pid = walsender(place)
    place.database.execute("CREATE TABLE unpublished (n int)")

    def stopped():
        place.database.execute("INSERT INTO unpublished SELECT generate_series(1, 300000)")
        os.kill(pid, signal.SIGSTOP)
        if place.database.value(working, pid):
            return pid
        os.kill(pid, signal.SIGCONT)
        return None

    return eventually(stopped, 60, "it works")


def test_a_server_that_is_busy_for_longer_than_a_silence_may_last(place):
    """As one is that passes over a large transaction of which nothing is published."""
    tandem = place.deploy(place.url(tcp_user_timeout=1000))  # so that 15 s are the longest silence
    tandem.sync()
    agent = tandem.start()
    eventually(lambda: walsender(place), 20, "it streams", alive=agent.alive)
    before = busy_walsender(place)
    try:
        place.database.execute("INSERT INTO things VALUES (11, 'meanwhile')")
        time.sleep(25)  # silence is what is tested
        assert walsender(place) == before
    finally:
        os.kill(before, signal.SIGCONT)
    eventually(lambda: equal(tandem, place.database), 20, "it goes on", alive=agent.alive)
    assert walsender(place) == before
    agent.stop()


def test_a_server_that_waits_for_us_and_is_not_heard(place):
    """Its process is there, and would have answered."""
    tandem = place.deploy(place.url(tcp_user_timeout=1000))
    tandem.sync()
    agent = tandem.start()
    before = eventually(lambda: walsender(place), 20, "it streams", alive=agent.alive)
    idle = "SELECT wait_event_type IN ('Client', 'Activity') FROM pg_stat_activity WHERE pid = %s"
    eventually(lambda: place.database.value(idle, before), 20, "it waits")
    os.kill(before, signal.SIGSTOP)
    try:
        agent.wait_for_line("has said nothing for 15 s", 40)
    finally:
        os.kill(before, signal.SIGCONT)
    place.database.execute("INSERT INTO things VALUES (11, 'after')")
    eventually(lambda: equal(tandem, place.database), 40, "it connects anew", alive=agent.alive)
    agent.stop()

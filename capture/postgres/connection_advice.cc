#include "capture/postgres/connection_advice.h"

#include <libpq-fe.h>

namespace tandem::capture::postgres {

std::string advice(const std::string& sqlstate) {
  const std::string kind = sqlstate.substr(0, 2);
  if (kind == "28") return "check user, password and the server's pg_hba.conf";
  if (sqlstate == "3D000") return "name an existing database in `source.url`";
  if (sqlstate == "42501") return "grant what is missing; `tandem check` lists what is needed";
  if (sqlstate == "53300") return "raise max_connections, or end other sessions";
  if (sqlstate == "53400") return "raise max_replication_slots and max_wal_senders";
  if (sqlstate == "55006") return "end who holds it, or name another in `source.slot`";
  if (kind == "57") return "nothing to do if the server comes back: Tandem tries again";
  return "see the server's log; `tandem check` says what is missing";
}

// What helps with a connection that came to nothing, which libpq tells of in English here.
std::string advice_on_connecting(pg_conn* connection, const std::string& why,
                                 const ServerAddress& address) {
  auto says = [&](const char* word) { return why.find(word) != std::string::npos; };
  if (PQconnectionNeedsPassword(connection) != 0) {
    if (!address.ignored_password_file.empty()) {
      return "`chmod 600 " + address.ignored_password_file +
             "`: while others may read this file of passwords, it counts as absent";
    }
    return "give the password in .pgpass, PGPASSWORD or `source.credentials`";
  }
  if (says("certificate") || says("SSL") || says("channel binding")) {
    return "correct sslmode, sslrootcert, sslcert and sslkey in `source.url`, or the server's "
           "certificate and pg_hba.conf";
  }
  if (says("password authentication failed")) return "correct user and password";
  // It stays set where the password was right and something else was not, and other servers speak
  // other languages.
  if (PQconnectionUsedPassword(connection) != 0) {
    return "correct `source.url` (user, password, database) or the server's settings; `tandem "
           "check` tries again";
  }
  if (says("FATAL")) {
    return "correct `source.url` or the server's settings; `tandem check` tries again";
  }
  return "start the server, or correct host and port in `source.url`";
}

}  // namespace tandem::capture::postgres

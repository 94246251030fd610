// Which PostgreSQL server to talk to, from a libpq connection string, what libpq itself finds
// (environment, .pgpass, service file), and a section of an AWS-style credentials file.
//
// Plain values; a password in them is for libpq alone and never part of `shown`.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace tandem::capture::postgres {

/// A section of an INI file with the keys pg_host, pg_port, pg_user, pg_password (and pg_database).
struct CredentialsSection {
  std::string file;  // "" for none; a leading ~/ is the home directory
  std::string section = "postgres-creds";
};

struct ServerAddress {
  std::vector<std::pair<std::string, std::string>> parameters;  // libpq's keywords and values
  std::string shown;     // "tandem@db.example:5432/shop", for messages
  std::string database;  // its name
  /// A password file that libpq takes nothing from, since others than its owner may read it; "" if
  /// there is none.
  std::string ignored_password_file;
  /// What answers for the server on its way may live when the path behind it is dead: who was asked
  /// and says nothing for so long counts as lost. Twice tcp_user_timeout.
  std::chrono::milliseconds longest_silence{60'000};
};

/// What the connection string names wins over the section, the section over what libpq finds, and
/// that over limits of time of our own. Throws Error if one of the files can't be read or the
/// string can't; the message quotes no value.
ServerAddress read_address(const std::string& url, const CredentialsSection& credentials);

}  // namespace tandem::capture::postgres

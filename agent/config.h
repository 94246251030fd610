// The config: what LANGUAGE calls the YAML file, as plain structs.
//
// load_config() reads a file, parse_config() a text. Both fill in defaults and the environment, and
// throw ConfigError with every mistake of the file at once; the caller turns it into exit status 2.
// check_config() then holds the documents against the source's real tables. Relative paths are left
// as written: they count from the directory in which the process was started. Threads: free
// functions without shared state; a Config is a value.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/postgres/server_address.h"
#include "capture/source.h"
#include "sink/document.h"
#include "sink/document_spec.h"
#include "sink/target.h"
#include "state/error.h"

namespace tandem::agent {

enum class SourceType : std::uint8_t { kSqlite, kPostgres };
enum class LogType : std::uint8_t { kEmbedded, kKafka };
enum class TargetType : std::uint8_t { kLocal, kDynamodb };

struct SourceConfig {
  SourceType type = SourceType::kSqlite;
  std::string path;  // of SQLite: the file
  std::string url;   // of PostgreSQL: a libpq connection string. A secret: print shown_source()
  capture::postgres::CredentialsSection credentials;  // of PostgreSQL: what the url leaves open
  std::string slot;                                   // of PostgreSQL; tandem_<pipeline> by default
  std::string publication;                            // of PostgreSQL; tandem_<pipeline> by default
  int snapshot_tables = 2;  // of PostgreSQL: how many tables are read at the same time
  std::chrono::milliseconds heartbeat{10'000};  // how often an idle source leaves a position
  std::map<std::string, capture::TableRequest> tables;  // settings of single tables, by name
};

struct LogConfig {
  LogType type = LogType::kEmbedded;
  std::chrono::seconds retention_age{7 * 24 * 3600};
  std::uint64_t retention_size = 10'000'000'000;
  std::vector<std::string> brokers;  // of Kafka
  std::string topic;                 // of Kafka; the pipeline's name by default
  int replication = -1;  // of topics that init makes; -1: as many as the cluster's default says
  std::map<std::string, std::string> settings;  // of the topic that init makes; they win over ours
  std::map<std::string, std::string> properties;  // librdkafka's own; may hold secrets
  bool tombstones = false;                        // of Kafka, behind the delete of a row
};

struct TargetConfig {
  TargetType type = TargetType::kLocal;
  std::string path;      // of a local target: the file
  std::string region;    // of DynamoDB; "": from AWS_REGION
  std::string endpoint;  // of DynamoDB; "": AWS itself
  sink::TargetOptions options;
  /// `billing` is in each table's units. key_types and index_types are filled by check_config().
  std::vector<sink::TargetTable> tables;
};

struct Config {
  std::string file;  // as it was named, for messages
  std::string name;  // of the pipeline
  SourceConfig source;
  LogConfig log;
  std::string state = ".tandem";  // a directory
  TargetConfig target;
  std::vector<sink::DocumentSpec> documents;
  std::vector<sink::Mistake> warnings;  // that check_config() found
  std::map<std::string, int> lines;     // "target.tables.Orders" -> the line of that key

  /// The line of the key, or of the nearest key above it that is in the file; 0 if none is.
  int line_of(std::string key) const;
};

/// Every mistake of a config. what() has one line for each: `file:line: key: text`.
class ConfigError : public state::Error {
 public:
  /// `read`: what could be read all the same, so that a caller can look for further mistakes.
  ConfigError(std::string file, std::vector<sink::Mistake> mistakes,
              std::shared_ptr<const Config> read = nullptr);
  const std::shared_ptr<const Config>& read() const { return read_; }
  const char* what() const noexcept override { return lines_.c_str(); }
  const std::vector<sink::Mistake>& mistakes() const { return mistakes_; }

 private:
  std::vector<sink::Mistake> mistakes_;
  std::shared_ptr<const Config> read_;
  std::string lines_;
};

/// Throws ConfigError, also when the file cannot be read.
Config load_config(const std::string& path);
/// `environment` finds a variable's value, or null. Throws ConfigError.
using Environment = std::function<const char*(const std::string& name)>;
Config parse_config(std::string_view text, const std::string& file, const Environment& environment);
/// With the process's own environment.
Config parse_config(std::string_view text, const std::string& file);

/// Holds the documents against the source's tables and fills the key and index types of the
/// target's tables. Returns every mistake, sorted by line; the config is right if there is none.
std::vector<sink::Mistake> check_config(Config& config, const sink::SchemaLookup& lookup,
                                        const std::vector<std::string>& known_tables);
/// The same over a catalog: tables that cannot be captured are mistakes too.
std::vector<sink::Mistake> check_config(Config& config, const capture::Catalog& catalog);

/// The source tables that documents read, with the settings of `source.tables`, each once, sorted
/// by name: what capture has to capture.
std::vector<capture::TableRequest> captured_tables(const Config& config);

/// The source for messages: the file, or the connection string without its secrets.
std::string shown_source(const SourceConfig& source);

/// A PostgreSQL connection string rather than a file's name?
bool is_connection_string(std::string_view text);

/// The text with passwords in it (of URLs and of `password=…`) replaced by `***`.
std::string mask_secrets(std::string_view text);

}  // namespace tandem::agent

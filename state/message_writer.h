// Records as messages in Debezium's JSON. Drawn in message_writer.cc, read by message_reader.h.
//
// One thread. Errors: a change of a table whose schema is not known. A record may become several
// messages; the last one's offset is the record's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "state/message.h"
#include "state/record.h"

namespace tandem::state {

/// What `source` says of every row.
struct MessageOrigin {
  std::string connector;  // "postgresql" or "sqlite"
  std::string name;       // of the pipeline
  std::string database;
  std::string version;  // of Tandem
};

class MessageWriter {
 public:
  explicit MessageWriter(MessageOrigin origin);

  /// What is known before the first record.
  void know(const TableSchema& schema);
  /// Appends the messages of a whole batch, the first of which is to lie at `first`.
  void write(const Batch& batch, const std::string& identity, Offset first);
  /// Appends the message that begins a log.
  void write_log(const std::string& identity);
  const std::vector<OutgoingMessage>& messages() const { return messages_; }
  std::string_view key(const OutgoingMessage& message) const;
  std::string_view value(const OutgoingMessage& message) const;
  /// Forgets the messages, keeps what is known.
  void clear();

 private:
  // A table's parts that every message of its repeats.
  struct Table {
    TableSchema schema;
    std::vector<std::string> names;  // `"name":` of each column
    std::string source;              // the end of `source`, from its database on
    std::string collection;          // its name in counts, as a JSON string
  };
  struct Transaction {
    SourcePosition position;
    std::int64_t ts_ms = 0;
    std::int64_t total = 0;
    std::map<std::string, std::int64_t> counts;  // by Table::collection
  };

  void write(const Epoch& record);
  void write(const Begin& record);
  void write(const Change& change, const std::string& table);
  void write(const Chunk& chunk, const std::string& table);
  void write(const SchemaRecord& record);
  void write(const End& record);
  void write(const Heartbeat& record);
  void write(const Gap& record);

  const Table& table(const std::string& name) const;
  void begin_message();
  void begin_value();
  void end_message();
  void own_message(std::string_view kind);
  void place();
  std::string key_object(const Table& table, const Row& key) const;
  void row_object(const Table& table, const Row& row);
  void row_of_key(const Table& table, const Row& key);
  void value_in(const Table& table, std::size_t column, const Value& value);
  void row_message(const Table& table, char op, const Row& key, const Row* after);
  void transaction_id();

  const MessageOrigin origin_;
  std::string source_;  // the start of `source`
  std::unordered_map<std::string, Table> tables_;
  Transaction transaction_;
  std::uint64_t epoch_ = 0;
  std::string identity_;
  Offset first_ = 0;  // of messages_

  std::string bytes_;
  std::string forms_;                   // of the row that is being written
  std::optional<std::uint32_t> above_;  // of its change
  std::vector<OutgoingMessage> messages_;
  std::size_t record_ = 0;  // of the batch, while it is written
};

}  // namespace tandem::state

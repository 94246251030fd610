// Records as messages in Debezium's JSON. Drawn in message_writer.cc, read by message_reader.h.
//
// One thread. Errors: a change of a table whose schema is not known; a row whose key is larger than
// a message may be. A record may become several messages; the last one's offset is the record's.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "state/message.h"
#include "state/record.h"
#include "state/table_messages.h"

namespace tandem::state {

class MessageWriter {
 public:
  /// `tombstones`: behind the message of a row that is gone comes one without a value.
  explicit MessageWriter(MessageOrigin origin, bool tombstones = false);

  /// How many bytes a message may have, its key and its headers included: what has more is cut.
  void limit(std::size_t bytes) { limit_ = bytes; }
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
  struct Table {
    std::optional<TableMessages> messages;  // nothing: its columns are not known
    std::int64_t count = 0;                 // of messages in the transaction
    std::uint64_t counted_in = 0;           // TransactionParts::number
  };
  struct RowMessage {
    char op = 'u';
    const Row* key = nullptr;    // of a row that is gone
    const Row* after = nullptr;  // of one that is there
    std::optional<std::uint32_t> above = std::nullopt;
    std::optional<MessageHeader> header = std::nullopt;
  };

  void write(const Epoch& record);
  void write(const Begin& record);
  void write(const Change& change);
  void write(const Chunk& chunk);
  void write(const SchemaRecord& record);
  void write(const End& record);
  void write(const Heartbeat& record);
  void write(const Gap& record);

  Table& table(std::uint32_t index);
  void begin_message(std::optional<MessageHeader> header);
  void begin_own(std::string_view kind);
  void end_own();
  void place();
  void row_message(Table& table, const RowMessage& row);
  void put_row(Table& table, const RowMessage& row, std::size_t longest, std::size_t parts);
  void tombstone();
  std::size_t size_of(const OutgoingMessage& message) const;
  std::size_t cut();

  const MessageOrigin origin_;
  const bool tombstones_;
  std::size_t limit_ = std::numeric_limits<std::size_t>::max();
  std::unordered_map<std::string, Table> tables_;

  // Of the transaction that is being written.
  TransactionParts transaction_;
  SourcePosition position_;
  std::string id_;  // as a member
  std::int64_t ts_ms_ = 0;
  std::int64_t total_ = 0;
  std::vector<const Table*> counted_;

  // Of the batch that is being written.
  const Batch* batch_ = nullptr;
  std::vector<Table*> batch_tables_;  // by Change::table; null: not looked up yet
  std::string written_;               // the end of each row's message
  std::string identity_;
  Offset first_ = 0;  // of messages_
  std::uint64_t epoch_ = 0;
  std::size_t record_ = 0;

  std::string bytes_;
  std::string forms_;  // of the row that is being written
  std::vector<OutgoingMessage> messages_;
};

}  // namespace tandem::state

// A message of a Kafka topic, as records become ones and are read from ones: docs/kafka-log.md,
// "Messages". Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::state {

/// What `source` says of every row.
struct MessageOrigin {
  std::string connector;  // "postgresql" or "sqlite"
  std::string name;       // of the pipeline
  std::string database;
  std::string version;  // of Tandem
};

/// The header that only our own records carry, by which other tools leave them out.
inline constexpr char kRecordHeader[] = "tandem.record";
/// Its value on a part of a message that is too large for one.
inline constexpr char kPart[] = "part";
/// On the two messages of a change that moves a row to another key, as Debezium has them.
inline constexpr char kNewKeyHeader[] = "__debezium.newkey";
inline constexpr char kOldKeyHeader[] = "__debezium.oldkey";

struct MessageHeader {
  std::string_view name;
  std::string value;
};

/// To be sent: key and value lie in the bytes of MessageWriter. Most have no header, none has two.
struct OutgoingMessage {
  std::size_t key = 0, value = 0, end = 0;  // where each begins; no key: key == value
  bool has_value = true;
  std::optional<MessageHeader> header;
  std::size_t record = 0;  // index in the batch
};

/// As it was read; the views end with the message.
struct IncomingMessage {
  std::optional<std::string_view> key, value;
  std::string_view record;   // of kRecordHeader; empty: none
  std::string_view old_key;  // of kOldKeyHeader
  bool has_new_key = false;  // of kNewKeyHeader
};

}  // namespace tandem::state

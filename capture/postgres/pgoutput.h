// The messages of logical replication: the frames of the stream and, within them, pgoutput's.
//
// A message is a view into the bytes it was read from and lives as long as they do. Parsing throws
// Error on bytes that are not what the protocol says ("Streaming Replication Protocol" and "Logical
// Replication Message Formats" of PostgreSQL's documentation). Plain functions, no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tandem::capture::postgres {

/// A byte position in the write-ahead log.
using Lsn = std::uint64_t;
std::string to_text(Lsn lsn);          // "16/B374D848"
Lsn parse_lsn(std::string_view text);  // throws Error

/// Microseconds since 2000 to milliseconds since 1970, and what is left of them.
std::int64_t unix_ms(std::int64_t server_time);
std::uint32_t micros_beyond_ms(std::int64_t server_time);

struct Frame {
  enum class Kind { kData, kKeepalive } kind = Kind::kData;
  Lsn end = 0;            // of kKeepalive: everything before it has been sent
  bool reply = false;     // of kKeepalive: the server wants an answer at once
  std::string_view data;  // of kData: one pgoutput message
};
Frame parse_frame(std::string_view bytes);

/// What the client answers: it holds everything before `durable`. `reply`: and wants an answer.
std::string status_update(Lsn durable, std::int64_t unix_us, bool reply);

/// The columns of one row as sent. Read them in order.
class Tuple {
 public:
  Tuple() = default;
  Tuple(std::string_view bytes, int columns) : bytes_(bytes), columns_(columns) {}
  int columns() const { return columns_; }
  bool present() const { return columns_ >= 0; }

  enum class Kind : char { kNull = 'n', kUnchanged = 'u', kText = 't' };
  struct Field {
    Kind kind = Kind::kNull;
    std::string_view text;
  };
  /// Precondition: called at most columns() times.
  Field next();

 private:
  std::string_view bytes_;
  int columns_ = -1;
};

struct BeginMessage {
  Lsn commit = 0;  // where the commit record starts
  std::int64_t time = 0;
  std::uint32_t xid = 0;
};
struct CommitMessage {
  Lsn end = 0;  // behind the commit record
};
struct RelationMessage {
  struct Column {
    bool identity = false;  // part of the replica identity
    std::string name;
    std::uint32_t type = 0;
    std::int32_t modifier = -1;
    friend bool operator==(const Column&, const Column&) = default;
  };
  std::uint32_t oid = 0;
  std::string schema, name;
  char identity = 'd';  // pg_class.relreplident
  std::vector<Column> columns;
  friend bool operator==(const RelationMessage&, const RelationMessage&) = default;
};
struct RowMessage {
  enum class Op { kInsert, kUpdate, kDelete } op = Op::kInsert;
  std::uint32_t relation = 0;
  Tuple before;  // the identity's columns, or all of them (whole_before)
  bool whole_before = false;
  Tuple after;
};
struct TruncateMessage {
  std::vector<std::uint32_t> relations;
};
/// Of pg_logical_emit_message.
struct LogicalMessage {
  bool transactional = false;
  std::string_view prefix, content;
};
/// Type, origin and what later versions may add: nothing to do.
struct OtherMessage {};

using Message = std::variant<BeginMessage, CommitMessage, RelationMessage, RowMessage,
                             TruncateMessage, LogicalMessage, OtherMessage>;
Message parse_message(std::string_view data);

}  // namespace tandem::capture::postgres

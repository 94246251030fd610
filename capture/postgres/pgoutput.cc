// The bytes, integers highest byte first, texts ended by a zero byte:
//
//   frame    := 'w' u64(start) u64(end) i64(time) message
//             | 'k' u64(end) i64(time) u8(reply)
//   message  := 'B' u64(commit) i64(time) u32(xid)
//             | 'C' u8(0) u64(commit) u64(end) i64(time)
//             | 'R' u32(oid) text(schema) text(name) u8(identity)
//                   u16(n) n*(u8(flags) text(name) u32(type) i32(modifier))
//             | 'I' u32(oid) 'N' tuple
//             | 'U' u32(oid) [('K' | 'O') tuple] 'N' tuple
//             | 'D' u32(oid) ('K' | 'O') tuple
//             | 'T' u32(n) u8(options) n*u32(oid)
//             | 'M' u8(flags) u64(position) text(prefix) u32(size) bytes
//             | 'Y' … | 'O' …                        type, origin: not read
//   tuple    := u16(n) n*('n' | 'u' | 't' u32(size) bytes)
//   status   := 'r' u64(written) u64(flushed) u64(applied) i64(time) u8(reply)
#include "capture/postgres/pgoutput.h"

#include <charconv>
#include <cstdio>

#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

// 2000-01-01 in Unix time.
constexpr std::int64_t kEpochUs = 946'684'800'000'000;

// Of a column in a description of a relation: flags, an empty name, type and modifier.
constexpr std::uint64_t kLeastColumn = 10;

[[noreturn]] void damaged(const char* what) {
  throw state::Error(std::string("the server sent a message that is not one: ") + what,
                     "the replication stream", "start again; if it comes again, report it");
}

class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}

  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) damaged("it is cut off");
    std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  char byte() { return take(1)[0]; }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (char c : take(size)) value = value << 8U | static_cast<unsigned char>(c);
    return value;
  }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::string_view text() {
    std::size_t size = bytes_.find('\0');
    if (size == std::string_view::npos) damaged("a text has no end");
    std::string_view taken = take(size);
    take(1);
    return taken;
  }
  Tuple tuple() {
    int columns = static_cast<int>(number(2));
    std::string_view whole = bytes_;
    for (int i = 0; i < columns; ++i) {
      char kind = byte();
      if (kind == 't') {
        take(u32());
      } else if (kind != 'n' && kind != 'u') {
        damaged("a column is of an unknown kind");
      }
    }
    return {whole.substr(0, whole.size() - bytes_.size()), columns};
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

RelationMessage relation(Bytes bytes) {
  RelationMessage message;
  message.oid = bytes.u32();
  message.schema = bytes.text();
  message.name = bytes.text();
  message.identity = bytes.byte();
  const std::uint64_t columns = bytes.number(2);
  if (columns * kLeastColumn > bytes.rest().size()) damaged("it is cut off");
  message.columns.resize(columns);
  for (RelationMessage::Column& column : message.columns) {
    column.identity = (bytes.byte() & 1) != 0;
    column.name = bytes.text();
    column.type = bytes.u32();
    column.modifier = static_cast<std::int32_t>(bytes.u32());
  }
  // A schema of "" means the system's own.
  if (message.schema.empty()) message.schema = "pg_catalog";
  return message;
}

RowMessage row(char type, Bytes bytes) {
  RowMessage message;
  message.op = type == 'I'   ? RowMessage::Op::kInsert
               : type == 'U' ? RowMessage::Op::kUpdate
                             : RowMessage::Op::kDelete;
  message.relation = bytes.u32();
  char kind = bytes.byte();
  if (kind == 'K' || kind == 'O') {
    message.whole_before = kind == 'O';
    message.before = bytes.tuple();
    if (type == 'D') return message;
    kind = bytes.byte();
  }
  if (kind != 'N' || type == 'D') damaged("a row is of an unknown kind");
  message.after = bytes.tuple();
  return message;
}

TruncateMessage truncate(Bytes bytes) {
  TruncateMessage message;
  std::uint32_t count = bytes.u32();
  bytes.byte();
  for (std::uint32_t i = 0; i < count; ++i) message.relations.push_back(bytes.u32());
  return message;
}

LogicalMessage logical(Bytes bytes) {
  LogicalMessage message;
  message.transactional = (bytes.byte() & 1) != 0;
  bytes.take(8);
  message.prefix = bytes.text();
  message.content = bytes.take(bytes.u32());
  return message;
}

void put(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xffU);
}

}  // namespace

std::string to_text(Lsn lsn) {
  char text[32];
  std::snprintf(text, sizeof text, "%X/%X", static_cast<unsigned>(lsn >> 32U),
                static_cast<unsigned>(lsn & 0xffffffffU));
  return text;
}

Lsn parse_lsn(std::string_view text) {
  std::size_t slash = text.find('/');
  std::uint32_t high = 0, low = 0;
  auto read = [](std::string_view part, std::uint32_t& into) {
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), into, 16);
    return error == std::errc() && end == part.data() + part.size();
  };
  if (slash == std::string_view::npos || !read(text.substr(0, slash), high) ||
      !read(text.substr(slash + 1), low)) {
    throw state::Error("not a position of the write-ahead log: " + std::string(text), "PostgreSQL",
                       "report this");
  }
  return static_cast<Lsn>(high) << 32U | low;
}

std::int64_t unix_ms(std::int64_t server_time) { return (server_time + kEpochUs) / 1000; }
std::uint32_t micros_beyond_ms(std::int64_t server_time) {
  return static_cast<std::uint32_t>(((server_time + kEpochUs) % 1000 + 1000) % 1000);
}

Frame parse_frame(std::string_view bytes) {
  Bytes rest(bytes);
  char type = rest.byte();
  Frame frame;
  if (type == 'w') {
    rest.take(24);
    frame.data = rest.rest();
  } else if (type == 'k') {
    frame.kind = Frame::Kind::kKeepalive;
    frame.end = rest.number(8);
    rest.take(8);
    frame.reply = rest.byte() != 0;
  } else {
    damaged("a frame is of an unknown kind");
  }
  return frame;
}

std::string status_update(Lsn durable, std::int64_t unix_us, bool reply) {
  std::string out = "r";
  for (int i = 0; i < 3; ++i) put(out, durable);
  put(out, static_cast<std::uint64_t>(unix_us - kEpochUs));
  out += reply ? '\1' : '\0';
  return out;
}

Tuple::Field Tuple::next() {
  Bytes bytes(bytes_);
  Field field;
  field.kind = static_cast<Kind>(bytes.byte());
  if (field.kind == Kind::kText) field.text = bytes.take(bytes.u32());
  bytes_ = bytes.rest();
  return field;
}

Message parse_message(std::string_view data) {
  Bytes bytes(data);
  char type = bytes.byte();
  switch (type) {
    case 'B': {
      BeginMessage message;
      message.commit = bytes.number(8);
      message.time = static_cast<std::int64_t>(bytes.number(8));
      message.xid = bytes.u32();
      return message;
    }
    case 'C': {
      bytes.take(9);
      return CommitMessage{bytes.number(8)};
    }
    case 'R':
      return relation(bytes);
    case 'I':
    case 'U':
    case 'D':
      return row(type, bytes);
    case 'T':
      return truncate(bytes);
    case 'M':
      return logical(bytes);
    case 'Y':
    case 'O':
      return OtherMessage{};
    default:
      damaged("a message is of an unknown kind");
  }
}

}  // namespace tandem::capture::postgres

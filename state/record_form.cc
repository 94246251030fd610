#include "state/record_form.h"

#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "state/error.h"
#include "state/integer_form.h"

// Records as bytes. v is a varint, z a zigzag varint (integer_form.h), u64 is little-endian; text
// is v(size) and its bytes; row is encode_row's form (value.cc); n*X is v(n) and n times X.
//
//   payload    := n*text names of tables, record...
//   record     := 0x01 v(epoch)                                          Epoch
//               | 0x02 position z(ts_ms)                                 Begin
//               | 0x03 v(table) row(from) row(to) n*row(rows) n*row(touched)  Chunk
//               | 0x04 u8(reread) schema                                 Schema
//               | 0x05 checkpoint                                        End
//               | 0x06 checkpoint z(ts_ms)                               Heartbeat
//               | 0x07 text(reason)                                      Gap
//               | 0x10 v(table) row(after)                               Change: create
//               | 0x11 v(table) row(key_before) row(after)               Change: update
//               | 0x12 v(table) row(key_before)                          Change: delete
//               | 0x13 v(table)                                          Change: truncate
//               | 0x14 u8(op) v(table) row(key_before) row(after)        Change: any other shape
//               | 0x15 v(above) u8(op) v(table) row(key_before) row(after)  Change with `above`
//   position   := v(commit) v(ordinal)
//   checkpoint := position n*(text(table) u64(fingerprint) u8(snapshotting) row(next_from))
//                 text(source_state)
//   schema     := text(name) n*column n*v(key) n*(n*v)(unique_keys)
//   column     := text(name) text(declared_type) text(collation) u8(form) u8(generated)
//                 u8(comparison)
namespace tandem::state {
namespace {

constexpr std::uint8_t kEpochTag = 0x01;
constexpr std::uint8_t kBeginTag = 0x02;
constexpr std::uint8_t kChunkTag = 0x03;
constexpr std::uint8_t kSchemaTag = 0x04;
constexpr std::uint8_t kEndTag = 0x05;
constexpr std::uint8_t kHeartbeatTag = 0x06;
constexpr std::uint8_t kGapTag = 0x07;
constexpr std::uint8_t kCreateTag = 0x10;
constexpr std::uint8_t kUpdateTag = 0x11;
constexpr std::uint8_t kDeleteTag = 0x12;
constexpr std::uint8_t kTruncateTag = 0x13;
constexpr std::uint8_t kChangeTag = 0x14;
constexpr std::uint8_t kSharedKeyTag = 0x15;

// Which parts a change of this shape has.
bool tells_op(std::uint8_t tag) { return tag == kChangeTag || tag == kSharedKeyTag; }
bool tells_before(std::uint8_t tag) {
  return tag == kUpdateTag || tag == kDeleteTag || tells_op(tag);
}
bool tells_after(std::uint8_t tag) {
  return tag == kCreateTag || tag == kUpdateTag || tells_op(tag);
}

// What could be written but never be read again is refused before it is durable.
void refuse_dangling(bool dangling, const char* what) {
  if (dangling) throw Error(what, "", "this is a fault in Tandem; please report it");
}

}  // namespace

void RecordWriter::tables(const std::vector<std::string>& names) {
  table_count_ = names.size();
  number(names.size());
  for (const std::string& name : names) text(name);
}

void RecordWriter::record(const Record& record) {
  std::visit([this](const auto& alternative) { write(alternative); }, record);
}

void RecordWriter::write(const Epoch& record) {
  byte(kEpochTag);
  number(record.epoch);
}

void RecordWriter::write(const Begin& record) {
  byte(kBeginTag);
  position(record.position);
  number(to_zigzag(record.ts_ms));
}

void RecordWriter::write(const Change& record) {
  bool before = !record.key_before.empty();
  bool after = !record.after.empty();
  std::uint8_t tag = kChangeTag;
  if (record.above) {
    tag = kSharedKeyTag;
  } else if (record.op == Op::kCreate && !before) {
    tag = kCreateTag;
  } else if (record.op == Op::kUpdate) {
    tag = kUpdateTag;
  } else if (record.op == Op::kDelete && !after) {
    tag = kDeleteTag;
  } else if (record.op == Op::kTruncate && !before && !after) {
    tag = kTruncateTag;
  }
  byte(tag);
  if (record.above) number(*record.above);
  if (tells_op(tag)) byte(static_cast<std::uint8_t>(record.op));
  table(record.table);
  if (tells_before(tag)) row(record.key_before);
  if (tells_after(tag)) row(record.after);
}

void RecordWriter::write(const Chunk& record) {
  byte(kChunkTag);
  table(record.table);
  row(record.from);
  row(record.to);
  rows(record.rows);
  rows(record.touched);
}

void RecordWriter::write(const SchemaRecord& record) {
  byte(kSchemaTag);
  byte(record.reread ? 1 : 0);
  schema(record.schema);
}

void RecordWriter::write(const End& record) {
  byte(kEndTag);
  checkpoint(record.checkpoint);
}

void RecordWriter::write(const Heartbeat& record) {
  byte(kHeartbeatTag);
  checkpoint(record.checkpoint);
  number(to_zigzag(record.ts_ms));
}

void RecordWriter::write(const Gap& record) {
  byte(kGapTag);
  text(record.reason);
}

void RecordWriter::number(std::uint64_t value) { put_varint(out_, value); }

void RecordWriter::fixed64(std::uint64_t value) {
  char bytes[8];
  set_fixed64(bytes, value);
  out_.append(bytes, sizeof bytes);
}

void RecordWriter::text(std::string_view bytes) {
  number(bytes.size());
  out_.append(bytes);
}

void RecordWriter::row(const Row& values) {
  values_ += values.size();
  encode_row(values, out_);
}

void RecordWriter::table(std::uint32_t index) {
  refuse_dangling(index >= table_count_, "a record refers to a table that its batch does not name");
  number(index);
}

void RecordWriter::rows(const std::vector<Row>& all) {
  number(all.size());
  for (const Row& one : all) row(one);
}

void RecordWriter::position(const SourcePosition& position) {
  number(position.commit);
  number(position.ordinal);
}

void RecordWriter::checkpoint(const Checkpoint& checkpoint) {
  position(checkpoint.position);
  number(checkpoint.tables.size());
  for (const TableProgress& progress : checkpoint.tables) {
    text(progress.table);
    fixed64(progress.fingerprint);
    byte(progress.snapshotting ? 1 : 0);
    row(progress.next_from);
  }
  text(checkpoint.source_state);
}

void RecordWriter::indexes(const std::vector<int>& all, std::size_t limit) {
  number(all.size());
  for (int index : all) {
    auto value = static_cast<std::uint64_t>(index);
    refuse_dangling(value >= limit, "a key refers to a column that its schema does not have");
    number(value);
  }
}

void RecordWriter::schema(const TableSchema& schema) {
  text(schema.name);
  number(schema.columns.size());
  for (const Column& column : schema.columns) {
    text(column.name);
    text(column.declared_type);
    text(column.collation);
    byte(static_cast<std::uint8_t>(column.form));
    byte(column.generated ? 1 : 0);
    byte(static_cast<std::uint8_t>(column.comparison));
  }
  indexes(schema.key, schema.columns.size());
  number(schema.unique_keys.size());
  for (const std::vector<int>& key : schema.unique_keys) indexes(key, schema.columns.size());
}

void throw_damaged(const std::string& what, const std::string& where) {
  throw Error("a block of the log is damaged (" + what + ")", where,
              "check the disk; `tandem reset --confirm` and a new sync repair the state");
}

void RecordParser::damaged(const char* what) const { throw_damaged(what, where_); }

std::uint64_t RecordParser::number() {
  std::optional<std::uint64_t> taken = take_varint(bytes_);
  if (!taken) damaged("a number is cut off");
  return *taken;
}

std::uint8_t RecordParser::byte() { return static_cast<std::uint8_t>(take(1)[0]); }

std::uint64_t RecordParser::fixed64() { return get_fixed64(take(8)); }

std::string_view RecordParser::take(std::uint64_t size) {
  if (size > bytes_.size()) damaged("it ends too early");
  std::string_view taken = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return taken;
}

std::string RecordParser::text() { return std::string(take(number())); }
// Each element of what is counted takes at least one byte.
std::size_t RecordParser::count() {
  std::uint64_t counted = number();
  if (counted > bytes_.size()) damaged("a count is too large");
  return counted;
}

std::vector<std::string> RecordParser::tables() {
  std::vector<std::string> names(count());
  for (std::string& name : names) name = text();
  table_count_ = names.size();
  return names;
}

Record RecordParser::record() {
  switch (std::uint8_t tag = byte()) {
    case kEpochTag:
      return Epoch{number()};
    case kBeginTag: {
      SourcePosition at = position();
      return Begin{at, from_zigzag(number())};
    }
    case kChunkTag:
      return chunk();
    case kSchemaTag: {
      bool reread = flag();
      return SchemaRecord{schema(), reread};
    }
    case kEndTag:
      return End{checkpoint()};
    case kHeartbeatTag: {
      Checkpoint at = checkpoint();
      return Heartbeat{std::move(at), from_zigzag(number())};
    }
    case kGapTag:
      return Gap{text()};
    case kCreateTag:
    case kUpdateTag:
    case kDeleteTag:
    case kTruncateTag:
    case kChangeTag:
    case kSharedKeyTag:
      return change(tag);
    default:
      damaged("an unknown record");
  }
}

Record RecordParser::change(std::uint8_t tag) {
  Record made(std::in_place_type<Change>);
  Change& change = std::get<Change>(made);
  if (tag == kSharedKeyTag) {
    const std::uint64_t above = number();
    if (above > std::numeric_limits<std::uint32_t>::max()) damaged("too many rows on one key");
    change.above = static_cast<std::uint32_t>(above);
  }
  std::uint8_t op = tells_op(tag) ? byte() : static_cast<std::uint8_t>(tag - kCreateTag);
  if (op > static_cast<std::uint8_t>(Op::kTruncate)) damaged("an unknown operation");
  change.op = static_cast<Op>(op);
  change.table = table();
  if (tells_before(tag)) change.key_before = row();
  if (tells_after(tag)) change.after = row();
  return made;
}

Chunk RecordParser::chunk() {
  Chunk chunk;
  chunk.table = table();
  chunk.from = row();
  chunk.to = row();
  chunk.rows = rows();
  chunk.touched = rows();
  return chunk;
}

bool RecordParser::flag() {
  std::uint8_t value = byte();
  if (value > 1) damaged("a flag is neither 0 nor 1");
  return value == 1;
}

std::uint32_t RecordParser::table() {
  std::uint64_t index = number();
  if (index >= table_count_) damaged("an unknown table");
  return static_cast<std::uint32_t>(index);
}

Row RecordParser::row() {
  try {
    return decode_row_prefix(bytes_);
  } catch (const Error&) {
    damaged("a row is malformed");
  }
}

std::vector<Row> RecordParser::rows() {
  std::size_t counted = count();
  std::vector<Row> all;
  all.reserve(counted);
  for (std::size_t i = 0; i < counted; ++i) all.push_back(row());
  return all;
}

SourcePosition RecordParser::position() {
  std::uint64_t commit = number();
  return {commit, number()};
}

Checkpoint RecordParser::checkpoint() {
  Checkpoint checkpoint;
  checkpoint.position = position();
  checkpoint.tables.resize(count());
  for (TableProgress& progress : checkpoint.tables) {
    progress.table = text();
    progress.fingerprint = fixed64();
    progress.snapshotting = flag();
    progress.next_from = row();
  }
  checkpoint.source_state = text();
  return checkpoint;
}

std::vector<int> RecordParser::indexes(std::size_t limit) {
  std::vector<int> all(count());
  for (int& index : all) {
    std::uint64_t value = number();
    if (value >= limit) damaged("an unknown column");
    index = static_cast<int>(value);
  }
  return all;
}

TableSchema RecordParser::schema() {
  TableSchema schema;
  schema.name = text();
  schema.columns.resize(count());
  for (Column& column : schema.columns) {
    column.name = text();
    column.declared_type = text();
    column.collation = text();
    std::uint8_t form = byte();
    if (form > static_cast<std::uint8_t>(ColumnForm::kArray)) damaged("an unknown form");
    column.form = static_cast<ColumnForm>(form);
    column.generated = flag();
    std::uint8_t comparison = byte();
    if (comparison > static_cast<std::uint8_t>(Comparison::kOrder)) {
      damaged("an unknown comparison");
    }
    column.comparison = static_cast<Comparison>(comparison);
  }
  schema.key = indexes(schema.columns.size());
  schema.unique_keys.resize(count());
  for (std::vector<int>& key : schema.unique_keys) key = indexes(schema.columns.size());
  return schema;
}

}  // namespace tandem::state

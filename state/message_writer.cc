#include "state/message_writer.h"

#include <chrono>
#include <utility>
#include <variant>

#include "state/base64.h"
#include "state/error.h"
#include "state/json_text.h"
#include "state/record_json.h"

// Values of messages (v: a value as in json_value.h; w: one that says its own form; pos: [commit,
// ordinal]):
//
//   change, row of a chunk
//     {"before":ROW|null,"after":ROW|null,
//      "source":{"version":…,"connector":…,"name":…,"ts_ms":…,"ts_us":…,"ts_ns":…,
//                "db":…,"schema":…,"table":…,"txId":…,"lsn":commit,"epoch":…,
//                "snapshot":"false"|"incremental","above":…,"forms":{column:form,…},
//                "tombstone":true,"parts":N},
//      "transaction":{"id":"commit:ordinal","total_order":…,"data_collection_order":…},
//      "op":"c"|"u"|"d"|"r"|"t","ts_ms":…,"ts_us":…,"ts_ns":…}
//     ROW is {column:v,…} of all columns in their order; `before` of a delete has values in the
//     key's columns alone. The message's key is {column:v,…} of the key's columns in their order.
//     SQLite: no schema, and `seq` in place of txId and lsn. `above`, `forms`, `tombstone` (one
//     follows) and `parts` are there only where there is something to say.
//   begin     {"status":"BEGIN","id":…,"ts_ms":…,"event_count":null,"data_collections":null,
//              "position":pos,"micros":…,"xid":…,PLACE}
//   end       {"status":"END","id":…,"ts_ms":…,"event_count":…,
//              "data_collections":[{"data_collection":…,"event_count":…},…],CHECKPOINT,PLACE}
//   chunk     {"table":w,"from":[w,…],"to":[w,…],"rows":…,"touched":[[w,…],…],PLACE}
//   schema    {"reread":…,"tableChanges":[{"type":"CREATE"|"DROP","id":w,"table":{"columns":
//              [{"name":w,"typeName":w,"collation":w,"form":…,"generated":…,"comparison":…},…],
//              "primaryKeyColumnNames":[w,…],"key":[…],"uniqueKeys":[[…],…]}}],PLACE}
//   heartbeat {"ts_ms":…,CHECKPOINT,PLACE}
//   epoch     {PLACE}
//   gap       {"reason":w,PLACE}
//   log       {"log":…}
//   part      {"part":n,"data":base64,PLACE}, n from 0 on: a piece of the value of the message that
//             comes behind the last part. That one says "parts":N and nothing else but PLACE, or is
//             a row's with its long values left out; what counts are the N pieces.
//   CHECKPOINT := "position":pos,"tables":[{"table":w,"fingerprint":…,"snapshotting":…,
//              "next_from":[w,…]},…],"source_state":base64
//   PLACE := "epoch":…,"offset":…,"log":…
//   w := null | number | true | "text" | {form:"…"}
namespace tandem::state {
namespace {

// What a message has beside its key, its value and its header's, at most.
constexpr std::size_t kAround = 256;
// PLACE and what else stands around the data of a part.
constexpr std::size_t kAroundData = 256;
// Values of a row that is cut: which of them are left out, and which where that is not enough.
constexpr std::size_t kLong = 1024, kShort = 24;

// A thousand times the number, and some more. What overflows was no time.
std::int64_t thousandfold(std::int64_t number, std::uint32_t more = 0) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(number) * 1000 + more);
}

// "ts_ms":…,"ts_us":…,"ts_ns":…
void append_times(std::int64_t microseconds, std::string& out) {
  append_member("ts_ms", microseconds / 1000, out);
  out += ',';
  append_member("ts_us", microseconds, out);
  out += ',';
  append_member("ts_ns", thousandfold(microseconds), out);
}

}  // namespace

MessageWriter::MessageWriter(MessageOrigin origin, bool tombstones)
    : origin_(std::move(origin)), tombstones_(tombstones) {}

void MessageWriter::know(const TableSchema& schema) {
  tables_[schema.name].messages.emplace(origin_, schema);
}

void MessageWriter::write(const Batch& batch, const std::string& identity, Offset first) {
  batch_ = &batch;
  batch_tables_.assign(batch.tables.size(), nullptr);
  identity_ = identity;
  first_ = first;
  written_ = ',';
  append_times(std::chrono::duration_cast<std::chrono::microseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count(),
               written_);
  written_ += '}';
  for (record_ = 0; record_ < batch.records.size(); ++record_) {
    std::visit([&](const auto& record) { write(record); }, batch.records[record_]);
  }
  batch_ = nullptr;
}

std::string_view MessageWriter::key(const OutgoingMessage& message) const {
  return std::string_view(bytes_).substr(message.key, message.value - message.key);
}

std::string_view MessageWriter::value(const OutgoingMessage& message) const {
  return std::string_view(bytes_).substr(message.value, message.end - message.value);
}

void MessageWriter::clear() {
  bytes_.clear();
  messages_.clear();
}

MessageWriter::Table& MessageWriter::table(std::uint32_t index) {
  Table*& found = batch_tables_.at(index);
  const std::string& name = batch_->tables[index];
  if (found == nullptr) found = &tables_[name];
  if (!found->messages) {
    throw Error("a change of a table whose columns the log does not tell", name,
                "this is a fault in Tandem; please report it");
  }
  if (std::exchange(found->counted_in, transaction_.number) != transaction_.number) {
    found->count = 0;
    counted_.push_back(found);
  }
  return *found;
}

void MessageWriter::begin_message(std::optional<MessageHeader> header) {
  OutgoingMessage& message = messages_.emplace_back();
  message.key = message.value = bytes_.size();
  message.header = std::move(header);
  message.record = record_;
}

std::size_t MessageWriter::size_of(const OutgoingMessage& message) const {
  return message.end - message.key + (message.header ? message.header->value.size() : 0) + kAround;
}

// Puts the value of the last message, which is too large, into parts in its place.
std::size_t MessageWriter::cut() {
  const OutgoingMessage large = std::move(messages_.back());
  const std::string whole(value(large));
  messages_.pop_back();
  bytes_.resize(large.key);
  if (limit_ < 2 * (kAround + kAroundData)) {
    throw Error("the topic takes no message of more than " + std::to_string(limit_) + " bytes",
                origin_.name, "raise max.message.bytes of the topic");
  }
  const std::size_t piece = (limit_ - kAround - kAroundData) / 4 * 3;
  std::size_t parts = 0;
  for (std::size_t at = 0; at < whole.size(); at += piece, ++parts) {
    begin_own(kPart);
    append_member("part", parts, bytes_);
    bytes_ += ",\"data\":\"";
    append_base64(std::string_view(whole).substr(at, piece), bytes_);
    bytes_ += "\",";
    place();
    bytes_ += '}';
    messages_.back().end = bytes_.size();
  }
  return parts;
}

// ---- rows --------------------------------------------------------------------------------------

void MessageWriter::row_message(Table& table, const RowMessage& row) {
  ++total_;
  ++table.count;
  put_row(table, row, std::numeric_limits<std::size_t>::max(), 0);
  if (size_of(messages_.back()) <= limit_) return;
  const std::size_t parts = cut();
  for (const std::size_t longest : {kLong, kShort}) {
    put_row(table, row, longest, parts);
    if (size_of(messages_.back()) <= limit_) return;
    if (longest == kShort) break;
    bytes_.resize(messages_.back().key);
    messages_.pop_back();
  }
  throw Error("a row whose key alone is larger than the topic takes (" + std::to_string(limit_) +
                  " bytes a message)",
              "table " + table.messages->collection(), "raise max.message.bytes of the topic");
}

void MessageWriter::put_row(Table& table, const RowMessage& row, std::size_t longest,
                            std::size_t parts) {
  TableMessages& its = *table.messages;
  begin_message(row.header);
  if (row.after != nullptr) its.append_key_of(*row.after, bytes_);
  if (row.key != nullptr) its.append_key(*row.key, bytes_);
  messages_.back().value = bytes_.size();
  forms_.clear();
  const TableMessages::RowParts into{bytes_, forms_, longest};
  bytes_ += "{\"before\":";
  if (row.key != nullptr) {
    its.append_row_of_key(*row.key, into);
  } else {
    bytes_ += "null";
  }
  bytes_ += ",\"after\":";
  if (row.after != nullptr) {
    its.append_row(*row.after, into);
  } else {
    bytes_ += "null";
  }
  bytes_ += ',';
  bytes_ += its.source(transaction_);
  bytes_ += row.op == 'r' ? R"(,"snapshot":"incremental")" : R"(,"snapshot":"false")";
  if (row.above) {
    bytes_ += ',';
    append_member("above", *row.above, bytes_);
  }
  if (!forms_.empty()) {
    bytes_ += ",\"forms\":{";
    bytes_ += forms_;
    bytes_ += '}';
  }
  if (tombstones_ && row.op == 'd') bytes_ += ",\"tombstone\":true";
  if (parts > 0) {
    bytes_ += ',';
    append_member("parts", parts, bytes_);
  }
  bytes_ += "},\"transaction\":{";
  bytes_ += id_;
  bytes_ += ',';
  append_member("total_order", total_, bytes_);
  bytes_ += ',';
  append_member("data_collection_order", table.count, bytes_);
  bytes_ += "},\"op\":\"";
  bytes_ += row.op;
  bytes_ += '"';
  bytes_ += written_;
  messages_.back().end = bytes_.size();
}

// Says to a topic that is compacted that the key may be forgotten.
void MessageWriter::tombstone() {
  if (!tombstones_) return;
  const OutgoingMessage& gone = messages_.back();
  const std::string key_of_it(key(gone));
  begin_message(gone.header);
  bytes_ += key_of_it;
  messages_.back().value = messages_.back().end = bytes_.size();
  messages_.back().has_value = false;
}

void MessageWriter::write(const Change& change) {
  Table& its = table(change.table);
  switch (change.op) {
    case Op::kCreate:
      row_message(its, {'c', nullptr, &change.after, change.above});
      return;
    case Op::kDelete:
      row_message(its, {'d', &change.key_before, nullptr, change.above});
      tombstone();
      return;
    case Op::kTruncate:
      row_message(its, {'t', nullptr, nullptr, change.above});
      return;
    case Op::kUpdate:
      break;
  }
  if (change.key_before.empty()) {
    row_message(its, {'u', nullptr, &change.after, change.above});
    return;
  }
  std::string old_key, new_key;
  its.messages->append_key(change.key_before, old_key);
  its.messages->append_key_of(change.after, new_key);
  row_message(its, {'d', &change.key_before, nullptr, change.above,
                    MessageHeader{kNewKeyHeader, std::move(new_key)}});
  tombstone();
  row_message(its, {'c', nullptr, &change.after, change.above,
                    MessageHeader{kOldKeyHeader, std::move(old_key)}});
}

// ---- our own records ---------------------------------------------------------------------------

void MessageWriter::begin_own(std::string_view kind) {
  begin_message(MessageHeader{kRecordHeader, std::string(kind)});
  bytes_ += '{';
}

// What every message of ours tells of its place: who wrote it, into which log, and where it was to
// lie. At another place, somebody else wrote before it.
void MessageWriter::place() {
  append_member("epoch", epoch_, bytes_);
  bytes_ += ',';
  append_member("offset", first_ + static_cast<Offset>(messages_.size()) - 1, bytes_);
  bytes_ += ',';
  append_quoted("log", identity_, bytes_);
}

void MessageWriter::end_own() {
  place();
  bytes_ += '}';
  messages_.back().end = bytes_.size();
  if (size_of(messages_.back()) <= limit_) return;
  const std::string kind = messages_.back().header->value;
  const std::size_t parts = cut();
  begin_own(kind);
  append_member("parts", parts, bytes_);
  bytes_ += ',';
  place();
  bytes_ += '}';
  messages_.back().end = bytes_.size();
}

void MessageWriter::write_log(const std::string& identity) {
  begin_own("log");
  append_quoted("log", identity, bytes_);
  bytes_ += '}';
  messages_.back().end = bytes_.size();
}

void MessageWriter::write(const Epoch& record) {
  epoch_ = record.epoch;
  begin_own("epoch");
  end_own();
}

void MessageWriter::write(const Begin& record) {
  ++transaction_.number;
  position_ = record.position;
  ts_ms_ = record.ts_ms;
  total_ = 0;
  counted_.clear();
  id_ = "\"id\":\"";
  append_number(position_.commit, id_);
  id_ += ':';
  append_number(position_.ordinal, id_);
  id_ += '"';
  transaction_.times.clear();
  append_times(thousandfold(ts_ms_, record.micros), transaction_.times);
  transaction_.place.clear();
  if (origin_.connector == "postgresql") {
    append_member("txId", record.xid, transaction_.place);
    transaction_.place += ',';
    append_member("lsn", position_.commit, transaction_.place);
  } else {
    append_member("seq", position_.commit, transaction_.place);
  }
  transaction_.place += ',';
  append_member("epoch", epoch_, transaction_.place);

  begin_own("begin");
  bytes_ += R"("status":"BEGIN",)" + id_ + ',';
  append_member("ts_ms", record.ts_ms, bytes_);
  bytes_ += R"(,"event_count":null,"data_collections":null,"position":)";
  append_position(record.position, bytes_);
  bytes_ += ',';
  append_member("micros", record.micros, bytes_);
  bytes_ += ',';
  append_member("xid", record.xid, bytes_);
  bytes_ += ',';
  end_own();
}

void MessageWriter::write(const End& record) {
  begin_own("end");
  bytes_ += R"("status":"END",)" + id_ + ',';
  append_member("ts_ms", ts_ms_, bytes_);
  bytes_ += ',';
  append_member("event_count", total_, bytes_);
  bytes_ += ",\"data_collections\":";
  append_list(counted_, bytes_, [&](const Table* each) {
    bytes_ += "{\"data_collection\":";
    bytes_ += each->messages->collection();
    bytes_ += ',';
    append_member("event_count", each->count, bytes_);
    bytes_ += '}';
  });
  bytes_ += ',';
  append_checkpoint(record.checkpoint, bytes_);
  bytes_ += ',';
  end_own();
}

void MessageWriter::write(const Heartbeat& record) {
  begin_own("heartbeat");
  append_member("ts_ms", record.ts_ms, bytes_);
  bytes_ += ',';
  append_checkpoint(record.checkpoint, bytes_);
  bytes_ += ',';
  end_own();
}

void MessageWriter::write(const Gap& record) {
  begin_own("gap");
  bytes_ += "\"reason\":";
  append_telling(record.reason, bytes_);
  bytes_ += ',';
  end_own();
}

void MessageWriter::write(const SchemaRecord& record) {
  know(record.schema);
  begin_own("schema");
  bytes_ +=
      record.reread ? R"("reread":true,"tableChanges":[)" : R"("reread":false,"tableChanges":[)";
  append_schema(record.schema, bytes_);
  bytes_ += "],";
  end_own();
}

void MessageWriter::write(const Chunk& chunk) {
  Table& its = table(chunk.table);
  for (const Row& row : chunk.rows) row_message(its, {'r', nullptr, &row});
  begin_own("chunk");
  bytes_ += "\"table\":";
  append_telling(batch_->tables[chunk.table], bytes_);
  bytes_ += ",\"from\":";
  append_telling(chunk.from, bytes_);
  bytes_ += ",\"to\":";
  append_telling(chunk.to, bytes_);
  bytes_ += ',';
  append_member("rows", chunk.rows.size(), bytes_);
  bytes_ += ",\"touched\":";
  append_list(chunk.touched, bytes_, [&](const Row& key) { append_telling(key, bytes_); });
  bytes_ += ',';
  end_own();
}

}  // namespace tandem::state

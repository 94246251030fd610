#include "state/message_reader.h"

#include <simdjson.h>

#include <limits>
#include <utility>

#include "state/base64.h"
#include "state/error.h"
#include "state/json_value.h"

namespace tandem::state {
namespace {

namespace dom = simdjson::dom;

// The forms of a row's columns; most rows have none.
class Forms {
 public:
  Forms() = default;
  explicit Forms(dom::object forms) : forms_(forms), any_(true) {}
  std::string_view of(std::string_view column) const {
    if (!any_) return {};
    std::string_view form;
    return forms_.at_key(column).get(form) == simdjson::SUCCESS ? form : std::string_view();
  }

 private:
  dom::object forms_;
  bool any_ = false;
};

}  // namespace

class MessageReader::Impl {
 public:
  explicit Impl(std::string where) : where_(std::move(where)) {}

  bool read(const IncomingMessage& message, Offset offset, Batch& batch) {
    offset_ = offset;
    if (!message.value) return true;
    dom::element value;
    if (parser_.parse(message.value->data(), message.value->size()).get(value) !=
        simdjson::SUCCESS) {
      foreign("no JSON");
    }
    if (message.record == "log") {
      identity_ = get<std::string_view>(value, "log");
      return true;
    }
    const bool ours = !message.record.empty();
    const auto epoch =
        get<std::uint64_t>(ours ? value : get<dom::element>(value, "source"), "epoch");
    if (ours && get<std::int64_t>(value, "offset") != offset) misplaced_ = true;
    if (epoch < epoch_) return true;
    if (!batch.records.empty() && batch.epoch != epoch) return false;
    if (epoch != epoch_) jump();
    batch.epoch = epoch_ = epoch;
    if (ours) {
      identity_ = get<std::string_view>(value, "log");
      own(message.record, value, batch);
    } else {
      row(message, value, batch);
    }
    return true;
  }

  void jump() {
    rows_.clear();
    moved_from_.clear();
    amid_ = true;
  }

  std::uint64_t epoch() const { return epoch_; }
  const std::string& identity() const { return identity_; }
  bool misplaced() const { return misplaced_; }

 private:
  [[noreturn]] void foreign(const std::string& what) const {
    throw Error("a message that Tandem did not write (" + what + ")",
                where_ + ", offset " + std::to_string(offset_),
                "let nobody else write to this topic; `tandem reset --confirm` and `run` with "
                "another `log.topic` begin anew");
  }

  template <typename Type, typename Parent>
  Type get(const Parent& parent, const char* name) const {
    Type value;
    if (parent[name].get(value) != simdjson::SUCCESS) foreign(std::string("`") + name + "`");
    return value;
  }

  Value value(dom::element json, std::string_view form) const {
    switch (json.type()) {
      case dom::element_type::NULL_VALUE:
        return Value::null();
      case dom::element_type::BOOL:
        return Value::integer(bool(json) ? 1 : 0);
      case dom::element_type::INT64:
        return Value::integer(std::int64_t(json));
      case dom::element_type::DOUBLE:
        return Value::real(double(json));
      case dom::element_type::STRING:
        if (auto made = value_of_string(std::string_view(json), form)) return *std::move(made);
        foreign("form");
      default:
        foreign("value");
    }
  }

  // A value that says its own form.
  Value telling(dom::element json) const {
    dom::object object;
    if (json.get(object) != simdjson::SUCCESS) return value(json, {});
    if (object.size() != 1) foreign("form");
    const dom::key_value_pair pair = *object.begin();
    return value(pair.value, pair.key);
  }

  std::string text(dom::element json) const {
    Value made = telling(json);
    if (made.kind() != ValueKind::kText) foreign("text");
    return made.bytes();
  }

  Row telling_row(dom::array json) const {
    Row made;
    for (dom::element each : json) made.push_back(telling(each));
    return made;
  }

  Row named_row(dom::object json, const Forms& forms) const {
    Row made;
    for (const auto& [name, each] : json) made.push_back(value(each, forms.of(name)));
    return made;
  }

  Row key(const IncomingMessage& message, const Forms& forms) {
    dom::object json;
    if (!message.key || key_parser_.parse(message.key->data(), message.key->size()).get(json) !=
                            simdjson::SUCCESS) {
      foreign("key");
    }
    return named_row(json, forms);
  }

  void row(const IncomingMessage& message, dom::element json, Batch& batch) {
    const auto op = get<std::string_view>(json, "op");
    const auto source = get<dom::object>(json, "source");
    Forms forms;
    if (dom::object said; source["forms"].get(said) == simdjson::SUCCESS) forms = Forms(said);
    Change change;
    change.table = batch.table_index(table_name(source));
    if (std::uint64_t above = 0; source["above"].get(above) == simdjson::SUCCESS) {
      if (above > std::numeric_limits<std::uint32_t>::max()) foreign("`above`");
      change.above = static_cast<std::uint32_t>(above);
    }
    if (op == "t") {
      change.op = Op::kTruncate;
    } else if (op == "d") {
      change.op = Op::kDelete;
      change.key_before = key(message, forms);
      if (message.has_new_key) {
        // The other half comes next.
        moved_from_ = std::move(change.key_before);
        return;
      }
    } else {
      change.after = named_row(get<dom::object>(json, "after"), forms);
      if (op == "r") {
        rows_.push_back(std::move(change.after));
        return;
      }
      if (op != "c" && op != "u") foreign("op");
      change.op = op == "c" ? Op::kCreate : Op::kUpdate;
      if (!message.old_key.empty()) {
        if (amid_ && moved_from_.empty()) return;
        change.op = Op::kUpdate;
        change.key_before = std::move(moved_from_);
        moved_from_.clear();
      }
    }
    add(std::move(change), batch);
  }

  std::string table_name(dom::object source) const {
    std::string name(get<std::string_view>(source, "table"));
    std::string_view schema;
    if (source["schema"].get(schema) != simdjson::SUCCESS || schema == "public") return name;
    return std::string(schema) + "." + name;
  }

  void add(Record record, Batch& batch) const {
    batch.records.push_back(std::move(record));
    batch.offsets.push_back(offset_);
  }

  SourcePosition position(dom::element json) const {
    const auto pair = get<dom::array>(json, "position");
    SourcePosition made;
    if (pair.size() != 2 || pair.at(0).get(made.commit) != simdjson::SUCCESS ||
        pair.at(1).get(made.ordinal) != simdjson::SUCCESS) {
      foreign("`position`");
    }
    return made;
  }

  Checkpoint checkpoint(dom::element json) const {
    Checkpoint made;
    made.position = position(json);
    for (dom::element each : get<dom::array>(json, "tables")) {
      made.tables.push_back(
          {text(get<dom::element>(each, "table")), get<std::uint64_t>(each, "fingerprint"),
           get<bool>(each, "snapshotting"), telling_row(get<dom::array>(each, "next_from"))});
    }
    auto state = decode_base64(get<std::string_view>(json, "source_state"));
    if (!state) foreign("`source_state`");
    made.source_state = *std::move(state);
    return made;
  }

  std::vector<int> indexes(dom::array json, std::size_t limit) const {
    std::vector<int> made;
    for (dom::element each : json) {
      std::uint64_t index = 0;
      if (each.get(index) != simdjson::SUCCESS || index >= limit) foreign("a key's column");
      made.push_back(static_cast<int>(index));
    }
    return made;
  }

  SchemaRecord schema(dom::element json) const {
    SchemaRecord made;
    made.reread = get<bool>(json, "reread");
    const auto changes = get<dom::array>(json, "tableChanges");
    if (changes.size() != 1) foreign("`tableChanges`");
    const dom::element change = *changes.begin();
    made.schema.name = text(get<dom::element>(change, "id"));
    const auto table = get<dom::object>(change, "table");
    for (dom::element each : get<dom::array>(table, "columns")) {
      Column column;
      column.name = text(get<dom::element>(each, "name"));
      column.declared_type = text(get<dom::element>(each, "typeName"));
      column.collation = text(get<dom::element>(each, "collation"));
      const auto form = get<std::uint64_t>(each, "form");
      const auto comparison = get<std::uint64_t>(each, "comparison");
      if (form > static_cast<std::uint64_t>(ColumnForm::kArray) ||
          comparison > static_cast<std::uint64_t>(Comparison::kOrder)) {
        foreign("a column");
      }
      column.form = static_cast<ColumnForm>(form);
      column.comparison = static_cast<Comparison>(comparison);
      column.generated = get<bool>(each, "generated");
      made.schema.columns.push_back(std::move(column));
    }
    const std::size_t columns = made.schema.columns.size();
    made.schema.key = indexes(get<dom::array>(table, "key"), columns);
    for (dom::element each : get<dom::array>(table, "uniqueKeys")) {
      dom::array key;
      if (each.get(key) != simdjson::SUCCESS) foreign("`uniqueKeys`");
      made.schema.unique_keys.push_back(indexes(key, columns));
    }
    return made;
  }

  void own(std::string_view kind, dom::element json, Batch& batch) {
    if (kind != "chunk" && kind != "schema") amid_ = false;
    if (kind == "begin") {
      rows_.clear();
      add(Begin{position(json), get<std::int64_t>(json, "ts_ms")}, batch);
    } else if (kind == "end") {
      add(End{checkpoint(json)}, batch);
    } else if (kind == "chunk") {
      chunk(json, batch);
    } else if (kind == "schema") {
      add(schema(json), batch);
    } else if (kind == "heartbeat") {
      add(Heartbeat{checkpoint(json), get<std::int64_t>(json, "ts_ms")}, batch);
    } else if (kind == "epoch") {
      add(Epoch{epoch_}, batch);
    } else if (kind == "gap") {
      add(Gap{text(get<dom::element>(json, "reason"))}, batch);
    } else {
      foreign("a record of another kind");
    }
  }

  void chunk(dom::element json, Batch& batch) {
    Chunk made;
    made.table = batch.table_index(text(get<dom::element>(json, "table")));
    made.from = telling_row(get<dom::array>(json, "from"));
    made.to = telling_row(get<dom::array>(json, "to"));
    for (dom::element each : get<dom::array>(json, "touched")) {
      dom::array key;
      if (each.get(key) != simdjson::SUCCESS) foreign("`touched`");
      made.touched.push_back(telling_row(key));
    }
    made.rows = std::exchange(rows_, {});
    if (made.rows.size() == get<std::uint64_t>(json, "rows")) {
      add(std::move(made), batch);
    } else if (!amid_) {
      foreign("`rows`");
    }
    amid_ = false;
  }

  const std::string where_;
  dom::parser parser_, key_parser_;
  Offset offset_ = 0;
  std::uint64_t epoch_ = 0;
  std::string identity_;
  bool misplaced_ = false;
  bool amid_ = true;       // the first messages of a record may have been left out
  Row moved_from_;         // of a change of key, between its two messages
  std::vector<Row> rows_;  // of the chunk that is to come
};

MessageReader::MessageReader(std::string where) : impl_(std::make_unique<Impl>(std::move(where))) {}
MessageReader::~MessageReader() = default;
bool MessageReader::read(const IncomingMessage& message, Offset offset, Batch& batch) {
  return impl_->read(message, offset, batch);
}
void MessageReader::jump() { impl_->jump(); }
std::uint64_t MessageReader::epoch() const { return impl_->epoch(); }
const std::string& MessageReader::identity() const { return impl_->identity(); }
bool MessageReader::misplaced() const { return impl_->misplaced(); }

}  // namespace tandem::state

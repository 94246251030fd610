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
    if (!message.value) return bury(message, batch);
    dom::element value = parsed(parser_, *message.value);
    if (message.record == "log") {
      // Where two began the log at once, the first one counts.
      const auto told = get<std::string_view>(value, "log");
      if (identity_.empty()) identity_ = told;
      return true;
    }
    const bool ours = !message.record.empty();
    RowSource source;
    if (!ours) source = row_source(value);
    const std::uint64_t epoch = ours ? get<std::uint64_t>(value, "epoch") : source.epoch;
    if (ours) {
      const auto wanted = get<std::int64_t>(value, "offset");
      misplaced_ = misplaced_ || wanted != offset;
      // Messages that were before it have gone: the topic was made again, or lost its end.
      if (wanted > offset) {
        jump();
        return true;
      }
    }
    if (epoch < epoch_) return true;
    if (!batch.records.empty() && batch.epoch != epoch) return false;
    if (epoch != epoch_) jump();
    batch.epoch = epoch_ = epoch;
    if (buried_) foreign("no tombstone");
    if (ours) identity_ = get<std::string_view>(value, "log");
    if (message.record == kPart) {
      part(value);
      return true;
    }
    const std::uint64_t came = std::exchange(parts_, 0);
    if (ours && value["parts"].get(source.parts) != simdjson::SUCCESS) source.parts = 0;
    if (source.parts > 0) {
      if (source.parts != came) {
        if (!amid_) foreign("`parts`");
        return true;
      }
      value = parsed(whole_parser_, whole_);
      if (!ours) source = row_source(value);
    }
    if (ours) {
      own(message.record, value, batch);
    } else {
      row(message, value, source, batch);
    }
    return true;
  }

  void jump() {
    rows_.clear();
    moved_from_.clear();
    buried_.reset();
    parts_ = 0;
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

  dom::element parsed(dom::parser& parser, std::string_view json) const {
    dom::element value;
    if (parser.parse(json.data(), json.size()).get(value) != simdjson::SUCCESS) foreign("no JSON");
    return value;
  }

  template <typename Type, typename Parent>
  Type get(const Parent& parent, const char* name) const {
    Type value;
    if (parent[name].get(value) != simdjson::SUCCESS) foreign(std::string("`") + name + "`");
    return value;
  }

  // Parts come one behind another; what is not behind its first is left out.
  void part(dom::element json) {
    const auto number = get<std::uint64_t>(json, "part");
    if (number == 0) {
      parts_ = 0;
      whole_.clear();
    }
    if (number != parts_) {
      if (!amid_) foreign("`part`");
      parts_ = 0;
      return;
    }
    auto piece = decode_base64(get<std::string_view>(json, "data"));
    if (!piece) foreign("`data`");
    whole_ += *piece;
    ++parts_;
  }

  // A tombstone has come: that of the row that is gone, if there is one, ends its record.
  bool bury(const IncomingMessage& message, Batch& batch) {
    if (!buried_ || message.key != buried_->key) return true;
    if (!batch.records.empty() && batch.epoch != epoch_) return false;
    batch.epoch = epoch_;
    buried_->change.table = batch.table_index(buried_->table);
    add(std::move(buried_->change), batch);
    buried_.reset();
    return true;
  }

  // What `source` tells of a row.
  struct RowSource {
    std::uint64_t epoch = 0;
    std::string_view schema, table;
    Forms forms;
    std::optional<std::uint32_t> above;
    bool tombstone = false;
    std::uint64_t parts = 0;

    std::string name() const {
      if (schema.empty() || schema == "public") return std::string(table);
      return std::string(schema) + "." + std::string(table);
    }
  };

  RowSource row_source(dom::element message) const {
    RowSource made;
    bool has_epoch = false, has_table = false;
    auto take = [&](dom::element json, auto& out) {
      if (json.get(out) != simdjson::SUCCESS) foreign("`source`");
      return true;
    };
    for (const auto& [name, json] : get<dom::object>(message, "source")) {
      if (name == "epoch") {
        has_epoch = take(json, made.epoch);
      } else if (name == "schema") {
        take(json, made.schema);
      } else if (name == "table") {
        has_table = take(json, made.table);
      } else if (name == "forms") {
        dom::object forms;
        take(json, forms);
        made.forms = Forms(forms);
      } else if (name == "above") {
        std::uint64_t above = 0;
        take(json, above);
        if (above > std::numeric_limits<std::uint32_t>::max()) foreign("`above`");
        made.above = static_cast<std::uint32_t>(above);
      } else if (name == "tombstone") {
        take(json, made.tombstone);
      } else if (name == "parts") {
        take(json, made.parts);
      }
    }
    if (!has_epoch || !has_table) foreign("`source`");
    return made;
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

  void row(const IncomingMessage& message, dom::element json, const RowSource& source,
           Batch& batch) {
    const auto op = get<std::string_view>(json, "op");
    Change change;
    change.above = source.above;
    if (op == "t") {
      change.op = Op::kTruncate;
    } else if (op == "d") {
      change.op = Op::kDelete;
      change.key_before = key(message, source.forms);
      if (message.has_new_key) {
        // The other half comes next.
        moved_from_ = std::move(change.key_before);
        return;
      }
      if (source.tombstone) {
        buried_ = Buried{std::move(change), source.name(), std::string(*message.key)};
        return;
      }
    } else {
      change.after = named_row(get<dom::object>(json, "after"), source.forms);
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
    change.table = batch.table_index(source.name());
    add(std::move(change), batch);
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
      const auto micros = get<std::uint64_t>(json, "micros");
      if (micros > 999) foreign("`micros`");
      add(Begin{position(json), get<std::int64_t>(json, "ts_ms"),
                static_cast<std::uint32_t>(micros), get<std::uint64_t>(json, "xid")},
          batch);
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
  dom::parser parser_, key_parser_, whole_parser_;
  Offset offset_ = 0;
  std::uint64_t epoch_ = 0;
  std::string identity_;
  bool misplaced_ = false;
  bool amid_ = true;       // the first messages of a record may have been left out
  Row moved_from_;         // of a change of key, between its two messages
  std::vector<Row> rows_;  // of the chunk that is to come
  std::string whole_;      // what the parts so far come to
  std::uint64_t parts_ = 0;
  // A row that is gone, whose tombstone is to come.
  struct Buried {
    Change change;
    std::string table, key;
  };
  std::optional<Buried> buried_;
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

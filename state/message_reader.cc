#include "state/message_reader.h"

#include <simdjson.h>

#include <limits>
#include <utility>

#include "state/base64.h"
#include "state/record_json_reader.h"

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
  explicit Impl(std::string where) : json_(std::move(where)) {}

  bool read(const IncomingMessage& message, Offset offset, Batch& batch) {
    offset_ = offset;
    json_.at(offset);
    if (!message.value) return bury(message, batch);
    dom::element value = parsed(parser_, *message.value);
    if (message.record == "log") {
      // Where two began the log at once, the first one counts.
      const auto told = json_.get<std::string_view>(value, "log");
      if (identity_.empty()) identity_ = told;
      return true;
    }
    const bool ours = !message.record.empty();
    RowSource source;
    if (!ours) source = row_source(value);
    const std::uint64_t epoch = ours ? json_.get<std::uint64_t>(value, "epoch") : source.epoch;
    if (ours) {
      const auto wanted = json_.get<std::int64_t>(value, "offset");
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
    if (buried_) json_.foreign("no tombstone");
    if (ours) identity_ = json_.get<std::string_view>(value, "log");
    if (message.record == kPart) {
      part(value);
      return true;
    }
    const std::uint64_t came = std::exchange(parts_, 0);
    if (ours && value["parts"].get(source.parts) != simdjson::SUCCESS) source.parts = 0;
    if (source.parts > 0) {
      if (source.parts != came) {
        if (!amid_) json_.foreign("`parts`");
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
  dom::element parsed(dom::parser& parser, std::string_view json) const {
    dom::element value;
    if (parser.parse(json.data(), json.size()).get(value) != simdjson::SUCCESS) {
      json_.foreign("no JSON");
    }
    return value;
  }

  // Parts come one behind another; what is not behind its first is left out.
  void part(dom::element json) {
    const auto number = json_.get<std::uint64_t>(json, "part");
    if (number == 0) {
      parts_ = 0;
      whole_.clear();
    }
    if (number != parts_) {
      if (!amid_) json_.foreign("`part`");
      parts_ = 0;
      return;
    }
    auto piece = decode_base64(json_.get<std::string_view>(json, "data"));
    if (!piece) json_.foreign("`data`");
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
      if (json.get(out) != simdjson::SUCCESS) json_.foreign("`source`");
      return true;
    };
    for (const auto& [name, json] : json_.get<dom::object>(message, "source")) {
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
        if (above > std::numeric_limits<std::uint32_t>::max()) json_.foreign("`above`");
        made.above = static_cast<std::uint32_t>(above);
      } else if (name == "tombstone") {
        take(json, made.tombstone);
      } else if (name == "parts") {
        take(json, made.parts);
      }
    }
    if (!has_epoch || !has_table) json_.foreign("`source`");
    return made;
  }

  Row named_row(dom::object json, const Forms& forms) const {
    Row made;
    for (const auto& [name, each] : json) made.push_back(json_.value(each, forms.of(name)));
    return made;
  }

  Row key(const IncomingMessage& message, const Forms& forms) {
    dom::object json;
    if (!message.key || key_parser_.parse(message.key->data(), message.key->size()).get(json) !=
                            simdjson::SUCCESS) {
      json_.foreign("key");
    }
    return named_row(json, forms);
  }

  void row(const IncomingMessage& message, dom::element json, const RowSource& source,
           Batch& batch) {
    const auto op = json_.get<std::string_view>(json, "op");
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
      change.after = named_row(json_.get<dom::object>(json, "after"), source.forms);
      if (op == "r") {
        rows_.push_back(std::move(change.after));
        return;
      }
      if (op != "c" && op != "u") json_.foreign("op");
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

  void own(std::string_view kind, dom::element json, Batch& batch) {
    if (kind != "chunk" && kind != "schema") amid_ = false;
    if (kind == "begin") {
      rows_.clear();
      const auto micros = json_.get<std::uint64_t>(json, "micros");
      if (micros > 999) json_.foreign("`micros`");
      add(Begin{json_.position(json), json_.get<std::int64_t>(json, "ts_ms"),
                static_cast<std::uint32_t>(micros), json_.get<std::uint64_t>(json, "xid")},
          batch);
    } else if (kind == "end") {
      add(End{json_.checkpoint(json)}, batch);
    } else if (kind == "chunk") {
      chunk(json, batch);
    } else if (kind == "schema") {
      add(json_.schema(json), batch);
    } else if (kind == "heartbeat") {
      add(Heartbeat{json_.checkpoint(json), json_.get<std::int64_t>(json, "ts_ms")}, batch);
    } else if (kind == "epoch") {
      add(Epoch{epoch_}, batch);
    } else if (kind == "gap") {
      add(Gap{json_.text(json_.get<dom::element>(json, "reason"))}, batch);
    } else {
      json_.foreign("a record of another kind");
    }
  }

  void chunk(dom::element json, Batch& batch) {
    Chunk made;
    made.table = batch.table_index(json_.text(json_.get<dom::element>(json, "table")));
    made.from = json_.telling_row(json_.get<dom::array>(json, "from"));
    made.to = json_.telling_row(json_.get<dom::array>(json, "to"));
    for (dom::element each : json_.get<dom::array>(json, "touched")) {
      dom::array key;
      if (each.get(key) != simdjson::SUCCESS) json_.foreign("`touched`");
      made.touched.push_back(json_.telling_row(key));
    }
    made.rows = std::exchange(rows_, {});
    if (made.rows.size() == json_.get<std::uint64_t>(json, "rows")) {
      add(std::move(made), batch);
    } else if (!amid_) {
      json_.foreign("`rows`");
    }
    amid_ = false;
  }

  RecordJsonReader json_;
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

#include "state/control_topic.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include "state/error.h"
#include "state/json_string.h"
#include "state/kafka_client_log.h"

// A message has no key. Its value, by kind:
//
//   {"kind":"owner"|"left"|"late","pipeline":…,"instance":…}
//   {"kind":"snapshot"|"gap","pipeline":…,"text":…}
//   {"kind":"done","upto":offset}
//
// A kind that is not known is of a later version, and passed over.
namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::array<const char*, 6> kKinds = {"owner", "left", "late", "snapshot", "gap", "done"};
constexpr std::size_t kMessagesARead = 1000;
constexpr std::chrono::seconds kPatience{30}, kPatienceWhenStopped{1};

void append_member(const char* name, const std::string& text, std::string& out) {
  if (text.empty()) return;
  out += ",\"";
  out += name;
  out += "\":";
  append_json_string(text, out);
}

std::string json_of(const ControlRecord& record) {
  std::string out = "{\"kind\":\"";
  out += kKinds[static_cast<std::size_t>(record.kind)];
  out += '"';
  append_member("pipeline", record.pipeline, out);
  append_member("instance", record.instance, out);
  append_member("text", record.text, out);
  if (record.kind == ControlKind::kDone) out += ",\"upto\":" + std::to_string(record.upto);
  return out + '}';
}

}  // namespace

std::string control_topic_of(const std::string& topic) { return topic + ".control"; }

class ControlTopic::Impl {
 public:
  explicit Impl(const KafkaOptions& log)
      : options_([&] {
          KafkaOptions made = log;
          made.topic = control_topic_of(log.topic);
          return made;
        }()),
        consumer_(options_) {}

  std::vector<ControlRecord> read(Offset from) {
    const auto asked = steady_clock::now();
    std::lock_guard lock(mutex_);
    // Whoever waited for another's look that began later has seen with it what there is to see.
    if (looked_ <= asked) look();
    const auto first =
        std::lower_bound(records_.begin(), records_.end(), from,
                         [](const ControlRecord& record, Offset at) { return record.offset < at; });
    return {first, records_.end()};
  }

  Offset append(const ControlRecord& record) {
    std::lock_guard lock(mutex_);
    if (!producer_) producer_.emplace(options_);
    const std::string value = json_of(record);
    try {
      return producer_->send({{std::nullopt, value, nullptr}}).front();
    } catch (...) {
      producer_.reset();  // one that failed sends no more
      throw;
    }
  }

 private:
  std::string where() const { return "Kafka topic " + options_.topic; }

  void look() {
    try {
      read_new();
    } catch (...) {
      position_ = -1;  // the consumer may have passed over what was not read
      throw;
    }
  }

  void read_new() {
    const auto began = steady_clock::now();
    const Offset end = consumer_.next();
    if (end < next_) {
      throw Error("the topic was deleted and made again", where(),
                  "start again; let nobody delete it while agents run");
    }
    // Where it begins is of no matter as long as there is nothing to read.
    if (next_ < end) next_ = std::max(next_, consumer_.range().first);
    if (next_ < end && position_ != next_) consumer_.seek(next_);
    auto deadline = steady_clock::now() + kPatience;
    while (next_ < end) {
      for (const KafkaConsumer::Read& read :
           consumer_.read(kMessagesARead, milliseconds(100), std::stop_token())) {
        if (auto record = parse(read)) records_.push_back(*std::move(record));
        next_ = position_ = read.offset + 1;
      }
      if (options_.stop.stop_requested()) {
        deadline = std::min(deadline, steady_clock::now() + kPatienceWhenStopped);
      }
      if (next_ < end && steady_clock::now() > deadline) {
        throw Error("the broker does not give what it said it has", where(),
                    "see the broker's log; Tandem tries again");
      }
    }
    looked_ = began;
  }

  std::optional<ControlRecord> parse(const KafkaConsumer::Read& read) {
    simdjson::dom::element json;
    std::string_view kind;
    const std::string_view value = read.message.value.value_or("");
    if (parser_.parse(value.data(), value.size()).get(json) != simdjson::SUCCESS ||
        json["kind"].get(kind) != simdjson::SUCCESS) {
      // What it may have said is lost whatever is done; all others still have to be heard.
      if (options_.log) {
        options_.log->say(where() + " has a message that Tandem did not write, at offset " +
                          std::to_string(read.offset) + "; let nobody else write to this topic");
      }
      return std::nullopt;
    }
    auto text = [&](const char* name) {
      std::string_view found;
      return json[name].get(found) == simdjson::SUCCESS ? std::string(found) : std::string();
    };
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
      if (kind != kKinds[i]) continue;
      ControlRecord record;
      record.kind = static_cast<ControlKind>(i);
      record.pipeline = text("pipeline");
      record.instance = text("instance");
      record.text = text("text");
      if (json["upto"].get(record.upto) != simdjson::SUCCESS) record.upto = 0;
      record.offset = read.offset;
      return record;
    }
    return std::nullopt;
  }

  const KafkaOptions options_;
  std::mutex mutex_;  // guards what follows
  KafkaConsumer consumer_;
  std::optional<KafkaProducer> producer_;
  simdjson::dom::parser parser_;
  std::vector<ControlRecord> records_;  // all that were read; there are few
  Offset next_ = 0;                     // that was not read yet
  Offset position_ = -1;                // of the consumer
  steady_clock::time_point looked_;     // when the last look began that saw everything
};

ControlTopic::ControlTopic(const KafkaOptions& log) : impl_(std::make_unique<Impl>(log)) {}
ControlTopic::~ControlTopic() = default;
std::vector<ControlRecord> ControlTopic::read(Offset from) { return impl_->read(from); }
Offset ControlTopic::append(const ControlRecord& record) { return impl_->append(record); }

}  // namespace tandem::state

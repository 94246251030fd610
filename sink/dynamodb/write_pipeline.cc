#include "sink/dynamodb/write_pipeline.h"

#include <algorithm>
#include <ctime>
#include <random>
#include <utility>

#include "sink/dynamodb/requests.h"
#include "state/failpoint.h"

namespace tandem::sink {
namespace {

constexpr std::size_t kPooledCalls = 64;

bool is_own(const Stamp& found, const Stamp& sent) {
  return found.version == sent.version && found.hash == sent.hash &&
         found.deleted == sent.deleted && found.name == sent.name;
}

}  // namespace

WritePipeline::WritePipeline(Session session, std::vector<TargetTable> tables,
                             TargetOptions target_options, std::size_t connections,
                             std::chrono::seconds patience, std::chrono::milliseconds late_batch,
                             std::function<void()> may_send)
    : session_(std::move(session)),
      tables_(std::move(tables)),
      target_options_(std::move(target_options)),
      patience_(patience),
      late_batch_(late_batch),
      backoff_(std::random_device{}()),
      gathered_(tables_.size()),
      http_(guarded(session_.http_options(connections), std::move(may_send))) {}

HttpOptions WritePipeline::guarded(HttpOptions options, std::function<void()> may_send) {
  options.may_send = std::move(may_send);
  return options;
}

void WritePipeline::add(Job job) {
  if (job.write.unconditional && !job.write.deletion) return gather(std::move(job));
  CallPointer call = new_call(WriteCall::Kind::kConditional, job.write.table);
  call->jobs.push_back(std::move(job));
  ready_.push_back(std::move(call));
}

void WritePipeline::flush() {
  for (CallPointer& batch : gathered_) {
    if (batch) ready_.push_back(std::exchange(batch, nullptr));
  }
}

bool WritePipeline::gathering() const {
  return std::any_of(gathered_.begin(), gathered_.end(),
                     [](const CallPointer& batch) { return batch != nullptr; });
}

void WritePipeline::run(std::chrono::milliseconds wait) {
  start_due();
  if (!delayed_.empty()) {
    auto due = std::chrono::ceil<std::chrono::milliseconds>(delayed_.front()->due - Clock::now());
    wait = std::clamp(due, std::chrono::milliseconds(0), wait);
  }
  finished_.clear();
  http_.run(wait, finished_);
  for (HttpExchange* exchange : finished_) {
    auto entry = sent_.find(exchange);
    CallPointer call = std::move(entry->second);
    sent_.erase(entry);
    finish(std::move(call));
  }
  if (http_.refusal()) end_refused();
}

/// Nothing more may be sent. What was sent before is waited for, since its outcome is known then.
void WritePipeline::end_refused() {
  ready_.clear();
  delayed_.clear();
  if (sent_.empty()) std::rethrow_exception(http_.refusal());
}

void WritePipeline::gather(Job job) {
  CallPointer& batch = gathered_[job.write.table];
  if (batch) {
    std::size_t bytes = job.bytes;
    for (const Job& other : batch->jobs) bytes += other.bytes;
    if (bytes > kBatchBytes) ready_.push_back(std::exchange(batch, nullptr));
  }
  if (!batch) batch = new_call(WriteCall::Kind::kBatch, job.write.table);
  batch->jobs.push_back(std::move(job));
  if (batch->jobs.size() == kBatchItems) ready_.push_back(std::exchange(batch, nullptr));
}

WritePipeline::CallPointer WritePipeline::new_call(WriteCall::Kind kind, std::size_t table) {
  CallPointer call;
  if (pool_.empty()) {
    call = std::make_unique<WriteCall>();
  } else {
    call = std::move(pool_.back());
    pool_.pop_back();
  }
  call->kind = kind;
  call->table = table;
  call->jobs.clear();
  call->seen.reset();
  call->attempts = 0;
  return call;
}

void WritePipeline::recycle(CallPointer call) {
  call->jobs.clear();
  if (pool_.size() < kPooledCalls) pool_.push_back(std::move(call));
}

void WritePipeline::start_due() {
  const auto now = Clock::now();
  while (!delayed_.empty() && delayed_.front()->due <= now) {
    std::pop_heap(delayed_.begin(), delayed_.end(), later);
    ready_.push_front(std::move(delayed_.back()));
    delayed_.pop_back();
  }
  while (!ready_.empty() && http_.room() > 0) {
    CallPointer call = std::move(ready_.front());
    ready_.pop_front();
    start(std::move(call));
  }
}

void WritePipeline::start(CallPointer call) {
  const char* operation = encode(*call);
  session_.prepare(call->exchange, operation);
  TANDEM_FAILPOINT("dynamodb.send.before");
  HttpExchange* exchange = &call->exchange;
  sent_.emplace(exchange, std::move(call));
  http_.start(*exchange);
  TANDEM_FAILPOINT("dynamodb.send.after");
}

/// Writes the body and returns the operation.
const char* WritePipeline::encode(WriteCall& call) {
  const TargetTable& table = tables_[call.table];
  const Write& first = call.jobs.front().write;
  const std::time_t now = std::time(nullptr);
  std::string& body = call.exchange.body;
  body.clear();
  switch (call.kind) {
    case WriteCall::Kind::kStanding:
      results_.counters.read_calls++;
      append_get(first.item, table, body);
      return "GetItem";
    case WriteCall::Kind::kBatch: {
      results_.counters.write_calls++;
      append_batch_start(table, body);
      for (const Job& job : call.jobs) {
        append_batch_put(job.write, &job == call.jobs.data(), target_options_, now, body);
      }
      append_batch_end(body);
      return "BatchWriteItem";
    }
    case WriteCall::Kind::kUnconditional:
      results_.counters.write_calls++;
      append_unconditional_put(first, table, target_options_, now, body);
      return "PutItem";
    case WriteCall::Kind::kConditional:
      break;
  }
  results_.counters.write_calls++;
  if (first.deletion && target_options_.tombstones.count() == 0) {
    append_conditional_delete(first, table, target_options_, call.seen, body);
    return "DeleteItem";
  }
  append_conditional_put(first, table, target_options_, call.seen, now, body);
  return "PutItem";
}

void WritePipeline::finish(CallPointer call) {
  TANDEM_FAILPOINT("dynamodb.answer.before");
  const HttpExchange& exchange = call->exchange;
  if (exchange.status == 0) {
    note_failure(exchange.failure);
    if (exchange.refused) return again(std::move(call), false);
    return again_unanswered(std::move(call));
  }
  if (exchange.status == 200) {
    failing_since_.reset();
    return finish_taken(std::move(call));
  }
  ServiceError error = read_error(exchange.status, exchange.answer);
  switch (judge(error)) {
    case Verdict::kThrottled:
      failing_since_.reset();
      return again(std::move(call), true);
    case Verdict::kRetry:
      note_failure("HTTP status " + std::to_string(error.status) + " " + error.type);
      return again_unanswered(std::move(call));
    case Verdict::kConditionFailed:
      failing_since_.reset();
      return finish_conflict(std::move(call), std::move(error.item));
    case Verdict::kRejected:
      return finish_rejected(std::move(call), error);
    case Verdict::kExpired:
      if (session_.reload_credentials()) return again(std::move(call), false);
      break;
    case Verdict::kFatal:
      break;
  }
  throw explain(error,
                call->kind == WriteCall::Kind::kBatch ? "BatchWriteItem" : operation_of(*call),
                "table " + tables_[call->table].name);
}

const char* WritePipeline::operation_of(const WriteCall& call) const {
  if (call.kind == WriteCall::Kind::kStanding) return "GetItem";
  const bool real_deletion =
      call.jobs.front().write.deletion && target_options_.tombstones.count() == 0;
  return real_deletion ? "DeleteItem" : "PutItem";
}

/// Throws when nothing has come through for too long; what is on its way stays unknown.
void WritePipeline::note_failure(const std::string& reason) {
  const auto now = Clock::now();
  if (!failing_since_.has_value()) failing_since_ = now;
  if (now - *failing_since_ < patience_) return;
  throw state::Error(
      "no answer from DynamoDB for " + std::to_string(patience_.count()) + " s: " + reason,
      session_.endpoint().url, "check the network, then start again");
}

void WritePipeline::again(CallPointer call, bool throttled) {
  call->attempts++;
  results_.counters.retries++;
  if (throttled) results_.counters.throttled++;
  const std::chrono::milliseconds time = backoff_.delay(call->attempts);
  delay(std::move(call), time);
}

/// It may have been carried out, or still be. A write with a condition can be repeated: it passes
/// over nothing newer and knows its own stamp. One without can't: its items go on with a condition,
/// once what is late has come.
void WritePipeline::again_unanswered(CallPointer call) {
  if (call->kind != WriteCall::Kind::kBatch && call->kind != WriteCall::Kind::kUnconditional) {
    return again(std::move(call), false);
  }
  results_.counters.retries++;
  for (Job& job : call->jobs) {
    CallPointer alone = new_call(WriteCall::Kind::kConditional, call->table);
    alone->jobs.push_back(std::move(job));
    delay(std::move(alone), late_batch_);
  }
  recycle(std::move(call));
}

void WritePipeline::delay(CallPointer call, std::chrono::milliseconds time) {
  call->due = Clock::now() + time;
  delayed_.push_back(std::move(call));
  std::push_heap(delayed_.begin(), delayed_.end(), later);
}

void WritePipeline::finish_taken(CallPointer call) {
  if (call->kind == WriteCall::Kind::kStanding) {
    return finish_standing(std::move(call));
  }
  const std::string& answer = call->exchange.answer;
  constexpr std::string_view kAllProcessed = R"({"UnprocessedItems":{}})";
  if (call->kind == WriteCall::Kind::kBatch && answer != kAllProcessed && answer != "{}") {
    return finish_batch(std::move(call));
  }
  for (const Job& job : call->jobs) done(job);
  recycle(std::move(call));
}

/// Repeats what the service left unprocessed; the rest is done.
void WritePipeline::finish_batch(CallPointer call) {
  std::vector<std::pair<std::string, Item>> left = read_unprocessed(call->exchange.answer);
  const TargetTable& table = tables_[call->table];
  std::vector<std::string> keys;
  keys.reserve(left.size());
  for (const auto& [name, item] : left) keys.push_back(encode_key(item, table.key));
  std::vector<Job> again_jobs;
  for (Job& job : call->jobs) {
    const std::string key = encode_key(job.write.item, table.key);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      done(job);
    } else {
      again_jobs.push_back(std::move(job));
    }
  }
  if (again_jobs.size() != left.size()) {
    throw state::Error("an answer names items that were not sent", "table " + table.name,
                       "check target.endpoint and what stands between");
  }
  if (again_jobs.empty()) return recycle(std::move(call));
  call->jobs = std::move(again_jobs);
  again(std::move(call), true);
}

void WritePipeline::finish_rejected(CallPointer call, const ServiceError& error) {
  if (call->kind == WriteCall::Kind::kBatch) {
    // One bad item spoils a batch: find it by sending each alone.
    for (Job& job : call->jobs) {
      CallPointer alone = new_call(WriteCall::Kind::kUnconditional, call->table);
      alone->jobs.push_back(std::move(job));
      ready_.push_back(std::move(alone));
    }
    return recycle(std::move(call));
  }
  Outcome outcome;
  outcome.kind = Outcome::Kind::kRejected;
  outcome.reason = error.message.empty() ? error.type : error.message;
  if (outcome.reason.empty()) outcome.reason = "HTTP status " + std::to_string(error.status);
  settle(call->jobs.front(), std::move(outcome));
  recycle(std::move(call));
}

void WritePipeline::finish_conflict(CallPointer call, std::optional<Item> found) {
  if (!found.has_value()) {
    // An endpoint that does not say what stands there: ask.
    call->kind = WriteCall::Kind::kStanding;
    call->attempts = 0;
    ready_.push_front(std::move(call));
    return;
  }
  const Job& job = call->jobs.front();
  std::optional<Stamp> stamp = stamp_of(*found, target_options_.attribute);
  if (stamp.has_value() && is_own(*stamp, job.write.stamp)) {
    // An earlier attempt had arrived, though its answer was lost.
    done(job);
    return recycle(std::move(call));
  }
  if (!stamp.has_value()) {
    if (const Attribute* own = find_attribute(*found, target_options_.attribute)) {
      call->seen = *own;
      call->kind = WriteCall::Kind::kConditional;
      return again(std::move(call), false);
    }
  }
  results_.counters.conflicts++;
  Outcome outcome;
  outcome.kind = Outcome::Kind::kConflict;
  outcome.found = std::move(found);
  settle(job, std::move(outcome));
  recycle(std::move(call));
}

void WritePipeline::finish_standing(CallPointer call) {
  std::optional<Item> found = read_item_answer(call->exchange.answer);
  results_.counters.items_read += found.has_value() ? 1 : 0;
  const Write& write = call->jobs.front().write;
  const bool stamped =
      found.has_value() && find_attribute(*found, target_options_.attribute) != nullptr;
  const bool readable = stamped && stamp_of(*found, target_options_.attribute).has_value();
  const bool free = !stamped || (readable && may_replace(found, write.stamp, write.predecessor,
                                                         target_options_.attribute));
  if (free) {
    // What the condition failed on has changed since: try again.
    call->kind = WriteCall::Kind::kConditional;
    call->seen.reset();
    return again(std::move(call), false);
  }
  finish_conflict(std::move(call), std::move(found));
}

void WritePipeline::done(const Job& job) {
  if (job.write.deletion) {
    results_.counters.items_deleted++;
  } else {
    results_.counters.items_written++;
  }
  settle(job, {});
}

void WritePipeline::settle(const Job& job, Outcome outcome) {
  outcome.ticket = job.write.ticket;
  results_.outcomes.push_back(std::move(outcome));
  results_.bytes += job.bytes;
}

}  // namespace tandem::sink

// The seam to a document store.
//
// Delivery promise: every submitted write gets exactly one outcome, after the target has taken or
// refused it for good; throttling and retryable failures are retried inside (jittered backoff) and
// never dropped. A conditional write passes only if the item is absent, carries no stamp of ours,
// is older, or is of the same version with the predecessor's hash. Outcomes come in any order; the
// caller does not submit a key again before its outcome came. Nothing is sent that the guard does
// not let pass. Threads: one thread calls submit, wait and read; scan may run on another. Errors:
// Error when the target cannot be used at all (no such table, no permission, wrong credentials);
// TargetStopped from what waits for an answer (check, create_missing, read, scan) soon after a stop
// was asked for, if the target does not answer at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "sink/item.h"
#include "state/error.h"

namespace tandem::sink {

struct TargetIndex {
  std::string name;
  std::vector<std::string> key;  // one or two attributes
};

struct TargetTable {
  std::string name;
  std::vector<std::string> key;          // one or two attributes
  std::vector<AttributeType> key_types;  // of `key`: string, number or binary (from the documents)
  std::vector<TargetIndex> indexes;
  std::vector<std::pair<std::string, AttributeType>> index_types;  // of the indexes' attributes
  std::int64_t read_units = 0, write_units = 0;                    // 0: on demand
};

struct TargetOptions {
  std::string attribute = "_tandem";
  std::chrono::seconds tombstones{7 * 24 * 3600};  // 0: none, deletions are real deletions
};

struct Write {
  std::uint64_t ticket = 0;  // the caller's own number, handed back in the outcome
  std::size_t table = 0;     // index into the tables that the target was made with
  bool deletion = false;     // `item` holds the key attributes alone then
  Item item;                 // without our attribute; the target adds the stamp
  Stamp stamp;
  std::optional<state::Hash> predecessor;  // hash recorded for an item of the same version
  bool unconditional = false;  // a first load into a table that init made: may be batched
};

struct Outcome {
  enum class Kind {
    kDone,
    kConflict,  // the condition failed; `found` is the item that stands there
    kRejected,  // the target will never take this item; `reason` says why (a dead letter)
    kUnknown,  // it may or may not have been written: read it back before anything newer is written
  };
  std::uint64_t ticket = 0;
  Kind kind = Kind::kDone;
  std::optional<Item> found;
  std::string reason;
};

struct TargetCounters {
  std::int64_t write_calls = 0, items_written = 0, items_deleted = 0, read_calls = 0,
               items_read = 0, throttled = 0, retries = 0, conflicts = 0;
  TargetCounters& operator+=(const TargetCounters& more);
};

struct TargetFinding {
  bool ok = true;
  std::string subject, text, advice;
  bool init_makes = false;  // not ok yet, but `init` puts it right
};

/// What a check may cost: descriptions alone, or also requests that change nothing but need the
/// permissions of a run.
enum class CheckDepth : std::uint8_t { kDescriptions, kPermissions };

/// A stop was asked for while the target did not answer. No failure.
class TargetStopped : public state::Error {
 public:
  using Error::Error;
};

class Target {
 public:
  virtual ~Target() = default;

  /// Ends long waits for the target. Set it before any other call.
  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }

  /// `may_send` is called at the last moment before a write leaves, on whichever thread sends. What
  /// it throws ends the writing: nothing more is sent, what is on its way still gets its outcomes,
  /// and then wait() throws the same. Set it before the first submit.
  void set_guard(std::function<void()> may_send) { may_send_ = std::move(may_send); }

  virtual std::vector<TargetFinding> check(CheckDepth depth) = 0;
  /// Makes tables and indexes that are missing and waits until they are usable. Says each by `say`.
  /// Returns the names of the tables it made.
  virtual std::vector<std::string> create_missing(
      const std::function<void(const std::string&)>& say) = 0;

  /// How many more writes may be submitted now without waiting.
  virtual std::size_t room() const = 0;
  virtual void submit(Write write) = 0;
  /// Sends what is gathered, waits up to `wait` for outcomes and appends them.
  virtual void wait(std::chrono::milliseconds wait, std::vector<Outcome>& outcomes) = 0;

  /// Consistent reads, in the order of the keys (items of key attributes); nothing where there is
  /// none.
  virtual std::vector<std::optional<Item>> read(std::size_t table,
                                                const std::vector<Item>& keys) = 0;
  /// Every item of the table, pages in any order; `keys_only`: key attributes and our own
  /// attribute. Strongly consistent where the target can. Stops early when `page` returns false.
  virtual void scan(std::size_t table, bool keys_only,
                    const std::function<bool(std::vector<Item>&)>& page) = 0;

  virtual TargetCounters counters() const = 0;

 protected:
  std::function<void()> may_send_;
  std::stop_token stop_;
};

/// True if a write with this stamp may replace what stands there: the one condition of the design,
/// for targets that evaluate it here (local) and for deciding about a conflict.
bool may_replace(const std::optional<Item>& standing, const Stamp& stamp,
                 const std::optional<state::Hash>& predecessor, std::string_view own_attribute);

}  // namespace tandem::sink

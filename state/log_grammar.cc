#include "state/log_grammar.h"

#include <utility>
#include <variant>

#include "state/error.h"

namespace tandem::state {

void LogGrammar::check(const Batch& batch, const std::string& where) const {
  bool inside = inside_;
  for (const Record& record : batch.records) {
    bool fits = true;
    if (std::holds_alternative<Begin>(record)) {
      inside = true;  // an open transaction is cut off by it
    } else if (std::holds_alternative<End>(record)) {
      fits = std::exchange(inside, false);
    } else if (std::holds_alternative<Epoch>(record)) {
      fits = false;  // a claim writes it
    } else {
      bool within =
          !std::holds_alternative<Heartbeat>(record) && !std::holds_alternative<Gap>(record);
      fits = within == inside;
    }
    if (!fits) {
      throw Error("a batch breaks the log's grammar of transactions", where,
                  "this is a fault in Tandem; please report it");
    }
  }
}

void LogGrammar::wrote(const Batch& batch) {
  for (auto record = batch.records.rbegin(); record != batch.records.rend(); ++record) {
    if (std::holds_alternative<Begin>(*record)) inside_ = true;
    if (std::holds_alternative<End>(*record)) inside_ = false;
    if (std::holds_alternative<Begin>(*record) || std::holds_alternative<End>(*record)) return;
  }
}

bool is_tail_record(const Record& record) {
  return std::holds_alternative<End>(record) || std::holds_alternative<Heartbeat>(record) ||
         std::holds_alternative<Gap>(record);
}

}  // namespace tandem::state

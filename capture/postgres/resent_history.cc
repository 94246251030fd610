#include "capture/postgres/resent_history.h"

#include <string>

#include "capture/source.h"

namespace tandem::capture::postgres {
namespace {

[[noreturn]] void other_history(const std::string& found) {
  throw SourceReplaced(
      "the server was put back to an earlier moment and has gone on since: " + found, "PostgreSQL",
      "nothing to do: Tandem reads everything again");
}

}  // namespace

ResentHistory::ResentHistory(const LoggedTransaction& newest, Lsn confirmed, Lsn position)
    : newest_(newest),
      position_(position),
      due_(newest.commit != 0 && newest.commit >= confirmed),
      checked_(confirmed >= position) {}

void ResentHistory::begins(const BeginMessage& begin) {
  if (checked_) return;
  commit_ = begin.commit;
  if (begin.commit == newest_.commit && begin.time == newest_.time) {
    due_ = false;
    return;
  }
  // Also where another stands in its place.
  if (begin.commit >= newest_.commit) require_newest(begin.commit);
  checked_ = begin.commit >= position_;
}

void ResentHistory::has_row() const {
  if (checked_ || commit_ <= newest_.commit) return;
  other_history("the transaction at " + to_text(commit_) + " is not in the log, which goes on to " +
                to_text(position_));
}

void ResentHistory::heard(Lsn end) {
  if (checked_) return;
  if (end > newest_.commit) require_newest(end);
  checked_ = end >= position_;
}

void ResentHistory::require_newest(Lsn past) const {
  if (!due_) return;
  other_history("the log has a transaction at " + to_text(newest_.commit) +
                " that did not come by before " + to_text(past));
}

}  // namespace tandem::capture::postgres

// What a slot sends again, compared with what the log has of it.
//
// A slot sends from where its server last wrote down what was confirmed, which a crash may put
// back. What the log has already is skipped; at the server that it was read from, it is the same:
// the newest logged transaction comes by, and none that has rows and was not logged. A server whose
// files were put back to an earlier moment, and which has come past our position since by other
// transactions, gives itself away here, though its system identifier, timeline, slot and owner row
// are the old ones.
//
// Until all of it was seen, nothing may be confirmed: the slot would not send it once more.
// A plain value; one thread. Errors: SourceReplaced.
#pragma once

#include <cstdint>

#include "capture/postgres/pgoutput.h"
#include "capture/postgres/source_state.h"

namespace tandem::capture::postgres {

class ResentHistory {
 public:
  /// Nothing to compare.
  ResentHistory() = default;
  /// `newest`: the newest logged transaction that had rows. `confirmed`: where the slot sends from.
  /// `position`: up to there the log has all.
  ResentHistory(const LoggedTransaction& newest, Lsn confirmed, Lsn position);

  /// A transaction comes.
  void begins(const BeginMessage& begin);
  /// The transaction that began last has a row of a table that was captured before.
  void has_row() const;
  /// Everything before `end` has come.
  void heard(Lsn end);
  /// Everything before position() has come, and was what the log has.
  bool is_checked() const { return checked_; }
  Lsn position() const { return position_; }

 private:
  void require_newest(Lsn past) const;

  LoggedTransaction newest_;
  Lsn position_ = 0;
  bool due_ = false;  // the newest is still to come
  bool checked_ = true;
  Lsn commit_ = 0;  // of the transaction that began last
};

}  // namespace tandem::capture::postgres

#include "capture/sqlite/change_watch.h"

#include <algorithm>

#include "capture/source.h"
#include "capture/sqlite/owner.h"
#include "state/rest.h"

namespace tandem::capture {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kBusyRest{1};
constexpr milliseconds kIdleRest{25};
constexpr milliseconds kBusyFor{1000};      // after the last sign of activity
constexpr milliseconds kFileInterval{100};  // between looks at the path

}  // namespace

ChangeWatch::ChangeWatch(state::Database& database, const std::string& path)
    : path_(path), version_(database, "PRAGMA data_version"), inode_(inode_of(path)) {}

bool ChangeWatch::changed() {
  check_file();
  std::int64_t version = seen_;
  try {
    if (version_.step()) version = version_.integer(0);
    version_.reset();
  } catch (const state::SqliteError& error) {
    // A writer is just committing; the next look will show it.
    if (!error.busy()) throw;
    note_activity();
    return false;
  }
  if (version == seen_) return false;
  seen_ = version;
  return true;
}

void ChangeWatch::note_activity() { active_ = steady_clock::now(); }

void ChangeWatch::rest(milliseconds limit, const std::stop_token& stop) {
  auto quiet = std::chrono::duration_cast<milliseconds>(steady_clock::now() - active_);
  // Longer with the quiet: a tenth of a percent of it, so the rate falls off smoothly.
  milliseconds rest = quiet < kBusyFor ? kBusyRest : std::min(quiet / 200, kIdleRest);
  state::rest(std::max(milliseconds(0), std::min(rest, limit)), stop);
}

void ChangeWatch::check_file() {
  auto now = steady_clock::now();
  if (now - checked_ < kFileInterval) return;
  checked_ = now;
  std::uint64_t inode = inode_of(path_);
  if (inode == inode_) return;
  if (inode == 0) {
    throw state::Error("the source file is gone", path_,
                       "put the file back, or correct source.path, then start again");
  }
  throw SourceReplaced("another file stands at the source's path", path_,
                       "nothing to do: Tandem reads it anew");
}

}  // namespace tandem::capture

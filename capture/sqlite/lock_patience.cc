#include "capture/sqlite/lock_patience.h"

#include <algorithm>

#include "capture/source.h"
#include "state/failpoint.h"
#include "state/rest.h"

namespace tandem::capture {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstPause{1};
constexpr milliseconds kLongestPause{200};

}  // namespace

void while_locked_retry(const std::string& path, const std::stop_token& stop,
                        const std::function<void()>& work, milliseconds patience) {
  const auto until = steady_clock::now() + patience;
  milliseconds pause = kFirstPause;
  for (;;) {
    try {
      work();
      return;
    } catch (const state::SqliteError& error) {
      if (!error.busy()) throw;
      if (stop.stop_requested()) {
        throw SourceLocked("stopped while the source was locked", path, "start again at any time");
      }
      if (steady_clock::now() >= until) {
        throw SourceLocked("another program keeps the source locked", path,
                           "end the application's long transaction or its exclusive lock, then "
                           "start again");
      }
    }
    // A writer waits for nothing of ours here; the pause only spares the processor.
    state::rest(pause, stop);
    pause = std::min(pause * 2, kLongestPause);
  }
}

void in_write_transaction(state::Database& database, const std::stop_token& stop,
                          const std::function<void()>& work) {
  while_locked_retry(database.path(), stop, [&] {
    state::Transaction transaction(database);
    work();
    TANDEM_FAILPOINT("capture.source.commit.before");
    transaction.commit();
    TANDEM_FAILPOINT("capture.source.commit.after");
  });
}

}  // namespace tandem::capture

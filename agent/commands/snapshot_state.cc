// tandem snapshot-state: copies the replica into one file beside a running agent, or puts such a
// copy in the place of the replica here. A state directory that was lost then folds the log from
// the copy's offset on, not from its beginning.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>

#include "agent/commands/commands.h"
#include "agent/replica_beside.h"
#include "agent/terminal.h"
#include "agent/wiring.h"
#include "state/replica.h"

namespace tandem::agent {
namespace {

// SQLite writes into an empty file that is there, with the permissions that it has.
void make_private_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) {
    throw state::Error(errno == EEXIST ? "is there already" : "cannot be made", path,
                       "name a file that is not there, in a directory that you may write to");
  }
  ::close(file);
}

int save(const Config& config, const std::string& path) {
  const state::StateDirectory directory = state::StateDirectory::look(config.state);
  if (::access(directory.replica().c_str(), R_OK) != 0) {
    throw state::Error("there is no replica yet", config.state, "run `tandem run` first");
  }
  make_private_file(path);
  state::ReplicaReader(directory.replica()).database().prepare("VACUUM INTO ?").bind(1, path).run();
  // Marks are numbered for one ledger, and mean nothing to another.
  state::Database copy(path, state::OpenMode::kReadWrite);
  copy.execute("DELETE FROM _tandem_marks; DELETE FROM _tandem_wide_marks");
  copy.execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
  state::ReplicaReader reader(path);
  std::puts(printable("wrote " + path + ": the replica at offset " +
                      std::to_string(reader.position().next - 1))
                .c_str());
  return 0;
}

// Throws unless what comes next of the log can be folded onto the copy.
void check_copy(const std::string& path, state::ChangeLog& log) {
  if (::access(path.c_str(), R_OK) != 0) {
    throw state::Error("cannot be read", path, "name a file that `tandem snapshot-state` wrote");
  }
  const state::ReplicaPosition position = state::ReplicaReader(path).position();
  if (position.log_identity != log.identity()) {
    throw state::Error("is a replica of another log", path,
                       "take a copy of the same pipeline's, or let `tandem run` fold the log anew");
  }
  if (position.next < log.first() || position.next > log.next()) {
    throw state::Error("stands at offset " + std::to_string(position.next - 1) +
                           ", and the log holds offsets " + std::to_string(log.first()) + " to " +
                           std::to_string(log.next() - 1),
                       path, "take a newer copy");
  }
}

int restore(const Config& config, const std::string& path) {
  const state::StateDirectory directory = state::StateDirectory::own(config.state);
  const auto log = open_log_for_reading(config, directory);
  check_copy(path, *log);
  ReplicaBeside beside(config, directory);
  make_private_file(beside.path());
  std::filesystem::copy_file(path, beside.path(),
                             std::filesystem::copy_options::overwrite_existing);
  ::chmod(beside.path().c_str(), 0600);
  beside.fill(*log, [&](state::Replica& replica) {
    // What the ledger here knows may be of another offset.
    replica.mark([&](state::Marks& marks) {
      for (const sink::DocumentSpec& document : config.documents) {
        marks.mark_wide(document.name, 0, {});
      }
    });
  });
  beside.take_place();
  std::puts(("the replica stands at offset " +
             std::to_string(state::ReplicaReader(directory.replica()).position().next - 1) +
             "; the next `tandem run` folds the log from there and compares every document")
                .c_str());
  return 0;
}

}  // namespace

int run_snapshot_state(const CommandLine& line) {
  const Config config = load_config_as_read(line.config);
  return line.restore ? restore(config, line.file) : save(config, line.file);
}

}  // namespace tandem::agent

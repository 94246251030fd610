#include "agent/replica_beside.h"

#include <filesystem>

#include "sink/relations.h"
#include "state/ledger.h"

namespace tandem::agent {

ReplicaBeside::ReplicaBeside(const Config& config, const state::StateDirectory& directory)
    : config_(config), directory_(directory), path_(directory.replica_beside()) {
  state::remove_database(path_);
}

void ReplicaBeside::fill(const state::ChangeLog& log,
                         const std::function<void(state::Replica&)>& fill) {
  state::Ledger ledger(directory_.ledger(), log.identity());
  sink::DocumentSet documents(config_.documents, config_.target.tables);
  sink::Relations relations(documents);
  state::ReplicaOptions options;
  options.first_mark = ledger.highest_mark() + 1;
  state::Replica replica(path_, log.identity(), &relations, options);
  fill(replica);
  replica.sync();
}

void ReplicaBeside::take_place() {
  // Everything of the new file is in the file itself before it takes the old one's name.
  state::Database(path_, state::OpenMode::kReadWrite).execute("PRAGMA wal_checkpoint(TRUNCATE)");
  state::remove_database(directory_.replica());
  std::filesystem::rename(path_, directory_.replica());
}

}  // namespace tandem::agent

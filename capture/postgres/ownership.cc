#include "capture/postgres/ownership.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "capture/postgres/publication.h"
#include "capture/source.h"

namespace tandem::capture::postgres {
namespace {

std::uint64_t now_ms() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

}  // namespace

Ownership::Ownership(std::function<ServerAddress()> address, std::string application,
                     InstallationNames names)
    : address_(std::move(address)),
      application_(std::move(application)),
      names_(std::move(names)) {}

Claim Ownership::claim(Connection& connection, const std::string& log_identity,
                       std::uint64_t log_epoch, int slot_pid) {
  const std::optional<PublicationOwner> found = read_owner(connection, names_.publication);
  Claim claim;
  claim.epoch = 1 + std::max({log_epoch, found ? found->epoch : 0, now_ms()});
  // A row that is not of this log's newest epoch was restored, or another log was fed meanwhile, or
  // this log was put back from an older copy.
  const bool unbroken = found && found->log_identity == log_identity && found->epoch == log_epoch;
  const bool broken = std::exchange(broken_, false);
  claim.since = unbroken && !broken ? found->since : claim.epoch;
  claim.took_over = found && !unbroken;
  const bool written =
      write_owner(connection, names_.publication, {log_identity, claim.epoch, claim.since});
  if (!written && !broken) claim.since = 0;
  std::lock_guard lock(mutex_);
  mine_ = {log_identity, claim.epoch, slot_pid, written};
  return claim;
}

Ownership::Mine Ownership::mine() {
  std::lock_guard lock(mutex_);
  return mine_;
}

void Ownership::ask(std::stop_token stop, const std::function<void(Connection&)>& use) {
  std::lock_guard lock(asking_);
  if (!connection_) {
    const ServerAddress address = address_();
    connection_ =
        std::make_unique<Connection>(address, application_, Connection::Purpose::kSql, stop);
    connection_->limit_silence(address.longest_silence);
  }
  connection_->set_stop(std::move(stop));
  try {
    use(*connection_);
  } catch (...) {
    connection_.reset();
    throw;
  }
}

void Ownership::throw_fenced() const {
  throw state::Fenced("another agent has taken over the source", names_.slot,
                      "stop one of the two; this one has stopped writing");
}

void Ownership::assert_mine(std::stop_token stop) {
  const Mine mine = this->mine();
  if (mine.epoch == 0) return;
  ask(std::move(stop), [&](Connection& connection) {
    if (mine.has_row) {
      const std::optional<PublicationOwner> owner = read_owner(connection, names_.publication);
      // No row, or an older one: the database was restored, which is for capture to find.
      if (owner && (owner->log_identity != mine.log_identity || owner->epoch > mine.epoch)) {
        throw_fenced();
      }
    }
    const Rows slot = connection.query(
        "SELECT active_pid FROM pg_catalog.pg_replication_slots WHERE slot_name = $1",
        {names_.slot});
    if (slot.empty() || slot.is_null(0, 0) || slot.integer(0, 0) == mine.slot_pid) return;
    if (!mine.has_row) throw_fenced();
    throw state::Error("another process holds the replication slot", names_.slot,
                       "find it by pg_replication_slots.active_pid = " + slot.text(0, 0));
  });
}

void Ownership::check(Connection& connection) {
  const Mine mine = this->mine();
  if (!mine.has_row) return;
  const std::optional<PublicationOwner> owner = read_owner(connection, names_.publication);
  if (!owner || owner->epoch < mine.epoch) {
    throw SourceReplaced(
        "the source was restored: Tandem's mark on its publication is not the one "
        "that was made",
        names_.publication, "nothing to do: Tandem reads everything again");
  }
  if (owner->log_identity != mine.log_identity || owner->epoch > mine.epoch) throw_fenced();
  if (owner->since > mine.epoch) {
    throw SourceReplaced("an agent that was fenced may have written late", names_.publication,
                         "nothing to do: Tandem reads everything again");
  }
}

void Ownership::break_chain(Connection& connection) {
  // Both: a crash before the next claim forgets the one, and not every publication has the other.
  broken_ = true;
  const Mine mine = this->mine();
  if (!mine.has_row) return;
  write_owner(connection, names_.publication, {mine.log_identity, mine.epoch, mine.epoch + 1});
}

void Ownership::report_late_writes() {
  const Mine mine = this->mine();
  if (!mine.has_row) return;
  ask({}, [&](Connection& connection) {
    std::optional<PublicationOwner> owner = read_owner(connection, names_.publication);
    if (!owner) return;
    if (owner->log_identity == mine.log_identity && owner->epoch <= mine.epoch) return;
    owner->since = owner->epoch + 1;
    write_owner(connection, names_.publication, *owner);
  });
}

}  // namespace tandem::capture::postgres

#include "capture/postgres/preflight.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "capture/postgres/publication.h"
#include "capture/postgres/server_preflight.h"
#include "capture/postgres/slot.h"
#include "capture/postgres/slot_guardian.h"
#include "capture/postgres/table_preflight.h"

namespace tandem::capture::postgres {
namespace {

using Level = Finding::Level;

class Preflight {
 public:
  Preflight(Connection& connection, const std::string& application, const std::string& slot,
            const std::string& publication)
      : connection_(connection),
        application_(application),
        slot_name_(slot),
        publication_name_(publication) {
    Rows rows = connection.query(
        "SELECT current_database(), current_user, "
        "has_database_privilege(current_database(), 'CREATE')");
    database_ = rows.text(0, 0);
    role_ = rows.text(0, 1);
    may_create_ = rows.flag(0, 2);
    slot_ = read_slot(connection, slot);
    publications_ = read_publications(connection, publication);
  }

  void check_slot() {
    const std::string subject = "slot " + slot_name_;
    if (!slot_) {
      add(Level::kWarning, subject, "it is not there yet", "run `tandem init`");
      return;
    }
    if (const std::string strange = slot_->strangeness(database_); !strange.empty()) {
      add(Level::kFailure, subject, strange,
          "name another one in `source.slot`, or drop it if nothing needs it");
      return;
    }
    if (slot_->is_lost()) {
      add(Level::kWarning, subject, slot_->shortcoming(database_),
          "nothing to do: Tandem makes a new one and reads all tables again; raise "
          "max_slot_wal_keep_size so that it does not happen again");
      return;
    }
    check_holder(subject);
    SlotGuardian guardian;
    guardian.add(std::chrono::steady_clock::now(), *slot_);
    if (std::optional<Finding> warning = guardian.warning()) {
      findings_.push_back(std::move(*warning));
    } else {
      add(Level::kOk, subject,
          "the server keeps " + shown_size(guardian.outlook()->held_bytes) + " of its log for it",
          "");
    }
    if (connection_.server_version() >= 170000 && !slot_->failover) {
      add(Level::kWarning, subject,
          "it is no failover slot: after a failover all tables are read again",
          "if there are standbys, run `tandem init --uninstall` and `tandem init`");
    }
  }

  void check_publication() {
    const std::string subject = "publication " + publication_name_;
    const bool there =
        std::any_of(publications_.begin(), publications_.end(),
                    [&](const auto& each) { return each.name == publication_name_; });
    if (!there && !may_create_) {
      add(Level::kFailure, subject,
          "it is not there yet, and the role " + role_ + " may not create one",
          "run GRANT CREATE ON DATABASE " + connection_.identifier(database_) + " TO " +
              connection_.identifier(role_) + ", or let an administrator make it: " +
              "CREATE PUBLICATION " + connection_.identifier(publication_name_) +
              " FOR TABLE … WITH (publish_via_partition_root = true)");
    } else if (!there) {
      add(Level::kWarning, subject, "it is not there yet", "run `tandem init`");
    }
    for (const Publication& publication : publications_) check_one(publication);
  }

  void check_captured(const std::vector<TableRequest>& requests) {
    check_tables(connection_, publication_name_, publications_, requests, findings_);
  }

  Possessions possessions() const { return {slot_.has_value(), agent_has_slot()}; }
  std::vector<Finding>& findings() { return findings_; }

 private:
  void add(Level level, std::string subject, std::string text, std::string advice) {
    findings_.push_back({level, std::move(subject), std::move(text), std::move(advice)});
  }

  bool agent_has_slot() const {
    return slot_ && slot_->active_pid != 0 &&
           slot_->holder.find("application '" + application_ + "'") != std::string::npos;
  }

  void check_holder(const std::string& subject) {
    if (slot_->active_pid == 0) return;
    if (agent_has_slot()) {
      add(Level::kOk, subject, "the running agent has it (" + slot_->holder + ")", "");
    } else {
      add(Level::kWarning, subject, "somebody else has it: " + slot_->holder,
          "end that process, or name another one in `source.slot`");
    }
  }

  void check_one(const Publication& publication) {
    const std::string subject = "publication " + publication.name;
    if (!publication.made_here) {
      add(Level::kWarning, subject,
          "Tandem did not make it, and keeps no owner row in its comment: an agent that went on "
          "after another took over, or a restored backup, is found by clock and slot alone",
          "drop it and let `tandem init` make it, or keep its tables in step with the config "
          "yourself");
    } else if (!publication.may_alter) {
      add(Level::kFailure, subject, "the role " + role_ + " does not own it and may not alter it",
          "run ALTER PUBLICATION " + connection_.identifier(publication.name) + " OWNER TO " +
              connection_.identifier(role_));
    } else {
      add(Level::kOk, subject,
          "Tandem made it" +
              std::string(publication.owner
                              ? "; the log " + publication.owner->log_identity + " is fed from here"
                              : ""),
          "");
    }
  }

  Connection& connection_;
  const std::string& application_;
  const std::string& slot_name_;
  const std::string& publication_name_;
  std::string database_, role_;
  bool may_create_ = false;
  std::optional<Slot> slot_;
  std::vector<Publication> publications_;
  std::vector<Finding> findings_;
};

void add_error(const state::Error& error, const std::string& subject,
               std::vector<Finding>& findings) {
  findings.push_back({Level::kFailure, subject, error.message(), error.hint()});
}

void check_replication(const ServerAddress& address, const std::string& application,
                       std::vector<Finding>& findings) {
  try {
    Connection connection(address, application, Connection::Purpose::kReplication);
    connection.execute("IDENTIFY_SYSTEM");
    findings.push_back({Level::kOk, "replication", "the server takes such connections", ""});
  } catch (const state::Error& error) {
    findings.push_back({Level::kFailure, "replication",
                        "the server takes no such connection: " + error.message(),
                        "connect to the server itself, not through a pooler, by a role that may "
                        "replicate; see also the lines above"});
  }
}

}  // namespace

std::vector<Finding> check_postgres(const ServerAddress& address, const std::string& application,
                                    const std::string& slot, const std::string& publication,
                                    const std::vector<TableRequest>& requests) {
  std::vector<Finding> findings;
  std::optional<Connection> connection;
  try {
    connection.emplace(address, application);
  } catch (const state::Error& error) {
    add_error(error, "source", findings);
    return findings;
  }
  tell_version(*connection, findings);
  Preflight preflight(*connection, application, slot, publication);
  const Possessions ours = preflight.possessions();
  if (!check_server(*connection, ours, findings) && ours.sender) {
    findings.push_back({Level::kOk, "replication", "the running agent has such a connection", ""});
  } else {
    check_replication(address, application, findings);
  }
  preflight.check_slot();
  preflight.check_publication();
  preflight.check_captured(requests);
  findings.insert(findings.end(), preflight.findings().begin(), preflight.findings().end());
  return findings;
}

}  // namespace tandem::capture::postgres

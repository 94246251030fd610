#include "state/mark_sweep.h"

#include <unistd.h>

#include "state/failpoint.h"

namespace tandem::state {
namespace {

constexpr std::int64_t kSettledACall = 20'000;

}  // namespace

MarkSweep::MarkSweep(Database& replica)
    : replica_(replica),
      remove_(replica.prepare(
          "DELETE FROM _tandem_marks WHERE document = (SELECT id FROM _tandem_documents WHERE name "
          "= ?) AND root = ? AND number <= ?")),
      remove_wide_(replica.prepare(
          "DELETE FROM _tandem_wide_marks WHERE document = (SELECT id FROM _tandem_documents WHERE "
          "name = ?) AND path = ? AND vals = ? AND number <= ?")) {}

bool MarkSweep::open_ledger(const std::string& path) {
  if (ledger_) return true;
  if (::access((path + "-wal").c_str(), R_OK) != 0) return false;
  ledger_ = Database(path, OpenMode::kReadOnly);
  ledger_log_.emplace(path);
  return true;
}

std::int64_t MarkSweep::sweep(const std::string& ledger_path) {
  if (!open_ledger(ledger_path)) return 0;
  std::int64_t version = ledger_.query_value("PRAGMA data_version").as_integer();
  if (looked_all_ == version) return 0;
  std::vector<Settled> settled = next_settled();
  std::vector<Settled> wide = expanded();
  bool all = static_cast<std::int64_t>(settled.size()) < kSettledACall;
  if (!settled.empty() || !wide.empty()) ledger_log_->sync();
  std::int64_t removed = 0;
  TANDEM_FAILPOINT("replica.sweep.before");
  Transaction transaction(replica_);
  for (const Settled& mark : settled) {
    remove_.bind(1, std::string_view(mark.document)).bind_blob(2, mark.key).bind(3, mark.number);
    remove_.run();
    removed += replica_.changes();
  }
  for (const Settled& mark : wide) {
    remove_wide_.bind(1, std::string_view(mark.document)).bind(2, mark.path);
    remove_wide_.bind_blob(3, mark.key).bind(4, mark.number).run();
    removed += replica_.changes();
  }
  transaction.commit();
  TANDEM_FAILPOINT("replica.sweep.after");
  swept_ = all ? 0 : settled.back().number;
  if (all) looked_all_ = version;
  return removed;
}

std::vector<MarkSweep::Settled> MarkSweep::next_settled() {
  std::vector<Settled> all;
  if (replica_.query_value("SELECT 1 FROM _tandem_marks LIMIT 1").is_null()) return all;
  auto select = ledger_.prepare(
      "SELECT name, root, number FROM settled JOIN documents ON id = doc WHERE number > ? ORDER BY "
      "number LIMIT ?");
  select.bind(1, swept_).bind(2, kSettledACall);
  while (select.step()) {
    all.push_back({select.text(0), 0, select.text(1), select.integer(2)});
  }
  return all;
}

std::vector<MarkSweep::Settled> MarkSweep::expanded() {
  std::vector<Settled> all;
  if (replica_.query_value("SELECT 1 FROM _tandem_wide_marks LIMIT 1").is_null()) return all;
  auto select = ledger_.prepare(
      "SELECT name, path, vals, number FROM expansions JOIN documents ON id = doc WHERE done");
  while (select.step()) {
    all.push_back({select.text(0), select.integer(1), select.text(2), select.integer(3)});
  }
  return all;
}

}  // namespace tandem::state

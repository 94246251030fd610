#include "agent/first_load.h"

#include <nlohmann/json.hpp>

#include "agent/wiring.h"

namespace tandem::agent {
namespace {

constexpr char kMeta[] = "made_tables";

}  // namespace

void remember_made_tables(const Config& config, const state::StateDirectory& directory,
                          const std::vector<std::string>& tables) {
  if (tables.empty()) return;
  auto log = open_log(config, directory);
  state::Ledger ledger(directory.ledger(), log->identity());
  std::vector<std::string> all = made_tables(ledger);
  all.insert(all.end(), tables.begin(), tables.end());
  ledger.set_meta(kMeta, nlohmann::json(all).dump());
}

std::vector<std::string> made_tables(state::Ledger& ledger) {
  std::string text = ledger.meta(kMeta);
  if (text.empty()) return {};
  return nlohmann::json::parse(text).get<std::vector<std::string>>();
}

}  // namespace tandem::agent

// tandem verify: compares the source with the target, in both directions, while changes go on.
//
// Two halves make one proof: the source's own rows equal the replica's (row_verifier), and what the
// documents yield from the replica equals what stands at the target (item_verifier). A difference
// counts only if nothing newer is on its way.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/commands/commands.h"
#include "agent/inbox_worker.h"
#include "agent/row_verifier.h"
#include "agent/terminal.h"
#include "agent/wiring.h"
#include "sink/item_verifier.h"

namespace tandem::agent {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kShown = 20;

std::string display_key(const state::Row& key) {
  std::string text;
  for (const state::Value& value : key)
    text += (text.empty() ? "" : ", ") + state::to_display(value);
  return text;
}

const char* kind_name(sink::ItemDifference::Kind kind) {
  switch (kind) {
    case sink::ItemDifference::Kind::kMissing:
      return "missing";
    case sink::ItemDifference::Kind::kSurplus:
      return "surplus";
    case sink::ItemDifference::Kind::kDifferent:
      return "different";
  }
  return "";
}

struct Result {
  RowReport rows;
  sink::ItemReport items;
  double seconds = 0;
  bool agent_runs = false;

  std::size_t differences() const { return rows.differences.size() + items.differences.size(); }
  std::int64_t pending() const {
    return rows.pending + items.pending +
           static_cast<std::int64_t>(rows.not_whole.size() + rows.changed.size());
  }
};

Json to_json(const Result& result) {
  Json json;
  json["equal"] =
      result.differences() == 0 && result.pending() == 0 && result.items.dead_letters == 0;
  json["position"] = result.rows.position;
  json["rows_compared"] = result.rows.rows;
  json["items_expected"] = result.items.items_expected;
  json["items_found"] = result.items.items_found;
  json["tombstones"] = result.items.tombstones;
  json["foreign_items"] = result.items.foreign;
  json["undeclared_items"] = result.items.undeclared;
  json["pending"] = result.pending();
  json["dead_letters"] = result.items.dead_letters;
  json["tables_not_whole"] = result.rows.not_whole;
  json["tables_changed"] = result.rows.changed;
  json["seconds"] = result.seconds;
  json["row_differences"] = Json::array();
  for (const RowDifference& row : result.rows.differences) {
    json["row_differences"].push_back({{"table", row.table},
                                       {"key", display_key(row.key)},
                                       {"kind", !row.source    ? "surplus"
                                                : !row.replica ? "missing"
                                                               : "different"},
                                       {"columns", row.columns}});
  }
  json["item_differences"] = Json::array();
  for (const sink::ItemDifference& item : result.items.differences) {
    Json entry = {{"table", item.table},       {"item", item.item}, {"kind", kind_name(item.kind)},
                  {"document", item.document}, {"row", item.row},   {"attributes", Json::array()}};
    for (const sink::AttributeDifference& attribute : item.attributes) {
      entry["attributes"].push_back(
          {{"name", attribute.name}, {"expected", attribute.expected}, {"found", attribute.found}});
    }
    json["item_differences"].push_back(std::move(entry));
  }
  return json;
}

void print_differences(const Result& result) {
  std::size_t shown = 0;
  for (const RowDifference& row : result.rows.differences) {
    if (++shown > kShown) break;
    std::string text = row.table + " (" + display_key(row.key) + ") ";
    if (!row.replica) {
      text += "is at the source, but was not captured";
    } else if (!row.source) {
      text += "was captured, but is gone at the source";
    } else {
      text += "differs between source and replica in";
      for (const std::string& column : row.columns) text += " " + column;
    }
    std::puts((styled(Style::kRed, "row   ") + printable(text)).c_str());
  }
  for (const sink::ItemDifference& item : result.items.differences) {
    if (++shown > kShown) break;
    std::puts((styled(Style::kRed, "item  ") +
               printable(item.table + " " + item.item + " is " + kind_name(item.kind) +
                         (item.row.empty() ? "" : " (" + item.document + " " + item.row + ")")))
                  .c_str());
    if (item.kind != sink::ItemDifference::Kind::kDifferent) continue;
    for (const sink::AttributeDifference& attribute : item.attributes) {
      std::puts(printable("        " + attribute.name + ": expected " +
                          (attribute.expected.empty() ? "nothing" : attribute.expected) +
                          ", found " + (attribute.found.empty() ? "nothing" : attribute.found))
                    .c_str());
    }
  }
  if (result.differences() > kShown) {
    std::puts(("… and " + with_commas(static_cast<std::int64_t>(result.differences() - kShown)) +
               " more (--json lists all)")
                  .c_str());
  }
}

void print(const Result& result) {
  print_differences(result);
  std::string text = with_commas(result.rows.rows) + " rows and " +
                     with_commas(result.items.items_expected) + " items compared with " +
                     with_commas(result.items.items_found) + " at the target, at position " +
                     std::to_string(result.rows.position) + ", in " +
                     human_duration(result.seconds);
  std::puts(text.c_str());
  if (result.items.foreign > 0) {
    std::puts(
        (with_commas(result.items.foreign) + " items at the target are not Tandem's; left alone")
            .c_str());
  }
  if (result.items.undeclared > 0) {
    std::puts((with_commas(result.items.undeclared) +
               " items are of documents no longer declared; left alone, `tandem run --prune` "
               "deletes them")
                  .c_str());
  }
  for (const std::string& table : result.rows.changed) {
    std::puts(styled(Style::kYellow, "table " + printable(table) +
                                         " has other columns at the source than were captured")
                  .c_str());
  }
  if (result.pending() > 0) {
    std::string waiting =
        with_commas(result.pending()) + " could not be judged: something newer is on its way";
    if (!result.agent_runs) waiting += " and no agent runs; `tandem run --once`, then verify again";
    std::puts(styled(Style::kYellow, waiting).c_str());
  }
  if (result.items.dead_letters > 0) {
    std::puts(styled(Style::kRed, with_commas(result.items.dead_letters) +
                                      " dead letters; see `tandem dead-letters list`")
                  .c_str());
  }
  if (result.differences() > 0) {
    std::puts(styled(Style::kRed,
                     with_commas(static_cast<std::int64_t>(result.differences())) + " differences")
                  .c_str());
  } else if (result.pending() == 0 && result.items.dead_letters == 0) {
    std::puts(styled(Style::kGreen, "source and target agree").c_str());
  }
}

// Asks for what would make each difference right; the agent writes it.
void repair(const Config& config, const Result& result) {
  std::vector<state::Request> requests;
  std::vector<std::string> tables;
  for (const RowDifference& row : result.rows.differences) {
    if (std::find(tables.begin(), tables.end(), row.table) == tables.end())
      tables.push_back(row.table);
  }
  for (const std::string& table : tables) {
    state::Request request;
    request.kind = state::RequestKind::kSnapshot;
    request.text = table;
    requests.push_back(std::move(request));
  }
  for (const sink::ItemDifference& item : result.items.differences) {
    state::Request request;
    request.kind = state::RequestKind::kRepair;
    request.document = item.document;
    request.root = item.root;
    request.text = item.table;
    request.key = item.key;
    requests.push_back(std::move(request));
  }
  put_requests(config, requests);
}

}  // namespace

int run_verify(const CommandLine& line, std::stop_token stop) {
  Config config = load_checked_config(line.config, stop);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  if (::access(directory.replica().c_str(), R_OK) != 0 ||
      ::access(directory.ledger().c_str(), R_OK) != 0) {
    throw state::Error("nothing has been synced yet", config.state, "run `tandem run` first");
  }
  auto started = std::chrono::steady_clock::now();
  Result result;
  result.agent_runs = directory.owner().has_value();
  auto patience = std::chrono::milliseconds(result.agent_runs ? 30'000 : 0);

  std::vector<std::string> tables;
  for (const capture::TableRequest& table : captured_tables(config)) tables.push_back(table.name);
  RowVerifierOptions row_options;
  row_options.replica_path = directory.replica();
  row_options.patience = patience;
  row_options.catalog = [&] { return open_source(config)->catalog(stop); };
  auto source = open_source_reader(config, stop);
  result.rows = verify_rows(*source, tables, row_options, stop);

  auto target = open_target(config, stop);
  sink::DocumentSet documents(config.documents, config.target.tables);
  sink::ItemVerifierOptions item_options;
  item_options.pipeline = config.name;
  item_options.attribute = config.target.options.attribute;
  item_options.replica_path = directory.replica();
  item_options.ledger_path = directory.ledger();
  item_options.deep = line.deep;
  item_options.patience = patience;
  result.items = sink::verify_items(*target, documents, item_options, stop);
  if (stop.stop_requested()) throw state::Error("stopped before the end", "", "run verify again");

  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (line.json) {
    std::puts(to_json(result).dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    print(result);
  }
  if (line.repair && result.differences() > 0) repair(config, result);
  bool equal = result.differences() == 0 && result.pending() == 0 && result.items.dead_letters == 0;
  return equal ? 0 : 3;
}

}  // namespace tandem::agent

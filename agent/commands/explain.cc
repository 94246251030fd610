// tandem explain TABLE KEY…: one item's story: the rows that made it, the offset, what was last
// written, and what stands at the target.
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/commands/commands.h"
#include "agent/terminal.h"
#include "agent/wiring.h"
#include "sink/builder.h"
#include "sink/item_verifier.h"
#include "sink/relations.h"
#include "state/ledger_reader.h"

namespace tandem::agent {
namespace {

using Json = nlohmann::ordered_json;

// One document to tell of, and the item that was asked for ("" for all of the document's).
struct Subject {
  std::shared_ptr<const sink::Document> document;
  std::string root, key;
};

struct Scene {
  const Config& config;
  state::ReplicaReader& replica;
  state::LedgerReader& ledger;
  sink::DocumentSet& documents;
  sink::Target& target;
};

const sink::DocumentSet::Entry* entry_of(const std::vector<sink::DocumentSet::Entry>& entries,
                                         const std::string& name) {
  for (const auto& entry : entries) {
    if (entry.document != nullptr && entry.document->name() == name) return &entry;
  }
  return nullptr;
}

// A key as typed: an attribute of the type that the table's key has.
sink::Item typed_key(const sink::TargetTable& table, const std::vector<std::string>& values) {
  if (values.size() != table.key.size()) {
    throw state::Error("the key has " + std::to_string(table.key.size()) + " attributes",
                       table.name, "give a value for each of them, in order");
  }
  sink::Item key;
  for (std::size_t i = 0; i < values.size(); ++i) {
    bool number = i < table.key_types.size() && table.key_types[i] == sink::AttributeType::kNumber;
    key.emplace_back(table.key[i], number ? sink::Attribute::number(values[i])
                                          : sink::Attribute::string(values[i]));
  }
  sink::sort_map(key);
  return key;
}

// A root's key as typed, as the replica holds it: typed values are compared as text.
std::optional<std::string> find_root(state::Database& replica, const state::TableSchema& schema,
                                     const std::vector<std::string>& values) {
  if (values.size() != schema.key.size()) return std::nullopt;
  std::string names;
  std::string tests;
  for (int index : schema.key) {
    std::string name =
        state::quote_identifier(schema.columns[static_cast<std::size_t>(index)].name);
    names += (names.empty() ? "" : ", ") + name;
    tests += (tests.empty() ? "" : " AND ") + ("CAST(" + name + " AS TEXT) = ?");
  }
  auto select = replica.prepare("SELECT " + names + " FROM " +
                                state::quote_identifier(schema.name) + " WHERE " + tests);
  for (std::size_t i = 0; i < values.size(); ++i) {
    select.bind(static_cast<int>(i + 1), std::string_view(values[i]));
  }
  if (!select.step()) return std::nullopt;
  return state::encode_row(select.row(0, static_cast<int>(values.size())));
}

std::vector<Subject> find_subjects(const CommandLine& line, Scene& scene) {
  std::vector<Subject> subjects;
  auto entries = scene.documents.entries();
  for (const sink::TargetTable& table : scene.documents.targets()) {
    if (table.name != line.table) continue;
    std::string key = sink::encode_key(typed_key(table, line.key), table.key);
    auto owner = scene.ledger.owner_of(table.name, key);
    const auto* entry = owner ? entry_of(entries, owner->document) : nullptr;
    if (entry == nullptr) {
      throw state::Error(
          "no document has written this item", table.name,
          "check the key; `tandem verify` lists what stands there and is not Tandem's");
    }
    subjects.push_back({entry->document, owner->root, key});
    return subjects;
  }
  auto tables = scene.replica.tables();
  std::vector<std::string> names;
  for (const auto& [name, table] : tables) names.push_back(name);
  for (const sink::TargetTable& table : scene.documents.targets()) names.push_back(table.name);
  auto found = tables.find(line.table);
  if (found == tables.end()) {
    std::string near = sink::nearest_name(line.table, names);
    throw state::Error("there is no such target or source table", line.table,
                       near.empty() ? "name one of the config" : "did you mean " + near + "?");
  }
  auto root = find_root(scene.replica.database(), found->second.schema, line.key);
  if (!root)
    throw state::Error("there is no such row", line.table, "give the values of its key, in order");
  for (const auto& entry : entries) {
    if (entry.document != nullptr && entry.document->spec().root == line.table &&
        entry.document->spec().by.empty()) {
      subjects.push_back({entry.document, *root, ""});
    }
  }
  if (subjects.empty()) {
    throw state::Error("no document has this table as its root", line.table,
                       "explain the item instead: TABLE KEY");
  }
  return subjects;
}

Json value_json(const state::Value& value) { return printable(state::to_display(value)); }

Json tell(const Subject& subject, Scene& scene) {
  const sink::Document& document = *subject.document;
  sink::Builder builder(scene.replica.database(), subject.document,
                        scene.config.target.options.attribute);
  Json story;
  story["document"] = document.name();
  story["root"] = builder.display_root(subject.root);
  state::ReplicaPosition position = scene.replica.position();
  story["replica"] = {{"offset", position.next - 1},
                      {"epoch", position.epoch},
                      {"source_position", position.source.commit}};
  story["rows"] = Json::array();
  for (const sink::Builder::Part& part : builder.parts(subject.root)) {
    Json row = {{"table", part.table}, {"columns", Json::object()}};
    for (const auto& [name, value] : part.columns) row["columns"][name] = value_json(value);
    story["rows"].push_back(std::move(row));
  }
  if (auto letter = scene.ledger.dead_letter(document.name(), subject.root))
    story["dead_letter"] = letter->reason;
  auto number = scene.replica.mark_number(document.name(), subject.root);
  auto settled = scene.ledger.settled(document.name(), subject.root);
  story["dirty"] = number.has_value() && (!settled || *settled < *number);

  sink::BuiltDocument built = builder.build(subject.root);
  story["items"] = Json::array();
  if (!built.invalid.empty()) story["invalid"] = built.invalid;
  for (const sink::BuiltItem& item : built.items) {
    if (!subject.key.empty() && item.key != subject.key) continue;
    sink::Item key = sink::decode_key(item.key, document.target().key);
    Json entry = {{"table", document.target().name},
                  {"key", sink::display_key(key, document.target().key)}};
    entry["built_hash"] = state::to_hex(item.hash);
    if (auto written = scene.ledger.owner_of(document.target().name, item.key)) {
      entry["last_written"] = {{"epoch", written->version.epoch},
                               {"offset", written->version.offset},
                               {"hash", state::to_hex(written->hash)},
                               {"unknown", written->unknown}};
    }
    auto found = scene.target.read(document.target_index(), {key});
    if (!found[0]) {
      entry["target"] = nullptr;
    } else {
      std::string text;
      sink::write_dynamodb_json(*found[0], text);
      entry["target"] = Json::parse(text);  // in DynamoDB's form, which keeps every digit
      entry["differences"] = Json::array();
      for (const auto& difference :
           sink::compare_items(item.item, *found[0], scene.config.target.options.attribute,
                               document.spec().volatile_names)) {
        entry["differences"].push_back({{"name", difference.name},
                                        {"expected", difference.expected},
                                        {"found", difference.found}});
      }
    }
    story["items"].push_back(std::move(entry));
  }
  return story;
}

void print(const Json& story) {
  auto put = [](const std::string& text) { std::puts(printable(text).c_str()); };
  std::puts(styled(Style::kBold, printable(story["document"].get<std::string>() + ", root " +
                                           story["root"].get<std::string>()))
                .c_str());
  put("made from the replica at offset " + story["replica"]["offset"].dump() +
      " (source position " + story["replica"]["source_position"].dump() + ") of " +
      std::to_string(story["rows"].size()) + " rows:");
  for (const Json& row : story["rows"]) {
    std::string text = "  " + row["table"].get<std::string>() + ":";
    for (const auto& [name, value] : row["columns"].items())
      text += " " + name + "=" + value.get<std::string>();
    put(text);
  }
  if (story.contains("dead_letter")) put("dead letter: " + story["dead_letter"].get<std::string>());
  if (story["dirty"].get<bool>()) put("a newer change is on its way to it");
  for (const Json& item : story["items"]) {
    put("item " + item["table"].get<std::string>() + " " + item["key"].get<std::string>());
    if (item.contains("last_written")) {
      const Json& written = item["last_written"];
      put("  last written at offset " + written["offset"].dump() + " of epoch " +
          written["epoch"].dump() + ", hash " + written["hash"].get<std::string>() +
          (written["unknown"].get<bool>() ? ", not confirmed yet" : ""));
    } else {
      put("  never written");
    }
    if (item["target"].is_null()) {
      put("  nothing stands at the target");
      continue;
    }
    put("  at the target: " +
        sink::to_plain_json(sink::item_from_dynamodb_json(item["target"].dump()), 2));
    for (const Json& difference : item["differences"]) {
      put("  differs in " + difference["name"].get<std::string>() + ": expected " +
          difference["expected"].get<std::string>() + ", found " +
          difference["found"].get<std::string>());
    }
    if (item["differences"].empty()) std::puts(styled(Style::kGreen, "  as it should be").c_str());
  }
}

}  // namespace

int run_explain(const CommandLine& line, std::stop_token stop) {
  Config config = load_config_beside_replica(line.config, stop);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  if (::access(directory.replica().c_str(), R_OK) != 0 ||
      ::access(directory.ledger().c_str(), R_OK) != 0) {
    throw state::Error("nothing has been synced yet", config.state, "run `tandem run` first");
  }
  state::ReplicaReader replica(directory.replica());
  replica.renew();
  state::LedgerReader ledger(directory.ledger());
  sink::DocumentSet documents(config.documents, config.target.tables);
  documents.recompile(replica.tables());
  auto target = open_target(config, stop);
  Scene scene{config, replica, ledger, documents, *target};
  Json stories = Json::array();
  bool differs = false;
  for (const Subject& subject : find_subjects(line, scene)) {
    Json story = tell(subject, scene);
    if (story.contains("dead_letter")) differs = true;
    for (const Json& item : story["items"]) {
      if (item["target"].is_null() || !item["differences"].empty()) differs = true;
    }
    if (!line.json) print(story);
    stories.push_back(std::move(story));
  }
  if (line.json) std::puts(stories.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  return differs ? 3 : 0;
}

}  // namespace tandem::agent

#include "capture/postgres/source_table.h"

#include <algorithm>

namespace tandem::capture::postgres {
namespace {

using Index = TableFacts::UniqueIndex;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string quote(std::string_view name) {
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

bool begins_like(std::string_view name, std::string_view prefix) {
  return same_in_replica(name.substr(0, prefix.size()), prefix);
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return "[" + text + "]";
}

// Finds out how a row of the table is identified.
class KeyChoice {
 public:
  KeyChoice(const TableFacts& facts, const TableRequest& request, SourceTable& made)
      : facts_(facts), request_(request), made_(made) {}

  void choose() {
    if (made_.insert_only || facts_.identity == 'f') {
      choose_declared();
    } else if (const Index* index = identity_index()) {
      choose_identity(*index);
    } else {
      refuse_without_identity();
    }
  }

 private:
  void refuse(std::string reason) { made_.table.refusal = std::move(reason); }

  const TableFacts::Column& column(int number) const {
    return *std::find_if(facts_.columns.begin(), facts_.columns.end(),
                         [number](const auto& each) { return each.number == number; });
  }

  std::vector<std::string> names_of(const Index& index) const {
    std::vector<std::string> names;
    for (int number : index.numbers) names.push_back(column(number).name);
    return names;
  }

  const Index* primary() const {
    for (const Index& index : facts_.unique_indexes) {
      if (index.primary) return &index;
    }
    return nullptr;
  }

  // The server takes no deferrable key for a replica identity.
  const Index* identity_index() const {
    for (const Index& index : facts_.unique_indexes) {
      if (!index.immediate) continue;
      if (facts_.identity == 'd' ? index.primary : facts_.identity == 'i' && index.identity) {
        return &index;
      }
    }
    return nullptr;
  }

  // An index that could serve as a key.
  const Index* candidate() const {
    for (const Index& index : facts_.unique_indexes) {
      if (!index.immediate) continue;
      if (std::all_of(index.numbers.begin(), index.numbers.end(), [this](int number) {
            return column(number).not_null && !column(number).generated;
          })) {
        return &index;
      }
    }
    return nullptr;
  }

  std::string setting(const char* name) const {
    return "source.tables." + made_.table.schema.name + "." + name;
  }
  std::string alter(const std::string& what) const {
    return "ALTER TABLE " + made_.quoted() + " " + what;
  }

  // Takes these columns for the key. False: one of them cannot be.
  bool take(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      auto found = std::find_if(facts_.columns.begin(), facts_.columns.end(),
                                [&](const auto& each) { return each.name == name; });
      if (found == facts_.columns.end()) {
        refuse("its configured key names " + name + ", which is not a column of it; correct " +
               setting("key"));
      } else if (found->generated) {
        refuse("its key column " + name +
               " is generated, and generated columns are not in the stream; " +
               alter("REPLICA IDENTITY FULL") + " and name other columns in " + setting("key"));
      } else if (!found->not_null) {
        refuse("its key column " + name + " may be null; " +
               alter("ALTER COLUMN " + quote(name) + " SET NOT NULL") +
               ", or name other columns in " + setting("key"));
      } else {
        made_.table.schema.key.push_back(made_.table.schema.find(name));
        continue;
      }
      made_.table.schema.key.clear();
      return false;
    }
    return true;
  }

  void choose_identity(const Index& index) {
    std::vector<std::string> names = names_of(index);
    std::vector<std::string> sent = names, wanted = request_.key;
    std::sort(sent.begin(), sent.end());
    std::sort(wanted.begin(), wanted.end());
    if (!wanted.empty() && sent != wanted) {
      refuse("its configured key is " + listed(request_.key) + ", but the server names changed " +
             "rows by " + listed(names) + "; leave out " + setting("key") + ", or run " +
             alter("REPLICA IDENTITY FULL"));
      return;
    }
    take(names);
  }

  void choose_declared() {
    std::vector<std::string> names = request_.key;
    const Index* index = primary();
    if (names.empty() && index == nullptr && facts_.identity == 'i') index = identity_index();
    if (names.empty() && index != nullptr) names = names_of(*index);
    if (names.empty()) {
      const Index* other = candidate();
      refuse("it has no primary key; " +
             (other != nullptr
                  ? "set " + setting("key") + " to " + listed(names_of(*other)) +
                        ", which the unique index " + other->name + " covers, or give it a " +
                        "primary key"
                  : "give it one, or make a unique index over columns that are NOT NULL and name "
                    "them in " +
                        setting("key")));
      return;
    }
    if (!take(names)) return;
    bool unique = false, immediate = false;
    for (const Index& each : facts_.unique_indexes) {
      const std::vector<std::string> covered = names_of(each);
      if (!std::all_of(covered.begin(), covered.end(), [&](const std::string& name) {
            return std::find(names.begin(), names.end(), name) != names.end();
          })) {
        continue;
      }
      unique = true;
      immediate = immediate || each.immediate;
    }
    made_.deferrable_key = unique && !immediate;
    if (unique) return;
    made_.table.schema.key.clear();
    refuse("no unique index makes its key " + listed(names) + " unique; make one, or name other " +
           "columns in " + setting("key"));
  }

  void refuse_without_identity() {
    std::string reason;
    if (facts_.identity == 'n') {
      reason = "its replica identity is NOTHING";
    } else if (facts_.identity == 'i') {
      reason = "the index of its replica identity is gone";
    } else if (primary() != nullptr) {
      reason = "its primary key is deferrable, which the server takes for no replica identity";
    } else {
      reason = "it has no primary key";
    }
    reason += ", so the server would not say which row changed; ";
    const Index* other = candidate();
    if (primary() != nullptr && primary()->immediate) {
      reason += "run " + alter("REPLICA IDENTITY DEFAULT");
    } else if (primary() != nullptr) {
      reason += "run " + alter("REPLICA IDENTITY FULL");
    } else if (other != nullptr) {
      reason += "run " + alter("REPLICA IDENTITY USING INDEX " + quote(other->name)) +
                ", or give it a primary key";
    } else {
      reason += "give it a primary key";
    }
    refuse(reason + ", or, if rows are only ever added to it, set " + setting("insert_only") +
           " to on, or leave it out");
  }

  const TableFacts& facts_;
  const TableRequest& request_;
  SourceTable& made_;
};

// Why no table of this sort can be captured, "" if it can.
std::string refusal_of_sort(const TableFacts& facts, const std::string& name) {
  if (begins_like(name, "_tandem_")) {
    return "names that begin with _tandem_ are Tandem's own; rename the table";
  }
  if (begins_like(name, "sqlite_")) {
    return "the replica is an SQLite database, where names that begin with sqlite_ are SQLite's "
           "own; rename the table, or move it to a schema";
  }
  if (facts.kind == 'v' || facts.kind == 'm') {
    return "it is a view; sync the tables it reads, and join them in the document";
  }
  if (facts.kind == 'f') {
    return "it is a foreign table, whose changes are not in this server's log; capture it at the "
           "server that holds it, or leave it out";
  }
  if (facts.kind != 'r' && facts.kind != 'p') return "it is not a table; leave it out";
  if (!facts.root.empty()) return "it is a partition; name its table " + facts.root + " instead";
  if (facts.persistence == 't') {
    return "it is temporary, and other sessions cannot see it; leave it out";
  }
  if (facts.persistence == 'u') {
    return "it is unlogged, so its changes are not in the server's log; run ALTER TABLE " +
           quote(facts.schema) + "." + quote(facts.name) + " SET LOGGED, or leave it out";
  }
  return "";
}

std::string refusal_of_columns(const state::TableSchema& schema) {
  if (schema.columns.empty()) return "it has no columns that the stream carries; leave it out";
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    const std::string& name = schema.columns[i].name;
    if (const int first = schema.find(name); first != static_cast<int>(i)) {
      return "its columns " + schema.columns[static_cast<std::size_t>(first)].name + " and " +
             name + " differ by the case of letters alone, which the replica cannot tell apart; " +
             "rename one of them";
    }
  }
  return "";
}

// The stream sends a partition's rows under its table's name and says before each change what the
// partition's own replica identity gives.
std::string refusal_of_partitions(const TableFacts& facts, const SourceTable& made) {
  for (const TableFacts::Partition& partition : facts.partitions) {
    const std::string itself = "its partition " + partition.name;
    if (partition.kind == 'f') {
      return itself + " is a foreign table, whose changes are not in this server's log; detach " +
             "it, or leave the table out";
    }
    if (partition.persistence == 'u') {
      return itself + " is unlogged, so its changes are not in the server's log; run ALTER TABLE " +
             partition.name + " SET LOGGED";
    }
    if (made.insert_only || partition.identity == 'f') continue;
    if (made.identity == 'f') {
      return itself + " has another replica identity than the table; run ALTER TABLE " +
             partition.name + " REPLICA IDENTITY FULL";
    }
    for (int index : made.table.schema.key) {
      const std::string& name = made.table.schema.columns[static_cast<std::size_t>(index)].name;
      const auto& sent = partition.identity_columns;
      if (std::find(sent.begin(), sent.end(), name) == sent.end()) {
        return itself + " does not say " + name + " of a changed row; give it the replica " +
               "identity of the table, or run ALTER TABLE " + partition.name +
               " REPLICA IDENTITY FULL";
      }
    }
  }
  return "";
}

// FNV-1a over all files, the partitions in their order. Stable, since it may be kept in the log.
std::uint64_t hash_of_storage(const TableFacts& facts) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  auto add_byte = [&hash](std::uint32_t byte) { hash = (hash ^ byte) * 0x100000001b3U; };
  auto add = [&add_byte](Oid number) {
    for (unsigned shift = 0; shift < 32; shift += 8) add_byte(number >> shift & 0xffU);
  };
  add(facts.file);
  for (const TableFacts::Partition& partition : facts.partitions) {
    add(partition.oid);
    add(partition.file);
    for (char c : partition.attached) add_byte(static_cast<unsigned char>(c));
  }
  for (char c : facts.type_parts) add_byte(static_cast<unsigned char>(c));
  return hash;
}

void describe_columns(const TableFacts& facts, const TypeCatalog& types, SourceTable& made) {
  for (const TableFacts::Column& each : facts.columns) {
    if (each.generated) {
      made.generated.push_back(each.name);
      continue;
    }
    const TypeMeaning meaning = types.meaning(each.type, each.modifier, each.collation);
    state::Column column;
    column.name = each.name;
    column.declared_type = meaning.array_type.empty() ? each.declared_type : meaning.array_type;
    column.form = meaning.form;
    column.comparison = meaning.comparison;
    made.table.schema.columns.push_back(std::move(column));
  }
}

// Every unique index makes its columns unique as the replica compares them: what is the same byte
// for byte is equal under any collation. Nulls match nothing in a join.
void describe_unique_keys(const TableFacts& facts, SourceTable& made) {
  state::TableSchema& schema = made.table.schema;
  for (const Index& index : facts.unique_indexes) {
    std::vector<int> columns;
    for (int number : index.numbers) {
      for (const TableFacts::Column& each : facts.columns) {
        if (each.number == number && !each.generated) columns.push_back(schema.find(each.name));
      }
    }
    if (index.primary) {
      for (int number : index.numbers) {
        for (const TableFacts::Column& each : facts.columns) {
          if (each.number == number) made.table.primary_key.push_back(each.name);
        }
      }
    }
    if (columns.size() != index.numbers.size()) continue;
    if (std::find(schema.unique_keys.begin(), schema.unique_keys.end(), columns) ==
        schema.unique_keys.end()) {
      schema.unique_keys.push_back(std::move(columns));
    }
  }
}

}  // namespace

std::string SourceTable::quoted() const { return quote(schema) + "." + quote(name); }

std::string SourceTable::from_clause() const { return kind == 'p' ? quoted() : "ONLY " + quoted(); }

std::string table_name(std::string_view schema, std::string_view table) {
  // A dot within the name of a table in public would look like a schema.
  if (schema == "public" && table.find('.') == std::string_view::npos) return std::string(table);
  return std::string(schema) + "." + std::string(table);
}

std::string canonical_table_name(std::string_view written) {
  constexpr std::string_view kPublic = "public.";
  if (written.starts_with(kPublic) && written.find('.', kPublic.size()) == std::string_view::npos) {
    written.remove_prefix(kPublic.size());
  }
  return std::string(written);
}

bool same_in_replica(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

SourceTable describe_table(const TableFacts& facts, const TypeCatalog& types,
                           const TableRequest& request) {
  SourceTable made;
  made.oid = facts.oid;
  made.schema = facts.schema;
  made.name = facts.name;
  made.kind = facts.kind;
  made.identity = facts.identity;
  made.row_security = facts.row_security;
  made.insert_only = request.insert_only;
  made.storage = hash_of_storage(facts);
  CatalogTable& table = made.table;
  table.schema.name = table_name(facts.schema, facts.name);
  table.estimated_rows = facts.estimated_rows;
  table.foreign_keys = facts.foreign_keys;
  describe_columns(facts, types, made);
  describe_unique_keys(facts, made);
  table.refusal = refusal_of_sort(facts, table.schema.name);
  if (table.refusal.empty()) table.refusal = refusal_of_columns(table.schema);
  if (table.refusal.empty()) KeyChoice(facts, request, made).choose();
  if (table.refusal.empty()) table.refusal = refusal_of_partitions(facts, made);
  if (!table.refusal.empty()) table.schema.key.clear();
  std::vector<std::vector<int>>& unique_keys = table.schema.unique_keys;
  if (!table.schema.key.empty() &&
      std::find(unique_keys.begin(), unique_keys.end(), table.schema.key) == unique_keys.end()) {
    unique_keys.push_back(table.schema.key);
  }
  return made;
}

}  // namespace tandem::capture::postgres

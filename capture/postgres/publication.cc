#include "capture/postgres/publication.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "capture/postgres/transaction.h"

namespace tandem::capture::postgres {
namespace {

constexpr std::string_view kMadeHere = "tandem";
// Adding a table waits for a VACUUM or an ALTER TABLE of it, and new ones wait behind us.
constexpr char kPatience[] = "SET LOCAL lock_timeout = '30s'";

// A row for each table and schema that belongs to a publication, one with nulls for an empty one.
// Columns that version 15 brought are looked for in the row as JSON.
std::string query_of_publications(int server_version) {
  std::string members =
      "SELECT r.prpubid AS publication, r.prrelid AS member, r.prrelid::regclass::text AS name, "
      "to_jsonb(r) ->> 'prqual' IS NOT NULL AS filtered, "
      "to_jsonb(r) ->> 'prattrs' IS NOT NULL AS listed FROM pg_publication_rel r";
  if (server_version >= 150000) {
    members +=
        " UNION ALL SELECT s.pnpubid, NULL, n.nspname, false, false "
        "FROM pg_publication_namespace s JOIN pg_namespace n ON n.oid = s.pnnspid";
  }
  return "SELECT p.pubname, obj_description(p.oid, 'pg_publication'), "
         "pg_has_role(p.pubowner, 'USAGE'), p.puballtables, p.pubviaroot, p.pubinsert, "
         "p.pubupdate, p.pubdelete, p.pubtruncate, m.member, m.name, m.filtered, m.listed "
         "FROM pg_publication p LEFT JOIN (" +
         members +
         ") m ON m.publication = p.oid WHERE p.pubname IN ($1, $2) ORDER BY p.pubname, m.name";
}

std::optional<std::string_view> take_part(std::string_view& text, std::string_view name) {
  if (!text.starts_with(name)) return std::nullopt;
  text.remove_prefix(name.size());
  const std::string_view part = text.substr(0, text.find(' '));
  text.remove_prefix(part.size());
  return part;
}

bool read_number(std::string_view text, std::uint64_t& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// Which of the two the table belongs to when Tandem makes them.
bool belongs(const SourceTable& table, const std::string& publication, const std::string& name) {
  return (publication == name) != table.insert_only;
}

// The statements that make one of our publications publish exactly its tables.
class Alteration {
 public:
  Alteration(const Connection& connection, const Publication& found, const std::string& name)
      : connection_(connection),
        found_(found),
        alter_("ALTER PUBLICATION " + connection.identifier(name) + " ") {}

  /// True if updates and deletes are to be published too.
  void set_actions(bool all) {
    actions_right_ = found_.inserts && found_.updates == all && found_.deletes == all &&
                     found_.truncations && found_.via_root;
    if (actions_right_) return;
    statements_.push_back(alter_ + "SET (publish = '" +
                          (all ? "insert, update, delete, truncate" : "insert, truncate") +
                          "', publish_via_partition_root = true)");
  }

  /// True if its changes may have been left out until now.
  bool add(const SourceTable& table) {
    if (found_.all_tables) return !actions_right_;
    auto member = std::find_if(found_.members.begin(), found_.members.end(),
                               [&](const auto& each) { return each.table == table.oid; });
    const bool there = member != found_.members.end();
    const bool cut = there && (member->row_filter || member->column_list);
    if (cut) statements_.push_back(alter_ + "DROP TABLE ONLY " + member->name);
    if (!there || cut) statements_.push_back(alter_ + "ADD TABLE " + table.from_clause());
    wanted_.push_back(table.oid);
    return !there || cut || !actions_right_;
  }

  void drop_others() {
    for (const Publication::Member& member : found_.members) {
      if (std::find(wanted_.begin(), wanted_.end(), member.table) == wanted_.end()) {
        statements_.push_back(alter_ + "DROP TABLE ONLY " + member.name);
      }
    }
    for (const std::string& schema : found_.schemas) {
      statements_.push_back(alter_ + "DROP TABLES IN SCHEMA " + connection_.identifier(schema));
    }
  }

  const std::vector<std::string>& statements() const { return statements_; }

 private:
  const Connection& connection_;
  const Publication& found_;
  const std::string alter_;
  bool actions_right_ = true;
  std::vector<Oid> wanted_;
  std::vector<std::string> statements_;
};

Publication* find(std::vector<Publication>& publications, const std::string& name) {
  for (Publication& publication : publications) {
    if (publication.name == name) return &publication;
  }
  return nullptr;
}

// The tables whose changes the publications of others leave out.
void refuse_shortcomings(const std::vector<Publication>& publications, const std::string& name,
                         const std::vector<SourceTable>& tables) {
  std::string missing;
  for (const SourceTable& table : tables) {
    const std::string why = shortcoming(publications, table);
    if (why.empty()) continue;
    missing += (missing.empty() ? "" : "; ") + table.table.schema.name + ": " + why;
  }
  if (missing.empty()) return;
  throw state::Error(
      "the publication was not made by Tandem and does not publish all (" + missing + ")",
      "publication " + name,
      "alter it, or name one that does not exist in `source.publication` and let "
      "`tandem init` make it");
}

}  // namespace

std::string to_comment(const PublicationOwner& owner) {
  return std::string(kMadeHere) + " log=" + owner.log_identity +
         " epoch=" + std::to_string(owner.epoch) + " since=" + std::to_string(owner.since);
}

bool says_made_here(std::string_view comment) {
  return comment == kMadeHere ||
         (comment.starts_with(kMadeHere) && comment[kMadeHere.size()] == ' ');
}

std::optional<PublicationOwner> parse_owner(std::string_view comment) {
  if (!says_made_here(comment)) return std::nullopt;
  comment.remove_prefix(kMadeHere.size());
  PublicationOwner owner;
  auto identity = take_part(comment, " log=");
  if (!identity || identity->empty()) return std::nullopt;
  owner.log_identity = *identity;
  auto epoch = take_part(comment, " epoch=");
  if (!epoch || !read_number(*epoch, owner.epoch)) return std::nullopt;
  auto since = take_part(comment, " since=");
  if (!since || !read_number(*since, owner.since) || !comment.empty()) return std::nullopt;
  return owner;
}

std::string inserts_publication(const std::string& name) { return name + "_inserts"; }

const Publication::Member* Publication::find(const SourceTable& table) const {
  auto member = std::find_if(members.begin(), members.end(),
                             [&](const Member& each) { return each.table == table.oid; });
  return member == members.end() ? nullptr : &*member;
}

bool Publication::has_by_schema(const SourceTable& table) const {
  return std::find(schemas.begin(), schemas.end(), table.schema) != schemas.end();
}

std::string Publication::shortcoming(const SourceTable& table) const {
  const std::string itself = "the publication " + name;
  const Member* member = find(table);
  if (member == nullptr) {
    if (!all_tables && !has_by_schema(table)) return "it is not in " + itself;
  } else if (member->row_filter) {
    return itself + " leaves out rows of it by a filter";
  } else if (member->column_list) {
    return itself + " leaves out columns of it by a list";
  }
  if (!inserts) return itself + " leaves out inserts";
  if (!truncations) return itself + " leaves out truncations";
  if (!table.insert_only && !updates) return itself + " leaves out updates";
  if (!table.insert_only && !deletes) return itself + " leaves out deletes";
  if (table.kind == 'p' && !via_root) {
    return itself + " publishes its partitions under their own names " +
           "(publish_via_partition_root is off)";
  }
  return "";
}

std::string Publication::remedy(const Connection& connection, const SourceTable& table) const {
  const std::string alter = "ALTER PUBLICATION " + connection.identifier(name) + " ";
  std::vector<std::string> statements;
  const Member* member = find(table);
  const bool cut = member != nullptr && (member->row_filter || member->column_list);
  if (cut) statements.push_back(alter + "DROP TABLE ONLY " + member->name);
  if (cut || (member == nullptr && !all_tables && !has_by_schema(table))) {
    statements.push_back(alter + "ADD TABLE " + table.from_clause());
  }
  // What it publishes of other tables stays: they may have no replica identity.
  std::string actions;
  bool lacks = false;
  auto want = [&](const char* action, bool there, bool needed) {
    if (there || needed) actions += (actions.empty() ? "" : ", ") + std::string(action);
    lacks = lacks || (needed && !there);
  };
  want("insert", inserts, true);
  want("update", updates, !table.insert_only);
  want("delete", deletes, !table.insert_only);
  want("truncate", truncations, true);
  if (lacks) statements.push_back(alter + "SET (publish = '" + actions + "')");
  if (table.kind == 'p' && !via_root) {
    statements.push_back(alter + "SET (publish_via_partition_root = true)");
  }
  std::string all;
  for (const std::string& statement : statements) all += (all.empty() ? "" : "; ") + statement;
  return all;
}

std::string shortcoming(const std::vector<Publication>& publications, const SourceTable& table) {
  std::string first = publications.empty() ? "there is no publication" : "";
  for (const Publication& publication : publications) {
    const std::string why = publication.shortcoming(table);
    if (why.empty()) return "";
    if (first.empty()) first = why;
  }
  return first;
}

std::vector<Publication> read_publications(Connection& connection, const std::string& name) {
  Rows rows = connection.query(query_of_publications(connection.server_version()),
                               {name, inserts_publication(name)});
  std::vector<Publication> found;
  for (int row = 0; row < rows.count(); ++row) {
    if (found.empty() || found.back().name != rows.view(row, 0)) {
      Publication publication;
      publication.name = rows.text(row, 0);
      publication.made_here = says_made_here(rows.view(row, 1));
      publication.owner = parse_owner(rows.view(row, 1));
      publication.may_alter = rows.flag(row, 2);
      publication.all_tables = rows.flag(row, 3);
      publication.via_root = rows.flag(row, 4);
      publication.inserts = rows.flag(row, 5);
      publication.updates = rows.flag(row, 6);
      publication.deletes = rows.flag(row, 7);
      publication.truncations = rows.flag(row, 8);
      found.push_back(std::move(publication));
    }
    if (!rows.is_null(row, 9)) {
      found.back().members.push_back({static_cast<Oid>(rows.integer(row, 9)), rows.text(row, 10),
                                      rows.flag(row, 11), rows.flag(row, 12)});
    } else if (!rows.is_null(row, 10)) {
      found.back().schemas.push_back(rows.text(row, 10));
    }
  }
  return found;
}

std::map<Oid, std::uint64_t> read_memberships(Connection& connection, const std::string& name) {
  // A row of the catalog has its oid for good: one that comes back has another.
  std::string members =
      "SELECT r.prrelid AS member, r.oid::int8 AS row FROM pg_publication_rel r "
      "JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname IN ($1, $2)";
  if (connection.server_version() >= 150000) {
    // What a table is by its schema does not matter where it is a member by itself.
    members +=
        " UNION ALL SELECT c.oid, s.oid::int8 FROM pg_publication_namespace s "
        "JOIN pg_publication p ON p.oid = s.pnpubid "
        "JOIN pg_class c ON c.relnamespace = s.pnnspid AND c.relkind IN ('r', 'p') "
        "WHERE p.pubname IN ($1, $2) AND NOT EXISTS (SELECT FROM pg_publication_rel r "
        "WHERE r.prpubid = p.oid AND r.prrelid = c.oid)";
  }
  // What a publication publishes is in its own row, which has another xmin when that was altered.
  Rows rows = connection.query("SELECT member, sum(row)::int8 FROM (" + members +
                                   ") m GROUP BY 1 UNION ALL "
                                   "SELECT 0, coalesce(sum(xmin::text::int8), 0)::int8 "
                                   "FROM pg_publication WHERE pubname IN ($1, $2)",
                               {name, inserts_publication(name)});
  std::map<Oid, std::uint64_t> memberships;
  for (int row = 0; row < rows.count(); ++row) {
    memberships[static_cast<Oid>(rows.integer(row, 0))] =
        static_cast<std::uint64_t>(rows.integer(row, 1));
  }
  return memberships;
}

Published publish(Connection& connection, const std::string& name,
                  const std::vector<SourceTable>& all_tables, Superfluous superfluous,
                  const std::function<void()>& before_making) {
  std::vector<SourceTable> tables;
  for (const SourceTable& table : all_tables) {
    if (table.table.refusal.empty()) tables.push_back(table);
  }
  std::vector<Publication> found = read_publications(connection, name);
  const Publication* first = find(found, name);
  const bool others = first != nullptr && !first->made_here;
  Published published;
  std::vector<std::string> statements;
  for (const std::string& each : {name, inserts_publication(name)}) {
    Publication* publication = find(found, each);
    auto falls_short = [&](const SourceTable& table) {
      return belongs(table, each, name) && !shortcoming(found, table).empty();
    };
    if (others && (each == name || std::none_of(tables.begin(), tables.end(), falls_short))) {
      if (publication != nullptr) published.names.push_back(each);
      continue;
    }
    published.names.push_back(each);
    const std::string quoted = connection.identifier(each);
    Publication made;
    if (publication == nullptr) {
      statements.push_back("CREATE PUBLICATION " + quoted);
      statements.push_back("COMMENT ON PUBLICATION " + quoted + " IS " +
                           connection.literal(kMadeHere));
      published.created = true;
      publication = &made;
    } else if (!publication->made_here) {
      continue;
    }
    Alteration alteration(connection, *publication, each);
    alteration.set_actions(each == name);
    for (const SourceTable& table : tables) {
      if (!belongs(table, each, name) || (others && !falls_short(table))) continue;
      if (alteration.add(table)) published.added.push_back(table.table.schema.name);
    }
    if (superfluous == Superfluous::kDrop) alteration.drop_others();
    statements.insert(statements.end(), alteration.statements().begin(),
                      alteration.statements().end());
  }
  if (published.created && before_making) before_making();
  if (!statements.empty()) {
    Transaction transaction(connection);
    connection.execute(kPatience);
    for (const std::string& statement : statements) connection.execute(statement);
    found = read_publications(connection, name);
    refuse_shortcomings(found, name, tables);
    transaction.commit();
  } else {
    refuse_shortcomings(found, name, tables);
  }
  return published;
}

bool write_owner(Connection& connection, const std::string& name, const PublicationOwner& owner) {
  for (const Publication& publication : read_publications(connection, name)) {
    if (publication.name != name || !publication.made_here) continue;
    connection.execute("COMMENT ON PUBLICATION " + connection.identifier(name) + " IS " +
                       connection.literal(to_comment(owner)));
    return true;
  }
  return false;
}

std::optional<PublicationOwner> read_owner(Connection& connection, const std::string& name) {
  Rows rows = connection.query(
      "SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = $1",
      {name});
  return rows.empty() ? std::nullopt : parse_owner(rows.view(0, 0));
}

}  // namespace tandem::capture::postgres

#include "capture/postgres/table_preflight.h"

#include <algorithm>
#include <map>
#include <utility>

#include "capture/nearest_name.h"
#include "capture/postgres/catalog.h"

namespace tandem::capture::postgres {
namespace {

using Level = Finding::Level;

constexpr std::size_t kChildrenShown = 5;

// What the role may do with a table, and whether a policy hides rows from it.
struct Rights {
  bool select = false, owns = false, row_security = false;
  std::string owner;  // quoted; "" if it is a superuser
};

constexpr char kRights[] =
    "SELECT c.oid, has_table_privilege(c.oid, 'SELECT') AND "
    "has_schema_privilege(c.relnamespace, 'USAGE'), pg_has_role(c.relowner, 'USAGE'), "
    "row_security_active(c.oid), CASE WHEN NOT o.rolsuper THEN quote_ident(o.rolname) END "
    "FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner WHERE c.oid = ANY ($1::oid[])";

// Tables that inherit from others, however far down, partitions left out.
constexpr char kChildren[] =
    "WITH RECURSIVE family(parent, child) AS ("
    "SELECT i.inhparent, i.inhrelid FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent "
    "WHERE i.inhparent = ANY ($1::oid[]) AND p.relkind = 'r' "
    "UNION SELECT f.parent, i.inhrelid FROM family f JOIN pg_inherits i ON i.inhparent = f.child) "
    "SELECT f.parent, n.nspname, c.relname FROM family f JOIN pg_class c ON c.oid = f.child "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND c.relpersistence <> 't' ORDER BY f.parent, n.nspname, c.relname";

std::string listed(const std::vector<std::string>& names, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) {
    text += (text.empty() ? "" : ", ") + names[i];
  }
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

class TablePreflight {
 public:
  TablePreflight(Connection& connection, const std::string& publication,
                 const std::vector<Publication>& publications,
                 const std::vector<TableRequest>& requests, std::vector<Finding>& findings)
      : connection_(connection),
        publication_name_(publication),
        publications_(publications),
        findings_(findings),
        role_(connection.query("SELECT current_user").text(0, 0)),
        quoted_role_(connection.identifier(role_)) {
    for (const TableRequest& request : requests)
      names_.push_back(canonical_table_name(request.name));
    TypeCatalog types;
    tables_ = read_tables(connection, types, requests);
    std::string oids = "{";
    for (const SourceTable& table : tables_) {
      oids += (oids.size() > 1 ? "," : "") + std::to_string(table.oid);
    }
    oids += '}';
    read_rights(oids);
    read_children(oids);
  }

  void check() {
    for (const std::string& name : names_) {
      auto found = std::find_if(tables_.begin(), tables_.end(), [&](const SourceTable& table) {
        return table.table.schema.name == name;
      });
      if (found != tables_.end()) {
        check_table(*found);
      } else {
        tell_missing(name);
      }
    }
  }

 private:
  void read_rights(const std::string& oids) {
    Rows rows = connection_.query(kRights, {oids});
    for (int row = 0; row < rows.count(); ++row) {
      rights_[static_cast<Oid>(rows.integer(row, 0))] = {rows.flag(row, 1), rows.flag(row, 2),
                                                         rows.flag(row, 3), rows.text(row, 4)};
    }
  }

  void read_children(const std::string& oids) {
    Rows rows = connection_.query(kChildren, {oids});
    for (int row = 0; row < rows.count(); ++row) {
      std::string name = table_name(rows.view(row, 1), rows.view(row, 2));
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
      children_[static_cast<Oid>(rows.integer(row, 0))].push_back(std::move(name));
    }
  }

  void add(Level level, const std::string& table, std::string text, std::string advice) {
    findings_.push_back({level, "table " + table, std::move(text), std::move(advice)});
  }

  void tell_missing(const std::string& name) {
    std::vector<std::string> names;
    for (const SourceTable& table : tables_) names.push_back(table.table.schema.name);
    const std::string nearest = nearest_name(name, names);
    add(Level::kFailure, name, "there is no such table in the source",
        nearest.empty() ? "correct its name in the config" : "did you mean " + nearest + "?");
  }

  void check_table(const SourceTable& table) {
    const std::string& name = table.table.schema.name;
    if (!table.table.refusal.empty()) {
      add(Level::kFailure, name, "it cannot be captured", table.table.refusal);
      return;
    }
    tell_left_out(table);
    const Rights& rights = rights_[table.oid];
    const bool readable = check_rights(table, rights);
    const bool published = check_published(table, rights);
    if (!readable || !published) return;
    add(Level::kOk, name,
        std::string("its changes are published") +
            (table.kind == 'p' ? ", those of its partitions under its name" : "") +
            (table.insert_only ? "; it is insert_only: updates and deletes are not seen" : ""),
        "");
  }

  void tell_left_out(const SourceTable& table) {
    const std::string& name = table.table.schema.name;
    if (!table.generated.empty()) {
      add(Level::kWarning, name,
          "its generated columns (" + listed(table.generated, table.generated.size()) +
              ") are not captured",
          "let the documents compute what they need of them");
    }
    if (auto children = children_.find(table.oid); children != children_.end()) {
      add(Level::kWarning, name,
          "rows of the tables that inherit from it (" + listed(children->second, kChildrenShown) +
              ") are not captured with its own, though a query of it shows them",
          "name them in the config as tables of their own, with documents of their own");
    }
  }

  // Adds a finding if its rows cannot all be read.
  bool check_rights(const SourceTable& table, const Rights& rights) {
    const std::string& name = table.table.schema.name;
    if (!rights.select) {
      add(Level::kFailure, name, "the role " + role_ + " may not read it",
          "run GRANT USAGE ON SCHEMA " + connection_.identifier(table.schema) + " TO " +
              quoted_role_ + "; GRANT SELECT ON " + table.quoted() + " TO " + quoted_role_);
      return false;
    }
    if (rights.row_security) {
      add(Level::kFailure, name,
          "its row-level security hides rows from the role " + role_ +
              ", which the stream would show",
          "run ALTER ROLE " + quoted_role_ + " BYPASSRLS");
      return false;
    }
    return true;
  }

  // Adds a finding if its changes are not published.
  bool check_published(const SourceTable& table, const Rights& rights) {
    const std::string why = shortcoming(publications_, table);
    if (why.empty()) return true;
    const std::string& name = table.table.schema.name;
    auto theirs = std::find_if(publications_.begin(), publications_.end(), [&](const auto& each) {
      return each.name == publication_name_ && !each.made_here;
    });
    if (theirs != publications_.end()) {
      add(Level::kFailure, name, why,
          "let who owns publication and table run " + theirs->remedy(connection_, table));
    } else if (!rights.owns) {
      const std::string otherwise =
          "let the owner make a publication and name it in `source.publication`";
      add(Level::kFailure, name,
          "it is not published yet, and the role " + role_ +
              " does not own it, as who publishes a table must",
          rights.owner.empty()
              ? "give it to a role that " + role_ + " is a member of, or " + otherwise
              : "run GRANT " + rights.owner + " TO " + quoted_role_ + ", or " + otherwise);
    } else {
      add(Level::kWarning, name, publications_.empty() ? "it is not published yet" : why,
          "run `tandem init`");
    }
    return false;
  }

  Connection& connection_;
  const std::string& publication_name_;
  const std::vector<Publication>& publications_;
  std::vector<Finding>& findings_;
  const std::string role_, quoted_role_;
  std::vector<std::string> names_;  // of the requests
  std::vector<SourceTable> tables_;
  std::map<Oid, Rights> rights_;
  std::map<Oid, std::vector<std::string>> children_;  // that the config does not name
};

}  // namespace

void check_tables(Connection& connection, const std::string& publication,
                  const std::vector<Publication>& found, const std::vector<TableRequest>& requests,
                  std::vector<Finding>& findings) {
  TablePreflight(connection, publication, found, requests, findings).check();
}

}  // namespace tandem::capture::postgres

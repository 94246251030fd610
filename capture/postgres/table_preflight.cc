#include "capture/postgres/table_preflight.h"

#include <algorithm>
#include <map>
#include <utility>

#include "capture/nearest_name.h"
#include "capture/postgres/catalog.h"

namespace tandem::capture::postgres {
namespace {

using Level = Finding::Level;

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

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
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
          "its generated columns (" + listed(table.generated) + ") are not captured",
          "let the documents compute what they need of them");
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
};

}  // namespace

void check_tables(Connection& connection, const std::string& publication,
                  const std::vector<Publication>& found, const std::vector<TableRequest>& requests,
                  std::vector<Finding>& findings) {
  TablePreflight(connection, publication, found, requests, findings).check();
}

}  // namespace tandem::capture::postgres

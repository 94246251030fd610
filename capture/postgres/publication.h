// The publications that name the captured tables to the server, and the owner row in the comment of
// the first.
//
//   NAME          inserts, updates, deletes and truncations of all captured tables but the next
//   NAME_inserts  inserts and truncations of the tables that are declared insert_only
//
//   comment := "tandem" [ " log=" identity " epoch=" number " since=" number ]
//
// A comment of this form says that Tandem made the publication; then its tables are kept to exactly
// those that are captured, and `init --uninstall` drops it. Any other publication is somebody's own
// work: it is read and judged, never altered, commented or dropped.
//
// A walsender sees publications as they were at the time of the change it reads: through a slot
// that is older than a publication nothing can be read. So both are made at once, one of them
// perhaps empty, and a slot must be made anew after them.
//
// Threads: none, uses the connection it is given. Errors: Error of the connection.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "capture/postgres/connection.h"
#include "capture/postgres/source_table.h"

namespace tandem::capture::postgres {

struct PublicationOwner {
  std::string log_identity;
  std::uint64_t epoch = 0;
  std::uint64_t since = 0;  // the first epoch of an unbroken chain of claims
  friend bool operator==(const PublicationOwner&, const PublicationOwner&) = default;
};

std::string to_comment(const PublicationOwner& owner);
/// Nothing if the comment is not one or names no owner.
std::optional<PublicationOwner> parse_owner(std::string_view comment);
bool says_made_here(std::string_view comment);

struct Publication {
  struct Member {
    Oid table = 0;
    std::string name;  // quoted
    bool row_filter = false, column_list = false;
  };
  std::string name;
  bool made_here = false;
  bool may_alter = false;  // this role is the owner's or a superuser
  std::optional<PublicationOwner> owner;
  bool all_tables = false, via_root = false;
  bool inserts = false, updates = false, deletes = false, truncations = false;
  std::vector<Member> members;
  std::vector<std::string> schemas;  // all of whose tables belong to it

  /// Why changes of the table do not come whole through this publication, "" if they do.
  std::string shortcoming(const SourceTable& table) const;
  /// The statements by which its owner makes them come whole.
  std::string remedy(const Connection& connection, const SourceTable& table) const;

 private:
  const Member* find(const SourceTable& table) const;
  bool has_by_schema(const SourceTable& table) const;
};

std::string inserts_publication(const std::string& name);

/// NAME and NAME_inserts, those of them that exist.
std::vector<Publication> read_publications(Connection& connection, const std::string& name);
/// Why changes of the table do not come whole through any of them, "" if they do.
std::string shortcoming(const std::vector<Publication>& publications, const SourceTable& table);

struct Published {
  std::vector<std::string> names;  // of all publications to read through
  /// Tables that were not published whole until this call: transactions that ran then may have
  /// changed them unseen.
  std::vector<std::string> added;
  bool created = false;  // a publication was made: an older slot must be made anew
};

/// By table: what changes whenever the table leaves one of the publications, or comes back to it.
/// In between its changes may have gone unpublished. Of table 0: what changes with what the
/// publications publish of every table.
std::map<Oid, std::uint64_t> read_memberships(Connection& connection, const std::string& name);

enum class Superfluous { kKeep, kDrop };

/// Makes what is missing and publishes the tables, in one transaction. One query if all is right.
/// Tables that cannot be captured are passed over. Throws Error if a publication that Tandem did
/// not make leaves out changes of a table, and says which and what to run. `before_making` is
/// called if a publication is missing, before it is made; what it throws ends the call.
Published publish(Connection& connection, const std::string& name,
                  const std::vector<SourceTable>& tables, Superfluous superfluous,
                  const std::function<void()>& before_making = {});

/// Writes the owner row. False: the publication is somebody's own, or not there.
bool write_owner(Connection& connection, const std::string& name, const PublicationOwner& owner);
/// Nothing if there is no owner row.
std::optional<PublicationOwner> read_owner(Connection& connection, const std::string& name);

}  // namespace tandem::capture::postgres

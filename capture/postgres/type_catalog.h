// What PostgreSQL's types mean to Tandem: from a type's oid to the form of its values and to how
// far they compare in the replica as they do at the source.
//
// Plain types that the server brings with it have fixed oids, so they are known without asking.
// Domains are as what they are based on; arrays and enums are found in the catalog; everything else
// (extensions' types, ranges, composites) is exact text that does not compare. Where it is in doubt
// whether values compare alike, they do not: that costs a refusal in `check`, the other way would
// cost a wrong row.
//
// Threads: none; one for each connection. Errors: Error of the connection.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "state/schema.h"

namespace tandem::capture::postgres {

class Connection;

using Oid = std::uint32_t;

struct TypeMeaning {
  state::ColumnForm form = state::ColumnForm::kText;
  state::Comparison comparison = state::Comparison::kNone;
  /// Of a domain over arrays: how the array's type is declared, since the domain's name does not
  /// tell the type of the elements.
  std::string array_type;
  friend bool operator==(const TypeMeaning&, const TypeMeaning&) = default;
};

class TypeCatalog {
 public:
  /// What pg_type says of a type that is not among the fixed ones.
  struct Type {
    char kind = 'b';       // typtype: d is a domain, e an enum; and a for arrays
    Oid base = 0;          // of a domain
    int modifier = -1;     // that a domain gives to its base
    std::string declared;  // as the server writes it
  };
  /// What pg_collation says, or pg_database of its default.
  struct Collation {
    char provider = 'c';  // c libc, i ICU, b the server's own, d the database's default
    std::string locale;
    bool deterministic = true;
  };

  /// Looks up those that are not known yet, with one query for each sort at most. What is not in
  /// the catalog any more stays unknown: exact text that does not compare.
  void learn(Connection& connection, std::span<const Oid> types, std::span<const Oid> collations);

  /// `modifier` as in pg_attribute.atttypmod. A collation of 0 is one that nobody knows.
  TypeMeaning meaning(Oid type, int modifier, Oid collation) const;

  void add(Oid oid, const Type& type) { types_[oid] = type; }
  void add(Oid oid, const Collation& collation) { collations_[oid] = collation; }
  /// The encoding decides whether bytes sort at the server as they do here in UTF-8.
  void set_database(const Collation& collation, const std::string& encoding);

 private:
  void learn_database(Connection& connection);
  std::optional<TypeMeaning> fixed(Oid type, int modifier, Oid collation) const;
  state::Comparison comparison_of_text(Oid collation) const;

  std::map<Oid, Type> types_;
  std::map<Oid, Collation> collations_;
  bool knows_database_ = false;
  bool bytes_sort_alike_ = false;
};

}  // namespace tandem::capture::postgres

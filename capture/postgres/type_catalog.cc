#include "capture/postgres/type_catalog.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "capture/postgres/connection.h"

namespace tandem::capture::postgres {
namespace {

using state::ColumnForm;
using state::Comparison;

constexpr Oid kDefaultCollation = 100;

// Oids of pg_type that are the same in every server.
enum Fixed : Oid {
  kBool = 16,
  kBytea = 17,
  kChar = 18,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kTid = 27,
  kXid = 28,
  kCid = 29,
  kJson = 114,
  kCidr = 650,
  kFloat4 = 700,
  kFloat8 = 701,
  kMacaddr8 = 774,
  kMacaddr = 829,
  kInet = 869,
  kBpchar = 1042,
  kVarchar = 1043,
  kDate = 1082,
  kTime = 1083,
  kTimestamp = 1114,
  kTimestamptz = 1184,
  kBit = 1560,
  kVarbit = 1562,
  kNumeric = 1700,
  kUuid = 2950,
  kPgLsn = 3220,
  kJsonb = 3802,
  kXid8 = 5069,
};

// Names of columns differ by version, so the rows are looked into as JSON.
constexpr char kDatabase[] =
    "SELECT coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'), "
    "CASE WHEN coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'c' THEN d.datcollate::text "
    "ELSE coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') END, "
    "pg_encoding_to_char(d.encoding) FROM pg_database d WHERE d.datname = current_database()";

constexpr char kCollations[] =
    "SELECT l.oid, l.collprovider, coalesce(l.collcollate::text, to_jsonb(l) ->> 'colllocale', "
    "to_jsonb(l) ->> 'colliculocale', ''), l.collisdeterministic "
    "FROM pg_collation l WHERE l.oid = ANY ($1::oid[])";

// With all that a domain is based on.
constexpr char kTypes[] =
    "WITH RECURSIVE found(oid, based_on) AS ("
    "SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = ANY ($1::oid[]) "
    "UNION SELECT t.oid, t.typbasetype FROM pg_type t JOIN found f ON t.oid = f.based_on) "
    "SELECT t.oid, CASE WHEN typtype = 'b' AND typcategory = 'A' AND typelem <> 0 AND typarray = 0 "
    "THEN 'a' ELSE typtype END, typbasetype, typtypmod, format_type(t.oid, NULL) "
    "FROM found JOIN pg_type t ON t.oid = found.oid";

std::string array_of(const std::vector<Oid>& oids) {
  std::string text;
  for (Oid oid : oids) text += (text.empty() ? "{" : ",") + std::to_string(oid);
  return text + "}";
}

// Locales whose order is that of the code points, which is that of UTF-8's bytes.
bool is_code_point_order(const TypeCatalog::Collation& collation) {
  if (collation.provider == 'b') return true;
  if (collation.provider != 'c') return false;
  static constexpr const char* kLocales[] = {"C", "POSIX", "C.UTF-8", "C.utf8", "C.UTF8"};
  return std::find(std::begin(kLocales), std::end(kLocales), collation.locale) !=
         std::end(kLocales);
}

}  // namespace

void TypeCatalog::learn(Connection& connection, std::span<const Oid> types,
                        std::span<const Oid> collations) {
  if (!knows_database_) learn_database(connection);
  // What the catalog does not have is not asked for again.
  std::vector<Oid> unknown;
  for (Oid oid : types) {
    if (!fixed(oid, -1, 0) && !types_.contains(oid)) unknown.push_back(oid);
  }
  if (!unknown.empty()) {
    Rows rows = connection.query(kTypes, {array_of(unknown)});
    for (Oid oid : unknown) types_[oid] = {};
    for (int row = 0; row < rows.count(); ++row) {
      add(static_cast<Oid>(rows.integer(row, 0)),
          Type{rows.view(row, 1).at(0), static_cast<Oid>(rows.integer(row, 2)),
               static_cast<int>(rows.integer(row, 3)), rows.text(row, 4)});
    }
  }
  unknown.clear();
  for (Oid oid : collations) {
    if (oid != 0 && !collations_.contains(oid)) unknown.push_back(oid);
  }
  if (unknown.empty()) return;
  Rows rows = connection.query(kCollations, {array_of(unknown)});
  // Nobody knows how it compares, so as if it were not deterministic.
  for (Oid oid : unknown) collations_[oid] = {'?', "", false};
  for (int row = 0; row < rows.count(); ++row) {
    add(static_cast<Oid>(rows.integer(row, 0)),
        Collation{rows.view(row, 1).at(0), rows.text(row, 2), rows.flag(row, 3)});
  }
}

void TypeCatalog::learn_database(Connection& connection) {
  Rows rows = connection.query(kDatabase);
  set_database({rows.view(0, 0).at(0), rows.text(0, 1), true}, rows.text(0, 2));
}

void TypeCatalog::set_database(const Collation& collation, const std::string& encoding) {
  collations_[kDefaultCollation] = collation;
  // Latin 1 has the first code points in their order; ASCII databases hand out bytes as they are.
  bytes_sort_alike_ = encoding == "UTF8" || encoding == "LATIN1" || encoding == "SQL_ASCII";
  knows_database_ = true;
}

Comparison TypeCatalog::comparison_of_text(Oid collation) const {
  auto found = collations_.find(collation);
  if (found == collations_.end()) return Comparison::kNone;
  if (found->second.provider == 'd') found = collations_.find(kDefaultCollation);
  if (found == collations_.end() || !found->second.deterministic) return Comparison::kNone;
  return is_code_point_order(found->second) && bytes_sort_alike_ ? Comparison::kOrder
                                                                 : Comparison::kEquality;
}

// What needs no look into pg_type.
std::optional<TypeMeaning> TypeCatalog::fixed(Oid type, int modifier, Oid collation) const {
  switch (type) {
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      return TypeMeaning{ColumnForm::kInteger, Comparison::kOrder, ""};
    case kBool:
      return TypeMeaning{ColumnForm::kBoolean, Comparison::kOrder, ""};
    case kBytea:
      return TypeMeaning{ColumnForm::kBytes, Comparison::kOrder, ""};
    // The server calls 0 and -0 equal, and sorts NaN and the infinities by what they mean.
    case kFloat4:
    case kFloat8:
      return TypeMeaning{ColumnForm::kFloat, Comparison::kNone, ""};
    case kNumeric:
      return TypeMeaning{ColumnForm::kDecimal, Comparison::kNone, ""};
    case kJson:
    case kJsonb:
      return TypeMeaning{ColumnForm::kJson, Comparison::kNone, ""};
    // Years before Christ and past 9999 do not sort as text.
    case kDate:
    case kTimestamp:
    case kTimestamptz:
      return TypeMeaning{ColumnForm::kTimestamp, Comparison::kEquality, ""};
    // Digits sort before the letters a to f, and the dashes stand in the same places.
    case kUuid:
      return TypeMeaning{ColumnForm::kText, Comparison::kOrder, ""};
    case kText:
    case kVarchar:
    case kName:
      return TypeMeaning{ColumnForm::kText, comparison_of_text(collation), ""};
    // Spaces at the end do not count: all values of char(n) have the same number of letters, those
    // of a bare bpchar have as many spaces as were written.
    case kBpchar:
      return TypeMeaning{ColumnForm::kText,
                         modifier < 0
                             ? Comparison::kNone
                             : std::min(comparison_of_text(collation), Comparison::kEquality),
                         ""};
    // Each of these has one text for one value.
    case kChar:
    case kTid:
    case kXid:
    case kCid:
    case kXid8:
    case kTime:
    case kBit:
    case kVarbit:
    case kInet:
    case kCidr:
    case kMacaddr:
    case kMacaddr8:
    case kPgLsn:
      return TypeMeaning{ColumnForm::kText, Comparison::kEquality, ""};
    default:
      return std::nullopt;
  }
}

TypeMeaning TypeCatalog::meaning(Oid type, int modifier, Oid collation) const {
  if (std::optional<TypeMeaning> known = fixed(type, modifier, collation)) return *known;
  auto found = types_.find(type);
  if (found == types_.end()) return {};
  if (found->second.kind == 'e') return {ColumnForm::kText, Comparison::kEquality, ""};
  if (found->second.kind == 'a') return {ColumnForm::kArray, Comparison::kNone, ""};
  if (found->second.kind != 'd') return {};
  const Oid base = found->second.base;
  TypeMeaning meant = meaning(base, modifier < 0 ? found->second.modifier : modifier, collation);
  if (meant.form == ColumnForm::kArray && meant.array_type.empty()) {
    meant.array_type = types_.at(base).declared;
  }
  return meant;
}

}  // namespace tandem::capture::postgres

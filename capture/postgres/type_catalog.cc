#include "capture/postgres/type_catalog.h"

#include <algorithm>

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

// Locales whose order is that of the code points, which is that of UTF-8's bytes.
bool is_code_point_order(const TypeCatalog::Collation& collation) {
  if (collation.provider == 'b') return true;
  if (collation.provider != 'c') return false;
  static constexpr const char* kLocales[] = {"C", "POSIX", "C.UTF-8", "C.utf8", "C.UTF8"};
  return std::find(std::begin(kLocales), std::end(kLocales), collation.locale) !=
         std::end(kLocales);
}

}  // namespace

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

TypeMeaning TypeCatalog::meaning(Oid type, int modifier, Oid collation) const {
  switch (type) {
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      return {ColumnForm::kInteger, Comparison::kOrder};
    case kBool:
      return {ColumnForm::kBoolean, Comparison::kOrder};
    case kBytea:
      return {ColumnForm::kBytes, Comparison::kOrder};
    // The server calls 0 and -0 equal, and sorts NaN and the infinities by what they mean.
    case kFloat4:
    case kFloat8:
      return {ColumnForm::kFloat, Comparison::kNone};
    case kNumeric:
      return {ColumnForm::kDecimal, Comparison::kNone};
    case kJson:
    case kJsonb:
      return {ColumnForm::kJson, Comparison::kNone};
    // Years before Christ and past 9999 do not sort as text.
    case kDate:
    case kTimestamp:
    case kTimestamptz:
      return {ColumnForm::kTimestamp, Comparison::kEquality};
    // Digits sort before the letters a to f, and the dashes stand in the same places.
    case kUuid:
      return {ColumnForm::kText, Comparison::kOrder};
    case kText:
    case kVarchar:
    case kName:
      return {ColumnForm::kText, comparison_of_text(collation)};
    // Spaces at the end do not count: all values of char(n) have the same number of letters, those
    // of a bare bpchar have as many spaces as were written.
    case kBpchar:
      return {ColumnForm::kText,
              modifier < 0 ? Comparison::kNone
                           : std::min(comparison_of_text(collation), Comparison::kEquality)};
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
      return {ColumnForm::kText, Comparison::kEquality};
    default:
      break;
  }
  auto found = types_.find(type);
  if (found == types_.end()) return {};
  if (found->second.kind == 'd') {
    return meaning(found->second.base, modifier < 0 ? found->second.modifier : modifier, collation);
  }
  if (found->second.kind == 'e') return {ColumnForm::kText, Comparison::kEquality};
  return {};
}

}  // namespace tandem::capture::postgres

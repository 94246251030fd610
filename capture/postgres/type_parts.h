// What the types of a table's columns are made of: labels of enums, attributes of composite types.
//
// Values hold them by number, so a label that is renamed or an attribute that is added changes what
// every row says, without a word in the stream and without another file.
#pragma once

#include <string>

#include "capture/postgres/source_table.h"

namespace tandem::capture::postgres {

/// Lower ones are of what a server begins with (FirstNormalObjectId), and have no parts.
constexpr Oid kFirstOfUsers = 16384;

/// (oid of the table, text): a row for each table that has such types, also within arrays, domains,
/// ranges and other composite types. `tables`: a
/// condition on attrelid.
inline std::string query_of_type_parts(const std::string& tables) {
  return "WITH RECURSIVE used(tab, typ) AS ("
         "SELECT attrelid, atttypid FROM pg_attribute "
         "WHERE attnum > 0 AND NOT attisdropped AND atttypid >= " +
         std::to_string(kFirstOfUsers) + " AND " + tables +
         " UNION SELECT u.tab, x.typ FROM used u JOIN pg_type t ON t.oid = u.typ "
         "CROSS JOIN LATERAL (SELECT t.typelem UNION ALL SELECT t.typbasetype "
         "UNION ALL SELECT r.rngsubtype FROM pg_range r "
         "WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid "
         "UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c' "
         "AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x(typ) "
         "WHERE x.typ <> 0) "
         "SELECT u.tab, md5(string_agg(p.part, ' ' ORDER BY p.part)) FROM used u "
         "CROSS JOIN LATERAL (SELECT e.oid || ' ' || e.enumlabel FROM pg_enum e "
         "WHERE e.enumtypid = u.typ "
         "UNION ALL SELECT concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod, "
         "a.attisdropped) FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid "
         "AND a.attnum > 0 WHERE t.oid = u.typ AND t.typtype = 'c') p(part) GROUP BY u.tab";
}

}  // namespace tandem::capture::postgres

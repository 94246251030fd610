#include "capture/postgres/catalog_watch.h"

#include "capture/postgres/publication.h"
#include "capture/postgres/type_parts.h"

namespace tandem::capture::postgres {
namespace {

// Tables by the names that Tandem gives them (source_table.h), with all that describes them; each
// row of the catalog as text, hashed together. pg_class is not taken whole: statistics change it.
constexpr char kFacts[] = R"(
WITH RECURSIVE tables AS MATERIALIZED (
  SELECT c.oid, c.relname, n.nspname, c.relkind, c.relpersistence, c.relreplident,
         c.relrowsecurity, c.relispartition, c.relfilenode
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relname = ANY($3::name[])
    AND CASE WHEN n.nspname = 'public' THEN c.relname::text ELSE n.nspname || '.' || c.relname END
        = ANY($1::text[])),
partitions(part, attached, detaching) AS (
  SELECT i.inhrelid, i.xmin, to_jsonb(i) ->> 'inhdetachpending'
  FROM pg_inherits i JOIN tables t ON t.oid = i.inhparent AND t.relkind = 'p'
  UNION ALL
  SELECT i.inhrelid, i.xmin, to_jsonb(i) ->> 'inhdetachpending'
  FROM pg_inherits i JOIN partitions p ON p.part = i.inhparent),
facts AS (
  SELECT row_to_json(t)::text AS fact FROM tables t
  UNION ALL
  SELECT row_to_json(p)::text FROM (
    SELECT p.*, c.relname, c.relkind, c.relpersistence, c.relreplident, c.relfilenode
    FROM partitions p JOIN pg_class c ON c.oid = p.part) p
  UNION ALL
  SELECT row_to_json(a)::text FROM (
    SELECT attrelid, attnum, attname, atttypid, atttypmod, attnotnull, attisdropped, attgenerated,
           attcollation
    FROM pg_attribute WHERE attnum > 0 AND attrelid IN (SELECT oid FROM tables)) a
  UNION ALL
  SELECT row_to_json(i)::text FROM (
    SELECT indexrelid, indrelid, indisunique, indisprimary, indisreplident, indisvalid,
           indimmediate, indkey::text, indpred IS NULL AS whole
    FROM pg_index WHERE indrelid IN (SELECT oid FROM tables)) i
  UNION ALL
  SELECT to_jsonb(p)::text || p.xmin::text FROM pg_publication p WHERE pubname = ANY($2::name[])
  UNION ALL
  SELECT to_jsonb(r)::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
  WHERE p.pubname = ANY($2::name[])
  UNION ALL
)";
// Of version 15: schemas all of whose tables are published.
constexpr char kSchemas[] = R"(
  SELECT to_jsonb(s)::text FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid
  WHERE p.pubname = ANY($2::name[])
  UNION ALL
)";
constexpr char kTypes[] = R"(
  SELECT row_to_json(y)::text FROM ()";
constexpr char kHash[] = R"() y)
SELECT md5(coalesce(string_agg(fact, ' ' ORDER BY fact), '')) FROM facts)";

}  // namespace

CatalogWatch::CatalogWatch(const std::vector<TableRequest>& tables,
                           const std::string& publication) {
  std::vector<std::string> names, last_parts;
  for (const TableRequest& table : tables) {
    names.push_back(table.name);
    // A dot may be part of a schema's name or of a table's.
    last_parts.push_back(table.name);
    for (std::size_t dot = table.name.find('.'); dot != std::string::npos;
         dot = table.name.find('.', dot + 1)) {
      last_parts.push_back(table.name.substr(dot + 1));
    }
  }
  names_ = array_text(names);
  last_parts_ = array_text(last_parts);
  publications_ = array_text({publication, inserts_publication(publication)});
}

bool CatalogWatch::changed(Connection& connection) {
  const std::string schemas = connection.server_version() >= 150000 ? kSchemas : "";
  const std::string query = kFacts + schemas + kTypes +
                            query_of_type_parts("attrelid IN (SELECT oid FROM tables)") + kHash;
  std::string signature = connection.query(query, {names_, publications_, last_parts_}).text(0, 0);
  if (signature == last_) return false;
  last_ = std::move(signature);
  return true;
}

}  // namespace tandem::capture::postgres

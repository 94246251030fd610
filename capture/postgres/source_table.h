// A table of the server as capture needs it: its columns with their meaning, the key that
// identifies a row in the stream, and why it cannot be captured if so.
//
// The key is what the stream names a changed row by, that is the replica identity: the primary key
// or an index. Under FULL the stream names every column, and the key is the primary key or the one
// that the config declares. Pure functions over what the catalog says (catalog.h reads it).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "capture/postgres/type_catalog.h"
#include "capture/source.h"

namespace tandem::capture::postgres {

/// What the server's catalog says of one table.
struct TableFacts {
  struct Column {
    std::string name, declared_type;
    int number = 0;  // pg_attribute.attnum
    Oid type = 0;
    int modifier = -1;
    Oid collation = 0;
    bool not_null = false, generated = false;
  };
  /// A valid unique index over all rows and plain columns.
  struct UniqueIndex {
    std::string name;
    bool primary = false, identity = false;
    bool immediate = true;     // not deferrable
    std::vector<int> numbers;  // of columns, in the index's order
  };
  /// A leaf of a partitioned table.
  struct Partition {
    std::string name;
    Oid oid = 0;
    Oid file = 0;  // pg_class.relfilenode
    char kind = 'r', persistence = 'p', identity = 'd';
    std::vector<std::string> identity_columns;  // of `identity` d and i
    /// The transactions that attached it and what it is part of: a partition that was away for a
    /// while is another one, though its file is the same.
    std::string attached;
  };
  Oid oid = 0;
  Oid file = 0;  // pg_class.relfilenode
  std::string schema, name;
  char kind = 'r';         // pg_class.relkind
  char persistence = 'p';  // pg_class.relpersistence
  char identity = 'd';     // pg_class.relreplident
  bool row_security = false;
  std::string root;  // of a partition: its table's name
  std::int64_t estimated_rows = 0;
  std::vector<Column> columns;
  std::vector<UniqueIndex> unique_indexes;
  std::vector<Partition> partitions;
  std::vector<ForeignKey> foreign_keys;
  /// Which parts its columns' types have (type_parts.h); "" if none has any.
  std::string type_parts;
};

struct SourceTable {
  Oid oid = 0;
  std::string schema, name;  // as the server spells them
  char kind = 'r';           // p: partitioned
  char identity = 'd';       // f: the stream names all columns of the row before
  bool row_security = false;
  bool insert_only = false;
  bool deferrable_key = false;  // rows may share the key until their transaction ends
  /// A hash over the files that hold its rows. If it is another than when the table was read, rows
  /// may have changed without a word in the stream: it was rewritten (ALTER COLUMN … USING), was
  /// unlogged for a while, or a partition was attached, detached, dropped, or emptied by itself.
  /// VACUUM FULL, CLUSTER and TRUNCATE change it as well.
  std::uint64_t storage = 0;
  std::vector<std::string> generated;  // columns that are left out
  CatalogTable table;

  /// "ONLY schema.table", quoted, or without ONLY for a partitioned table: exactly the rows whose
  /// changes the stream carries under this table's name.
  std::string from_clause() const;
  /// "schema.table", quoted.
  std::string quoted() const;
};

SourceTable describe_table(const TableFacts& facts, const TypeCatalog& types,
                           const TableRequest& request);

/// The name by which Tandem knows a table: "Track" in the schema public, else "schema.table".
std::string table_name(std::string_view schema, std::string_view table);
/// What the config may write for it: "public.Track" is "Track".
std::string canonical_table_name(std::string_view written);

/// Whether SQLite, which holds the replica, takes the two for one name.
bool same_in_replica(std::string_view a, std::string_view b);

}  // namespace tandem::capture::postgres

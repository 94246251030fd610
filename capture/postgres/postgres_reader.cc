// Reads a source's tables in pages, beside everything else, for verify.
#include <memory>
#include <stop_token>
#include <utility>

#include "capture/postgres/catalog.h"
#include "capture/postgres/installation.h"
#include "capture/postgres/postgres_source.h"
#include "capture/postgres/settings.h"
#include "capture/postgres/table_query.h"
#include "capture/postgres/transaction.h"

namespace tandem::capture {
namespace postgres {
namespace {

class PostgresReader : public SourceReader {
 public:
  PostgresReader(const PostgresOptions& options, std::vector<TableRequest> tables,
                 std::stop_token stop)
      : requests_(canonical(std::move(tables))),
        connection_(address_of(options), application_of(options), Connection::Purpose::kSql,
                    std::move(stop)) {
    connection_.limit_silence(kLongestSilence);
  }

  Page read(const state::TableSchema& table, const state::Row& from, std::size_t limit) override {
    return within(table, [&](TableQuery& query, Page& page) {
      query.read_range(from, limit, page.rows);
      if (page.rows.size() == limit) page.to = table.key_of(page.rows.back());
    });
  }

  Page read_rows(const state::TableSchema& table, const std::vector<state::Row>& keys) override {
    return within(table, [&](TableQuery& query, Page& page) { query.read_keys(keys, page.rows); });
  }

 private:
  template <typename Read>
  Page within(const state::TableSchema& schema, Read read) {
    TableRequest request;
    request.name = schema.name;
    for (const TableRequest& each : requests_) {
      if (each.name == schema.name) request = each;
    }
    Page page;
    {
      Transaction transaction(connection_, "ISOLATION LEVEL REPEATABLE READ READ ONLY");
      std::optional<SourceTable> table = read_table(connection_, types_, request);
      if (!table) {
        throw state::Error("there is no such table", schema.name, "correct the config");
      }
      TableQuery query(connection_, *table);
      query.use(schema);
      read(query, page);
      transaction.commit();
    }
    // What the transaction saw was committed before here.
    page.position = ends_at(newest_lsn(connection_));
    return page;
  }

  const std::vector<TableRequest> requests_;
  Connection connection_;
  TypeCatalog types_;
};

}  // namespace
}  // namespace postgres

std::unique_ptr<SourceReader> open_postgres_reader(const PostgresOptions& options,
                                                   std::vector<TableRequest> tables,
                                                   std::stop_token stop) {
  return std::make_unique<postgres::PostgresReader>(options, std::move(tables), std::move(stop));
}

}  // namespace tandem::capture

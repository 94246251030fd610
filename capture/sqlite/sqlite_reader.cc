// Reads a source's tables in pages, beside everything else, for verify.
#include <cstdint>
#include <utility>

#include "capture/sqlite/sqlite_source.h"
#include "capture/sqlite/table_reader.h"

namespace tandem::capture {
namespace {

class SqliteReader : public SourceReader {
 public:
  explicit SqliteReader(const std::string& path) : database_(path, state::OpenMode::kReadWrite) {
    database_.execute("PRAGMA query_only = ON");
  }

  Page read(const state::TableSchema& table, const state::Row& from, std::size_t limit) override {
    state::Transaction transaction(database_, state::Transaction::Kind::kDeferred);
    Page page;
    page.position = position();
    PageReader::Page found = PageReader(database_, table).read(from, limit, SIZE_MAX);
    page.rows = std::move(found.rows);
    page.to = std::move(found.to);
    return page;
  }

  Page read_rows(const state::TableSchema& table, const std::vector<state::Row>& keys) override {
    state::Transaction transaction(database_, state::Transaction::Kind::kDeferred);
    Page page;
    page.position = position();
    state::Statement query(database_, row_query(table));
    for (const state::Row& key : keys) {
      query.bind_row(1, key);
      if (query.step()) page.rows.push_back(query.row(0, static_cast<int>(table.columns.size())));
      query.reset();
    }
    return page;
  }

 private:
  state::SourcePosition position() {
    state::Value newest = database_.query_value("SELECT max(seq) FROM _tandem_log");
    return {newest.is_null() ? 0 : static_cast<std::uint64_t>(newest.as_integer()), 0};
  }

  state::Database database_;
};

}  // namespace

std::unique_ptr<SourceReader> open_sqlite_reader(const std::string& path) {
  return std::make_unique<SqliteReader>(path);
}

}  // namespace tandem::capture

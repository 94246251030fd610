// Chunks of a real server's tables: how much of a table each of them holds.
#include <chrono>
#include <optional>
#include <thread>

#include "capture/postgres/chunk_reader.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

using state::Row;
using state::Value;

class PostgresChunkReader : public PostgresServer {
 protected:
  void start(const std::string& table) {
    ChunkReader::Options options;
    options.address = own();
    options.application = "tandem test";
    options.table.name = table;
    options.slot = "none";
    options.session = "test";
    options.number = 1;
    options.wait_for_running = false;
    reader_ = start_chunk_reader(std::move(options), {});
  }

  ReadChunk next() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    ++chunk_;
    for (;;) {
      if (auto chunk = reader_->take(chunk_)) return std::move(*chunk);
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("no chunk came");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  static std::size_t bytes_of(const ReadChunk& chunk) {
    std::size_t bytes = 0;
    for (const Row& row : chunk.rows) {
      for (const Value& value : row) bytes += sizeof(Value) + value.bytes().size();
    }
    return bytes;
  }

  std::unique_ptr<ChunkReader> reader_;
  std::uint64_t chunk_ = 0;
};

constexpr std::size_t kMost = 9U << 20U;  // eight, and a row of one

TEST_F(PostgresChunkReader, LargeRowsMakeSmallChunksFromTheFirstOn) {
  play(
      "CREATE TABLE t (id int PRIMARY KEY, body text);"
      "INSERT INTO t SELECT n, repeat('x', 1000000) FROM generate_series(1, 25) n");
  start("t");
  std::int64_t id = 0;
  Row from;
  for (;;) {
    const ReadChunk chunk = next();
    EXPECT_LE(bytes_of(chunk), kMost);
    EXPECT_EQ(chunk.from, from);
    for (const Row& row : chunk.rows) EXPECT_EQ(row[0], Value::integer(++id));
    from = chunk.to;
    if (chunk.to.empty()) break;
  }
  EXPECT_EQ(id, 25);
}

TEST_F(PostgresChunkReader, LargeRowsBehindSmallOnesCutTheChunk) {
  play(
      "CREATE TABLE t (id int PRIMARY KEY, body text);"
      "INSERT INTO t SELECT n, repeat('x', CASE WHEN n > 3000 THEN 1000000 ELSE 1 END) "
      "FROM generate_series(1, 3020) n");
  start("t");
  std::size_t rows = 0, chunks = 0;
  for (bool last = false; !last; ++chunks) {
    const ReadChunk chunk = next();
    EXPECT_LE(bytes_of(chunk), kMost);
    rows += chunk.rows.size();
    last = chunk.to.empty();
  }
  EXPECT_EQ(rows, 3020U);
  EXPECT_LE(chunks, 20U);
}

TEST_F(PostgresChunkReader, KeysThatAreAskedForComeInParts) {
  play(
      "CREATE TABLE t (id int PRIMARY KEY, body text);"
      "INSERT INTO t SELECT n, repeat('x', 1000000) FROM generate_series(1, 20) n");
  start("t");
  while (!next().to.empty()) {
  }
  std::vector<Row> keys;
  for (std::int64_t n = 1; n <= 30; ++n) keys.push_back({Value::integer(n)});
  reader_->ask(keys);
  std::size_t asked = 0, rows = 0;
  while (asked < keys.size()) {
    const ReadChunk chunk = next();
    EXPECT_LE(bytes_of(chunk), kMost);
    asked += chunk.asked.size();
    rows += chunk.rows.size();
  }
  EXPECT_EQ(asked, 30U);
  EXPECT_EQ(rows, 20U);
}

}  // namespace
}  // namespace tandem::capture::postgres

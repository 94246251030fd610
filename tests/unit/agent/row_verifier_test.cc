// The rows of a source, which is a fake here, against a real replica.
#include "agent/row_verifier.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "state/replica.h"

namespace tandem::agent {
namespace {

using state::Row;
using state::Value;

/// The source's order of keys: by their last letter, which no order of the replica is.
bool source_before(const Row& a, const Row& b) {
  const std::string& one = a[0].bytes();
  const std::string& other = b[0].bytes();
  if (one.back() != other.back()) return one.back() < other.back();
  return one < other;
}

class FakeReader : public capture::SourceReader {
 public:
  std::vector<Row> rows;
  std::size_t page = 3;
  int lookups = 0;  // calls of read_rows for more than one key

  Page read(const state::TableSchema& table, const Row& from, std::size_t) override {
    std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
      return source_before(table.key_of(a), table.key_of(b));
    });
    Page read{{}, {}, {1, 0}};
    for (const Row& row : rows) {
      if (!from.empty() && !source_before(from, table.key_of(row))) continue;
      if (read.rows.size() == page) {
        read.to = table.key_of(read.rows.back());
        break;
      }
      read.rows.push_back(row);
    }
    return read;
  }
  Page read_rows(const state::TableSchema& table, const std::vector<Row>& keys) override {
    if (keys.size() > 1) ++lookups;
    Page read{{}, {}, {1, 0}};
    for (const Row& row : rows) {
      if (std::find(keys.begin(), keys.end(), table.key_of(row)) != keys.end()) {
        read.rows.push_back(row);
      }
    }
    return read;
  }
};

class RowVerifier : public ::testing::Test {
 protected:
  RowVerifier() {
    std::string pattern = std::filesystem::temp_directory_path() / "row-verifier-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    schema_.name = "t";
    schema_.columns = {{"k", "text"}, {"v", "integer"}};
    schema_.columns[0].form = state::ColumnForm::kText;
    schema_.columns[0].comparison = state::Comparison::kEquality;
    schema_.columns[1].form = state::ColumnForm::kInteger;
    schema_.key = {0};
    schema_.unique_keys = {{0}};
  }
  ~RowVerifier() override { std::filesystem::remove_all(directory_); }

  static Row row(const std::string& key, std::int64_t number) {
    return {Value::text(key), Value::integer(number)};
  }

  /// The keys that differ, each with what has it: s, r, or both.
  std::set<std::string> differences(const std::vector<Row>& replica) {
    auto batch = std::make_shared<state::Batch>();
    batch->epoch = 1;
    const std::uint32_t table = batch->table_index("t");
    batch->records = {state::Epoch{1}, state::Begin{{1, 0}, 1}, state::SchemaRecord{schema_, true},
                      state::Chunk{table, {}, {}, replica, {}}, state::End{{{1, 0}, {}, ""}}};
    for (std::size_t i = 0; i < batch->records.size(); ++i) {
      batch->offsets.push_back(static_cast<state::Offset>(i + 1));
    }
    const std::string path = directory_ + "/replica.db";
    state::Replica(path, "log", nullptr).fold(batch, true);
    RowVerifierOptions options;
    options.replica_path = path;
    options.catalog = [this] {
      capture::Catalog catalog;
      catalog.tables.emplace_back();
      catalog.tables.back().schema = schema_;
      return catalog;
    };
    const RowReport report = verify_rows(source_, {"t"}, options, {});
    EXPECT_EQ(report.rows, static_cast<std::int64_t>(source_.rows.size()));
    EXPECT_EQ(report.pending, 0);
    EXPECT_TRUE(report.not_whole.empty());
    EXPECT_TRUE(report.changed.empty());
    std::set<std::string> found;
    for (const RowDifference& difference : report.differences) {
      const bool added = found
                             .insert(difference.key[0].bytes() + (difference.source ? " s" : "") +
                                     (difference.replica ? " r" : ""))
                             .second;
      EXPECT_TRUE(added) << "reported twice";
    }
    return found;
  }

  std::string directory_;
  state::TableSchema schema_;
  FakeReader source_;
};

TEST_F(RowVerifier, FindsEveryDifferenceWhereTheOrdersDiffer) {
  std::vector<Row> replica;
  for (int i = 0; i < 26; ++i) {
    const std::string key = {static_cast<char>('a' + i), static_cast<char>('a' + (i * 7) % 26)};
    source_.rows.push_back(row(key, i));
    replica.push_back(row(key, i));
  }
  EXPECT_EQ(differences(replica), std::set<std::string>{});
  EXPECT_GE(source_.lookups, 1);
}

TEST_F(RowVerifier, NamesWhatIsMissingSurplusAndOther) {
  source_.rows = {row("az", 1), row("by", 2), row("cx", 3), row("dw", 4), row("ev", 5)};
  EXPECT_EQ(differences({row("az", 1), row("by", 9), row("dw", 4), row("ev", 5), row("aa", 6),
                         row("zz", 7)}),
            (std::set<std::string>{"aa r", "by s r", "cx s", "zz r"}));
}

TEST_F(RowVerifier, OfAnEmptySourceEveryRowIsSurplus) {
  std::vector<Row> replica;
  std::set<std::string> expected;
  // More than a page of the verifier's.
  for (int i = 0; i < 2500; ++i) {
    replica.push_back(row(std::to_string(i), i));
    expected.insert(std::to_string(i) + " r");
  }
  EXPECT_EQ(differences(replica), expected);
  EXPECT_EQ(source_.lookups, 2);
}

}  // namespace
}  // namespace tandem::agent

// The replica: what one history after another must come to, record by record.
#include "state/replica.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>

#include "state/ledger.h"

namespace tandem::state {
namespace {

Value number(std::int64_t n) { return Value::integer(n); }
Value text(const std::string& s) { return Value::text(s); }

TableSchema schema_of(const std::string& name, const std::string& collation = "BINARY") {
  TableSchema schema;
  schema.name = name;
  schema.columns = {{"id", "", collation}, {"name", "TEXT"}, {"price", "NUMERIC"}};
  schema.key = {0};
  schema.unique_keys = {{0}};
  return schema;
}

// Writes records as a log would, and folds them.
class Writer {
 public:
  std::shared_ptr<Batch> batch = std::make_shared<Batch>();
  std::uint64_t commit = 0;
  Offset next = 1;
  std::uint64_t epoch = 1;

  void add(Record record) {
    if (batch->records.empty()) batch->from = next;
    batch->records.push_back(std::move(record));
    batch->offsets.push_back(next++);
    batch->epoch = epoch;
  }
  void begin() { add(Begin{{++commit, 0}, 1000}); }
  void end() { add(End{{{commit, 0}, {}, ""}}); }
  void put(const std::string& table, Row row) {
    add(Change{Op::kUpdate, batch->table_index(table), {}, std::move(row)});
  }
  void move(const std::string& table, Value from, Row row) {
    add(Change{Op::kUpdate, batch->table_index(table), {std::move(from)}, std::move(row)});
  }
  void remove(const std::string& table, Value key) {
    add(Change{Op::kDelete, batch->table_index(table), {std::move(key)}, {}});
  }
  void schema(const TableSchema& table, bool reread = true) { add(SchemaRecord{table, reread}); }
  void chunk(const std::string& table, Row from, Row to, std::vector<Row> rows) {
    add(Chunk{batch->table_index(table), std::move(from), std::move(to), std::move(rows), {}});
  }
  std::shared_ptr<const Batch> take() { return std::exchange(batch, std::make_shared<Batch>()); }
};

class Listener : public FoldListener {
 public:
  std::vector<std::string> seen;
  void tables_changed(Database&, const std::unordered_map<std::string, ReplicaTable>&,
                      Marks&) override {}
  void table_whole(const std::string& table, Marks& marks) override {
    seen.push_back("whole " + table);
    marks.mark_wide("doc", 0, {});
  }
  void row_changed(const TableSchema& table, const Row* before, const Row* after, bool applied,
                   Marks& marks) override {
    seen.push_back((applied ? "after " : "before ") + table.name + " " +
                   (before == nullptr ? "-" : to_display((*before)[1])) + " " +
                   (after == nullptr ? "-" : to_display((*after)[1])));
    marks.mark("doc", encode_row(table.key_of(after != nullptr ? *after : *before)));
  }
};

class ReplicaTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "replica-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    writer.add(Epoch{1});
    writer.begin();
    writer.schema(schema_of("T"));
    writer.chunk("T", {}, {}, {});
    writer.end();
    reopen();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string path() const { return directory_ + "/replica.db"; }
  void reopen(ReplicaOptions options = {}) {
    replica.reset();
    replica = std::make_unique<Replica>(path(), "log", &listener, options);
  }
  FoldResult fold() { return replica->fold(writer.take(), true); }
  std::string rows(const std::string& table = "T") {
    ReplicaReader reader(path());
    auto select = reader.database().prepare("SELECT * FROM " + quote_identifier(table));
    std::string all;
    while (select.step()) {
      for (const Value& value : select.row(0, select.column_count()))
        all += to_display(value) + " ";
      all += "| ";
    }
    return all;
  }

  Value value(const std::string& sql) { return ReplicaReader(path()).database().query_value(sql); }
  std::int64_t count(const std::string& table) {
    return value("SELECT count(*) FROM " + quote_identifier(table)).as_integer();
  }

  std::string directory_;
  Writer writer;
  Listener listener;
  std::unique_ptr<Replica> replica;
};

TEST_F(ReplicaTest, ValuesKeepTheirStorageClass) {
  writer.begin();
  writer.put("T", {number(1), text("1.0"), Value::real(0.5)});
  writer.put("T", {text("1"), Value::blob(std::string("a\0b", 3)), Value::null()});
  writer.put("T", {Value::blob("1"), text(std::string("a\0b\xff", 4)), number(INT64_MIN)});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 '1.0' 0.5 | '1' x'610062' NULL | x'31' '" + std::string("a\0b\xff", 4) +
                        "' -9223372036854775808 | ");
}

TEST_F(ReplicaTest, TwoRowsSwapKeys) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.put("T", {number(2), text("b"), number(2)});
  writer.end();
  fold();
  writer.begin();
  writer.move("T", number(1), {number(2), text("a"), number(1)});
  writer.move("T", number(2), {number(1), text("b"), Value::unchanged()});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 'b' 2 | 2 'a' 1 | ");
  // Through a third key, in one transaction: nobody is displaced.
  writer.begin();
  writer.move("T", number(1), {number(9), text("b"), number(2)});
  writer.move("T", number(9), {number(10), Value::unchanged(), number(3)});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "2 'a' 1 | 10 'b' 3 | ");
}

TEST_F(ReplicaTest, TwoRowsSwapKeysInATransactionThatIsStreamed) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.put("T", {number(2), text("b"), number(2)});
  writer.end();
  fold();
  reopen({.memory_bytes = 1});
  writer.begin();
  writer.move("T", number(1), {number(2), text("a"), number(1)});
  writer.move("T", number(2), {number(1), text("b"), Value::unchanged()});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 'b' 2 | 2 'a' 1 | ");
}

TEST_F(ReplicaTest, TheFirstPositionMayBeZero) {
  Writer first;
  first.add(Epoch{1});
  first.add(Begin{{0, 0}, 1});
  first.schema(schema_of("Z"));
  first.chunk("Z", {}, {}, {{number(1), text("a"), number(1)}});
  first.add(End{{{0, 0}, {}, ""}});
  replica = std::make_unique<Replica>(directory_ + "/first.db", "log", nullptr);
  EXPECT_EQ(replica->fold(first.take(), true).rows_written, 1);
  // Published once more, it is dropped.
  first.add(Begin{{0, 0}, 1});
  first.put("Z", {number(2), text("b"), number(1)});
  first.add(End{{{0, 0}, {}, ""}});
  EXPECT_EQ(replica->fold(first.take(), true).rows, 0);
}

TEST_F(ReplicaTest, ANumberOfAMarkIsNeverUsedAgain) {
  replica->mark([](Marks& to) { to.mark("doc", "a"); });
  class AtOpen : public Listener {
    void tables_changed(Database&, const std::unordered_map<std::string, ReplicaTable>&,
                        Marks& marks) override {
      marks.mark("doc", "open");
      marks.mark_wide("doc", 0, {});
    }
  } at_open;
  for (int i = 0; i < 2; ++i) {
    replica = std::make_unique<Replica>(path(), "log", &at_open);
    ReplicaReader reader(path());
    std::int64_t newest = *reader.mark_number("doc", "open");
    std::int64_t wide = reader.wide_marks().at(0).number;
    replica->mark([](Marks& to) { to.mark("doc", "b"); });
    reader.renew();
    EXPECT_GT(*reader.mark_number("doc", "b"), std::max(newest, wide));
  }
}

TEST_F(ReplicaTest, OffsetsNeedNotBeDense) {
  fold();
  writer.begin();
  writer.next += 7;
  writer.schema(schema_of("T"));
  writer.next += 100;
  writer.chunk("T", {}, {}, {{number(2), text("b"), number(1)}});
  writer.end();
  fold();
  EXPECT_EQ(replica->position().next, writer.next);
  EXPECT_EQ(rows(), "2 'b' 1 | ");
}

TEST_F(ReplicaTest, BehindAHoleInTheLogOnlyAGapCounts) {
  fold();
  const Offset before = replica->position().next;
  writer.next += 100;
  writer.add(Epoch{2});
  writer.epoch = 2;
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.end();
  fold();
  EXPECT_EQ(replica->position().next, before);
  EXPECT_EQ(rows(), "");
  // A restart meets the hole again.
  reopen();
  EXPECT_EQ(replica->position().next, before);
  writer.add(Gap{"a test"});
  writer.begin();
  writer.schema(schema_of("T"));
  writer.chunk("T", {}, {}, {{number(2), text("b"), number(1)}});
  writer.end();
  fold();
  EXPECT_EQ(replica->position().next, writer.next);
  EXPECT_EQ(rows(), "2 'b' 1 | ");
}

TEST_F(ReplicaTest, OneThatIsAheadOfItsLogIsFoldedAnew) {
  fold();
  const Offset next = replica->position().next;
  reopen({.log_next = next});
  EXPECT_EQ(replica->position().next, next);
  reopen({.log_next = next - 1});
  EXPECT_LT(replica->position().next, next);
  EXPECT_TRUE(replica->tables().empty());
}

TEST_F(ReplicaTest, AMarkIsNoYoungerThanItsCause) {
  fold();
  const Offset first = writer.next;
  for (int id : {1, 2}) {
    writer.begin();
    writer.put("T", {number(id), text("a"), number(1)});
    writer.end();
  }
  fold();  // both in one commit
  ReplicaReader reader(path());
  for (const Mark& mark : reader.marks_after(0, 10))
    EXPECT_LE(mark.offset, first + 1) << mark.number;
  // Marked again before it was settled: the older cause still counts.
  writer.begin();
  writer.put("T", {number(1), text("b"), number(1)});
  writer.end();
  fold();
  reader.renew();
  for (const Mark& mark : reader.marks_after(0, 10))
    EXPECT_LE(mark.offset, first + 1) << mark.number;
}

TEST_F(ReplicaTest, NothingIsMarkedWhileALargeTransactionStreams) {
  fold();
  reopen({.memory_bytes = 1});
  EXPECT_TRUE(replica->may_mark());
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  fold();
  EXPECT_FALSE(replica->may_mark());
  writer.end();
  fold();
  EXPECT_TRUE(replica->may_mark());
  replica->mark([](Marks& to) { to.mark("doc", "x"); });
  EXPECT_EQ(rows(), "1 'a' 1 | ");
}

TEST_F(ReplicaTest, ATransactionCutOffNeverHappened) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  fold();
  EXPECT_EQ(rows(), "");
  EXPECT_LT(replica->position().next, writer.next) << "the open transaction must be read again";
  writer.epoch = 2;
  writer.add(Epoch{2});
  --writer.commit;
  writer.begin();
  writer.put("T", {number(1), text("b"), number(1)});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 'b' 1 | ");
}

TEST_F(ReplicaTest, ATransactionPublishedTwiceIsFoldedOnce) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.end();
  fold();
  writer.begin();
  writer.put("T", {number(1), text("b"), number(1)});
  writer.end();
  fold();
  listener.seen.clear();
  writer.commit -= 2;
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 'b' 1 | ");
  EXPECT_TRUE(listener.seen.empty());
}

TEST_F(ReplicaTest, RecordsOfASucceededCaptureAreIgnored) {
  writer.epoch = 5;
  writer.add(Epoch{5});
  fold();
  writer.epoch = 1;
  writer.begin();
  writer.put("T", {number(1), text("old"), number(1)});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "");
}

TEST_F(ReplicaTest, ALargeTransactionIsStreamedAndRolledBackWhenCutOff) {
  reopen({.memory_bytes = 2000});
  fold();
  std::string before = rows();
  writer.begin();
  for (int i = 0; i < 200; ++i) writer.put("T", {number(i), text("row"), number(i)});
  fold();
  EXPECT_EQ(rows(), before);
  --writer.commit;
  writer.begin();
  for (int i = 0; i < 100; ++i) writer.put("T", {number(i), text("again"), number(i)});
  fold();
  writer.end();
  FoldResult result = fold();
  EXPECT_TRUE(result.committed);
  EXPECT_EQ(result.rows, 100);
  ReplicaReader reader(path());
  EXPECT_EQ(
      reader.database().query_value("SELECT count(*) FROM T WHERE name = 'again'").as_integer(),
      100);
  EXPECT_EQ(reader.database().query_value("SELECT count(*) FROM T").as_integer(), 100);
  EXPECT_EQ(replica->position().next, writer.next);
}

TEST_F(ReplicaTest, AChunkDeletesWhatIsBeyondAndWritesNothingThatIsEqual) {
  writer.begin();
  for (int i = 1; i <= 6; ++i) writer.put("T", {number(i), text("row"), number(i)});
  writer.end();
  fold();
  listener.seen.clear();
  writer.begin();
  writer.chunk("T", {number(1)}, {number(5)},
               {{number(2), text("row"), number(2)},
                {number(4), text("new"), number(4)},
                {number(5), text("row"), number(5)}});
  writer.end();
  FoldResult result = fold();
  EXPECT_EQ(rows(), "1 'row' 1 | 2 'row' 2 | 4 'new' 4 | 5 'row' 5 | 6 'row' 6 | ");
  EXPECT_EQ(result.rows_written, 2);
  EXPECT_EQ(listener.seen, (std::vector<std::string>{"before T 'row' -", "before T 'row' 'new'",
                                                     "after T 'row' 'new'"}));
}

TEST_F(ReplicaTest, WithoutAnOrderedKeyWhatNoChunkAndNoChangeNamedGoesWithTheLastChunk) {
  TableSchema schema = schema_of("U");
  schema.columns[0].comparison = Comparison::kEquality;
  const auto row = [](const char* key, int n) { return Row{text(key), text("v"), number(n)}; };
  writer.begin();
  writer.schema(schema);
  // In an order of the source's own.
  writer.chunk("U", {}, {text("a")}, {row("b", 1), row("a", 1)});
  writer.chunk("U", {text("a")}, {}, {row("Z", 1), row("c", 1), row("d", 1), row("e", 1)});
  writer.end();
  fold();
  EXPECT_EQ(count("U"), 6);
  EXPECT_EQ(count("_tandem_unseen"), 0);

  writer.begin();
  writer.add(Gap{"test"});
  writer.begin();
  writer.chunk("U", {}, {text("a")}, {row("b", 1), row("a", 2)});
  writer.end();
  fold();
  EXPECT_EQ(count("U"), 6);
  EXPECT_EQ(count("_tandem_unseen"), 4);
  reopen();
  listener.seen.clear();

  writer.begin();
  writer.put("U", row("c", 3));
  writer.end();
  writer.begin();
  // Behind a hole: its rows count, and the table's end does not.
  writer.chunk("U", {text("q")}, {}, {row("f", 1)});
  writer.end();
  fold();
  EXPECT_EQ(count("U"), 7);

  writer.begin();
  writer.add(Chunk{writer.batch->table_index("U"), {text("a")}, {}, {row("f", 1)}, {{text("d")}}});
  writer.end();
  fold();
  EXPECT_EQ(listener.seen.back(), "whole U");
  EXPECT_EQ(value("SELECT group_concat(id, '') FROM (SELECT id FROM U ORDER BY id)"),
            text("abcdf"));
  EXPECT_EQ(count("_tandem_unseen"), 0);
}

TEST_F(ReplicaTest, WithoutAnOrderedKeyAWholeTableIsReadAgainToo) {
  TableSchema schema = schema_of("U");
  schema.columns[0].comparison = Comparison::kNone;
  writer.begin();
  writer.schema(schema);
  writer.chunk("U", {}, {}, {{text("2"), Value::null(), number(1)}});
  writer.put("U", {text("1.0"), Value::null(), number(1)});
  writer.chunk("U", {}, {text("1.00")}, {{text("1.00"), Value::null(), number(1)}});
  writer.end();
  fold();
  EXPECT_EQ(count("U"), 3);
  writer.begin();
  writer.add(Change{Op::kTruncate, writer.batch->table_index("U"), {}, {}});
  writer.put("U", {text("3"), Value::null(), number(1)});
  writer.chunk("U", {text("1.00")}, {}, {});
  writer.end();
  fold();
  EXPECT_EQ(count("U"), 1);
}

TEST_F(ReplicaTest, ATableIsWholeAfterChunksWithoutAHole) {
  fold();
  writer.begin();
  writer.schema(schema_of("U"));
  writer.chunk("U", {}, {number(5)}, {{number(1), text("a"), number(1)}});
  writer.end();
  fold();
  reopen();
  writer.begin();
  writer.chunk("U", {number(7)}, {}, {});
  writer.end();
  fold();
  EXPECT_FALSE(replica->tables().at("U").whole) << "from 5 to 7 nothing was read";
  writer.begin();
  writer.chunk("U", {number(5)}, {}, {{number(6), text("b"), number(2)}});
  writer.end();
  fold();
  EXPECT_TRUE(replica->tables().at("U").whole);
  writer.add(Gap{"test"});
  fold();
  EXPECT_FALSE(replica->tables().at("U").whole);
  EXPECT_EQ(rows("U"), "1 'a' 1 | 6 'b' 2 | ");
}

TEST_F(ReplicaTest, AGapLetsPositionsStartAgain) {
  fold();
  writer.add(Gap{"restored"});
  writer.commit = 0;
  writer.begin();
  writer.put("T", {number(1), text("older"), number(1)});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 'older' 1 | ");
}

TEST_F(ReplicaTest, AChangeOfColumnsKeepsRowsByName) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.end();
  fold();
  TableSchema wider = schema_of("T");
  wider.columns.insert(wider.columns.begin() + 1, {"added", "INTEGER"});
  writer.begin();
  writer.schema(wider);
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 NULL 'a' 1 | ");
  EXPECT_FALSE(replica->tables().at("T").whole);
  TableSchema gone;
  gone.name = "T";
  writer.begin();
  writer.schema(gone);
  writer.end();
  fold();
  EXPECT_FALSE(replica->tables().contains("T"));
}

TEST_F(ReplicaTest, KeysThatCollateAreOneRow) {
  fold();
  writer.begin();
  writer.schema(schema_of("N", "NOCASE"));
  writer.chunk("N", {}, {}, {});
  writer.put("N", {text("abc"), text("one"), number(1)});
  writer.end();
  writer.begin();
  writer.remove("N", text("abc"));
  writer.put("N", {text("ABC"), text("two"), number(2)});
  writer.end();
  fold();
  EXPECT_EQ(rows("N"), "'ABC' 'two' 2 | ");
}

TEST_F(ReplicaTest, MarksAreNumberedUpwardsAndSwept) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.put("T", {number(2), text("b"), number(1)});
  writer.end();
  fold();
  std::vector<Mark> marks;
  {
    ReplicaReader reader(path());
    marks = reader.marks_after(0, 10);
    ASSERT_EQ(marks.size(), 2U);
    EXPECT_LT(marks[0].number, marks[1].number);
    EXPECT_EQ(reader.wide_marks().size(), 1U);
  }
  Ledger ledger(directory_ + "/ledger.db", "log");
  ledger.begin();
  ledger.settle("doc", marks[0].root, marks[0].number);
  ledger.settle("doc", marks[1].root, marks[1].number - 1);
  ledger.commit(true);
  EXPECT_EQ(replica->sweep(directory_ + "/ledger.db"), 1);
  replica->mark([&](Marks& to) { to.mark("doc", marks[0].root); });
  ReplicaReader reader(path());
  EXPECT_GT(*reader.mark_number("doc", marks[0].root), marks[1].number);
  EXPECT_EQ(reader.lowest_mark(), marks[1].number);
  reopen({.first_mark = 1000});
  replica->mark([&](Marks& to) { to.mark("doc", "x"); });
  EXPECT_GE(*reader.mark_number("doc", "x"), 1000);
}

TEST_F(ReplicaTest, MarksSettledOutOfOrderAreSweptToo) {
  Ledger ledger(directory_ + "/ledger.db", "log");
  replica->mark([](Marks& to) { to.mark("doc", "early"); });
  replica->mark([](Marks& to) { to.mark("doc", "late"); });
  auto settle = [&](const std::string& root) {
    ReplicaReader reader(path());
    ledger.begin();
    ledger.settle("doc", root, *reader.mark_number("doc", root));
    ledger.commit(false);
  };
  settle("late");
  EXPECT_EQ(replica->sweep(directory_ + "/ledger.db"), 1);
  settle("early");
  EXPECT_EQ(replica->sweep(directory_ + "/ledger.db"), 1);
  EXPECT_EQ(replica->sweep(directory_ + "/ledger.db"), 0);
  EXPECT_EQ(ReplicaReader(path()).mark_count(), 0);
}

TEST_F(ReplicaTest, AWideMarkIsSweptWhenItIsExpandedToItsEnd) {
  Ledger ledger(directory_ + "/ledger.db", "log");
  Row values = {number(7), text("x")};
  auto make = [&](Marks& to) { to.mark_wide("doc", 2, values); };
  replica->mark(make);
  WideMark first = ReplicaReader(path()).wide_marks().at(0);
  auto expand = [&](MarkNumber number, bool done) {
    ledger.begin();
    ledger.put_expansion({"doc", 2, values, number, "", done});
    ledger.commit(false);
  };
  expand(first.number, false);
  EXPECT_EQ(replica->sweep(directory_ + "/ledger.db"), 0);
  replica->mark(make);
  expand(first.number, true);
  EXPECT_EQ(replica->sweep(directory_ + "/ledger.db"), 0) << "it was marked anew since";
  WideMark again = ReplicaReader(path()).wide_marks().at(0);
  EXPECT_GT(again.number, first.number);
  expand(again.number, true);
  EXPECT_EQ(replica->sweep(directory_ + "/ledger.db"), 1);
  EXPECT_TRUE(ReplicaReader(path()).wide_marks().empty());
}

TEST_F(ReplicaTest, AValueThatItsTypeWouldAlterLeavesTheColumnUntyped) {
  fold();
  {
    Database database(path(), OpenMode::kReadWrite);
    database.execute("CREATE INDEX _tandem_test ON T(price)");
  }
  writer.begin();
  writer.put("T", {number(1), text("a"), Value::real(0.5)});
  writer.put("T", {number(2), Value::integer(5), text("12")});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "1 'a' 0.5 | 2 5 '12' | ");
  Database database(path(), OpenMode::kReadOnly);
  EXPECT_EQ(database
                .query_value("SELECT count(*) FROM pragma_index_list('T') WHERE name = "
                             "'_tandem_test'")
                .as_integer(),
            1);
}

TEST_F(ReplicaTest, ALoneIntegerKeyIsTheRowidUntilItIsNotAnInteger) {
  TableSchema schema = schema_of("R");
  schema.columns[0].declared_type = "INTEGER";
  writer.begin();
  writer.schema(schema);
  writer.chunk("R", {}, {}, {{number(7), text("a"), number(1)}});
  writer.end();
  fold();
  {
    Database database(path(), OpenMode::kReadOnly);
    EXPECT_EQ(database.query_value("SELECT rowid FROM R").as_integer(), 7);
  }
  writer.begin();
  writer.remove("R", text("7"));
  writer.put("R", {text("x"), text("b"), number(2)});
  writer.end();
  fold();
  EXPECT_EQ(rows("R"), "7 'a' 1 | 'x' 'b' 2 | ");
}

TEST_F(ReplicaTest, AKeyOfIntegersIsTheRowidWhateverTheSourceCallsIt) {
  TableSchema schema;
  schema.name = "U";
  schema.columns = {{"f", "double precision"}, {"id", "bigint"}, {"n", "int"}};
  schema.columns[0].form = ColumnForm::kFloat;
  schema.columns[1].form = ColumnForm::kInteger;
  schema.columns[2].form = ColumnForm::kInteger;
  schema.key = {1};
  schema.unique_keys = {{1}};
  writer.begin();
  writer.schema(schema);
  writer.chunk("U", {}, {}, {{Value::real(-0.0), number(INT64_MIN), number(1)}});
  writer.put("U", {text("NaN"), number(1), Value::null()});
  writer.put("U", {text("-Infinity"), number(2), number(INT64_MAX)});
  writer.put("U", {Value::real(5e-324), number(INT64_MAX), number(0)});
  writer.end();
  fold();
  EXPECT_EQ(value("SELECT instr(sql, 'WITHOUT ROWID') FROM sqlite_master WHERE name = 'U'"),
            number(0));
  EXPECT_EQ(value("SELECT rowid FROM U WHERE n = 1"), number(INT64_MIN));
  EXPECT_EQ(value("SELECT f FROM U WHERE n = 1"), Value::real(-0.0));
  EXPECT_EQ(rows("U"),
            "-0 -9223372036854775808 1 | 'NaN' 1 NULL | '-Infinity' 2 9223372036854775807 | "
            "5e-324 9223372036854775807 0 | ");
  // A value that the column would alter takes the type away.
  writer.begin();
  writer.put("U", {text("1"), number(3), text("07")});
  writer.end();
  fold();
  EXPECT_EQ(value("SELECT n FROM U WHERE id = 3"), text("07"));
  writer.begin();
  writer.remove("U", number(3));
  writer.end();
  fold();
  reopen();
  writer.begin();
  writer.put("U", {Value::real(0.0), number(INT64_MIN), number(1)});
  writer.put("U", {text("NaN"), number(1), Value::null()});
  writer.end();
  EXPECT_EQ(fold().rows_written, 1);
  EXPECT_EQ(value("SELECT f FROM U WHERE n = 1"), Value::real(0.0));
}

TEST_F(ReplicaTest, AnUnchangedValueOfARowThatIsStillToComeIsNull) {
  const Value same = Value::unchanged();
  writer.begin();
  writer.schema(schema_of("U"));
  writer.put("U", {number(1), same, number(7)});
  writer.move("U", number(2), {number(3), text("c"), same});
  writer.end();
  fold();
  EXPECT_EQ(rows("U"), "1 NULL 7 | 3 'c' NULL | ");
  // What was left unchanged comes behind the chunk that could not see the changes.
  writer.begin();
  writer.add(Chunk{writer.batch->table_index("U"),
                   {},
                   {},
                   {{number(1), text("a"), number(0)}, {number(2), text("c"), number(9)}},
                   {{number(1)}, {number(2)}, {number(3)}}});
  writer.put("U", {number(1), text("a"), same});
  writer.put("U", {number(3), same, number(9)});
  writer.end();
  fold();
  EXPECT_EQ(rows("U"), "1 'a' 7 | 3 'c' 9 | ");
  writer.begin();
  writer.put("U", {number(4), same, number(1)});
  writer.end();
  EXPECT_TRUE(replica->tables().at("U").whole);
  fold();
  // Nobody told of the row, as when a partition was attached: the table must be read again.
  EXPECT_FALSE(replica->tables().at("U").whole);
  writer.begin();
  writer.add(
      Chunk{writer.batch->table_index("U"), {}, {}, {{number(4), text("d"), number(1)}}, {}});
  writer.end();
  fold();
  EXPECT_EQ(rows("U"), "4 'd' 1 | ");
  EXPECT_TRUE(replica->tables().at("U").whole);
}

TEST_F(ReplicaTest, AnotherLogMeansFoldAnew) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.end();
  fold();
  replica.reset();
  replica = std::make_unique<Replica>(path(), "another", nullptr);
  EXPECT_EQ(replica->position().next, 0);
  EXPECT_TRUE(replica->tables().empty());
}

TEST_F(ReplicaTest, TruncateEmptiesTheTable) {
  writer.begin();
  writer.put("T", {number(1), text("a"), number(1)});
  writer.end();
  fold();
  writer.begin();
  writer.add(Change{Op::kTruncate, writer.batch->table_index("T"), {}, {}});
  writer.put("T", {number(2), text("b"), number(2)});
  writer.end();
  fold();
  EXPECT_EQ(rows(), "2 'b' 2 | ");
}

}  // namespace
}  // namespace tandem::state

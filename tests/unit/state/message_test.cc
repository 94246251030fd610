// Records become messages and come back as they were, whatever their values; other messages are
// refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "random_records.h"
#include "same_records.h"
#include "state/error.h"
#include "state/json_value.h"
#include "state/message_reader.h"
#include "state/message_writer.h"

namespace tandem::state {
namespace {

MessageOrigin origin(const std::string& connector = "postgresql") {
  return {connector, "shop", "db", "1"};
}

// Rows, keys and records that fit a table, from random values.
class Tables : public RandomRecords {
 public:
  explicit Tables(std::uint64_t seed) : RandomRecords(seed) {
    for (const char* name : {"thing", "sales.thing", "public.odd.name", "Ünïcode \"quoted\""}) {
      TableSchema schema;
      schema.name = name;
      const std::size_t columns = 1 + below(6);
      for (std::size_t i = 0; i < columns; ++i) {
        schema.columns.push_back({"c\"" + std::to_string(i), bytes(8), "BINARY",
                                  static_cast<ColumnForm>(below(10)), below(2) == 0,
                                  static_cast<Comparison>(below(3))});
      }
      for (std::size_t i = below(columns); i < columns; i += 2) {
        schema.key.push_back(static_cast<int>(i));
      }
      schema.unique_keys = {schema.key};
      schemas.push_back(std::move(schema));
    }
  }

  Value fitting(const Column& column) {
    if (column.form == ColumnForm::kTimestamp && below(2) == 0) {
      static constexpr const char* kTimes[] = {"2024-02-29 23:59:59.1",
                                               "2024-02-29 23:59:59.1+00",
                                               "2024-02-29 23:59:59+00",
                                               "2024-02-29 23:59:59.100",
                                               "2024-02-29 23:59:59.1234567",
                                               "2024-02-29 23:59:59.",
                                               "2024-02-29 23:59:59.+00",
                                               "2024-02-29 23:59:59.0",
                                               "2024-02-29 23:59:59+02",
                                               "2024-02-29T23:59:59",
                                               "2024-02-29T23:59:59.1",
                                               "2024-02-29T23:59:59.10",
                                               "2024-02-29T23:59:59.100000Z",
                                               "2024-02-29T23:59:59.000000Z",
                                               "2024-02-29 23:59:59.000001+00",
                                               "2024-02-29 23:59:59",
                                               "0001-01-01 00:00:00+00 BC",
                                               "12024-01-01 00:00:00+00",
                                               "infinity",
                                               "2024-02-29T23:59:59Z",
                                               "2024-02-29 23:59:59Z",
                                               "2024-02-29",
                                               "24:00:00+05:30:15"};
      return Value::text(kTimes[below(std::size(kTimes))]);
    }
    if (column.form == ColumnForm::kBoolean) {
      return Value::integer(static_cast<std::int64_t>(below(3)));
    }
    return value();
  }

  Row fitting_row(const TableSchema& schema) {
    Row row;
    for (const Column& column : schema.columns) row.push_back(fitting(column));
    return row;
  }

  std::optional<std::uint32_t> above() {
    if (below(3) != 0) return std::nullopt;
    return static_cast<std::uint32_t>(below(5));
  }

  Batch transaction() {
    Batch batch;
    batch.records.emplace_back(Begin{{below(1000), below(4)},
                                     static_cast<std::int64_t>(below(99)),
                                     static_cast<std::uint32_t>(below(1000)),
                                     below(5)});
    for (std::size_t count = below(12); count > 0; --count) {
      const TableSchema& schema = schemas[below(schemas.size())];
      const std::uint32_t table = batch.table_index(schema.name);
      const Row row = fitting_row(schema);
      switch (below(7)) {
        case 0:
          batch.records.emplace_back(Change{Op::kCreate, table, {}, row, above()});
          break;
        case 1:
          batch.records.emplace_back(Change{Op::kDelete, table, schema.key_of(row), {}, above()});
          break;
        case 2:
          batch.records.emplace_back(
              Change{Op::kUpdate, table, schema.key_of(fitting_row(schema)), row, above()});
          break;
        case 3:
          batch.records.emplace_back(Change{Op::kTruncate, table, {}, {}});
          break;
        case 4: {
          Chunk chunk{table, schema.key_of(row), schema.key_of(fitting_row(schema)), {}, {}};
          for (std::size_t rows = below(4); rows > 0; --rows) {
            chunk.rows.push_back(fitting_row(schema));
            chunk.touched.push_back(schema.key_of(fitting_row(schema)));
          }
          batch.records.emplace_back(std::move(chunk));
          break;
        }
        case 5:
          batch.records.emplace_back(SchemaRecord{schema, below(2) == 0});
          break;
        default:
          batch.records.emplace_back(Change{Op::kUpdate, table, {}, row});
      }
    }
    batch.records.emplace_back(End{checkpoint()});
    return batch;
  }

  std::vector<TableSchema> schemas;
};

// The messages of the writer from the `skip`ped ones on, read; what one message ends is in the
// batch.
Batch read_back(const MessageWriter& writer, MessageReader& reader, Offset& offset,
                std::size_t skip = 0) {
  Batch batch;
  for (std::size_t i = skip; i < writer.messages().size(); ++i) {
    const OutgoingMessage& message = writer.messages()[i];
    IncomingMessage incoming;
    if (!writer.key(message).empty()) incoming.key = writer.key(message);
    if (message.has_value) incoming.value = writer.value(message);
    if (message.header && message.header->name == kRecordHeader) {
      incoming.record = message.header->value;
    }
    if (message.header && message.header->name == kOldKeyHeader) {
      incoming.old_key = message.header->value;
    }
    incoming.has_new_key = message.header && message.header->name == kNewKeyHeader;
    EXPECT_TRUE(reader.read(incoming, offset++, batch));
  }
  return batch;
}

std::uint64_t given_seed() {
  const char* given = std::getenv("TANDEM_TEST_SEED");
  return given ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

// The offset of each record, as the writer has it.
std::vector<Offset> offsets_of(const MessageWriter& writer, Offset first, std::size_t records) {
  std::vector<Offset> offsets(records);
  for (std::size_t i = 0; i < writer.messages().size(); ++i) {
    offsets.at(writer.messages()[i].record) = first + static_cast<Offset>(i);
  }
  return offsets;
}

std::size_t count_of(const MessageWriter& writer, std::string_view kind) {
  return static_cast<std::size_t>(std::count_if(
      writer.messages().begin(), writer.messages().end(), [&](const OutgoingMessage& message) {
        return message.header && message.header->name == kRecordHeader &&
               message.header->value == kind;
      }));
}

TEST(MessageProperty, WhatIsWrittenIsReadBack) {
  const std::uint64_t seed = given_seed();
  SCOPED_TRACE("TANDEM_TEST_SEED=" + std::to_string(seed));
  for (std::uint64_t round = 0; round < 300; ++round) {
    Tables tables(seed + round);
    MessageWriter writer(origin(round % 2 == 0 ? "postgresql" : "sqlite"), round % 3 == 0);
    if (round % 5 == 0) writer.limit(1500 + 100 * (round % 30));
    for (const TableSchema& schema : tables.schemas) writer.know(schema);
    MessageReader reader("topic");
    Offset offset = 0;
    for (int i = 0; i < 5; ++i) {
      Batch batch = tables.transaction();
      if (i == 0) batch.records.emplace(batch.records.begin(), Epoch{77});
      if (i == 1) batch.records.emplace_back(Gap{tables.bytes(30)});
      if (i == 2) batch.records.emplace_back(Heartbeat{tables.checkpoint(), 5});
      writer.clear();
      writer.write(batch, "identity", offset);
      const std::vector<Offset> offsets = offsets_of(writer, offset, batch.records.size());
      Batch back = read_back(writer, reader, offset);
      ASSERT_EQ(back.offsets, offsets);
      // Numbers of tables may differ, names may not.
      ASSERT_EQ(back.records.size(), batch.records.size());
      for (Record& record : back.records) {
        auto renumber = [&](auto& named) {
          named.table = batch.table_index(back.tables.at(named.table));
        };
        if (auto* change = std::get_if<Change>(&record)) renumber(*change);
        if (auto* chunk = std::get_if<Chunk>(&record)) renumber(*chunk);
      }
      for (std::size_t n = 0; n < batch.records.size(); ++n) {
        ASSERT_TRUE(same_record(batch.records[n], back.records[n]))
            << "record " << n << " of kind " << batch.records[n].index() << ", round " << round;
      }
    }
    EXPECT_EQ(reader.epoch(), 77U);
    EXPECT_EQ(reader.identity(), "identity");
    EXPECT_FALSE(reader.misplaced());
  }
}

// A reader that comes in the middle of a record leaves that one out, and gets all that follow.
TEST(MessageProperty, ReadingMayBeginAtAnyMessage) {
  const std::uint64_t seed = given_seed();
  SCOPED_TRACE("TANDEM_TEST_SEED=" + std::to_string(seed));
  for (std::uint64_t round = 0; round < 60; ++round) {
    Tables tables(seed + round);
    MessageWriter writer(origin(), round % 2 == 0);
    if (round % 3 == 0) writer.limit(1300);
    for (const TableSchema& schema : tables.schemas) writer.know(schema);
    const Batch batch = tables.transaction();
    writer.write(batch, "identity", 0);
    const std::vector<Offset> offsets = offsets_of(writer, 0, batch.records.size());
    for (std::size_t skip = 0; skip < writer.messages().size(); ++skip) {
      MessageReader reader("topic");
      auto offset = static_cast<Offset>(skip);
      const Batch back = read_back(writer, reader, offset, skip);
      const std::size_t before = batch.records.size() - back.records.size();
      ASSERT_LE(back.records.size(), batch.records.size()) << "round " << round;
      // At most the record that it came into is not whole.
      if (before > 0) {
        ASSERT_LE(offsets[before - 1], static_cast<Offset>(skip) + 40);
      }
      for (std::size_t n = 0; n < back.records.size(); ++n) {
        ASSERT_EQ(back.offsets[n], offsets[before + n]) << "round " << round << ", from " << skip;
        ASSERT_EQ(back.records[n].index(), batch.records[before + n].index());
      }
    }
  }
}

TableSchema notes() {
  TableSchema schema;
  schema.name = "notes";
  for (const char* name : {"id", "text", "bytes"}) {
    schema.columns.emplace_back().name = name;
  }
  schema.key = {0};
  schema.unique_keys = {{0}};
  return schema;
}

Row note(const std::string& text, const std::string& bytes = "") {
  return {Value::integer(7), Value::text(text), Value::blob(bytes)};
}

TEST(Message, WhatIsTooLargeIsCutAndJoined) {
  constexpr std::size_t kLimit = 4000;
  Tables random(1);
  TableSchema wide = notes();
  wide.name = "wide";
  for (int i = 0; i < 300; ++i) wide.columns.emplace_back().name = "column" + std::to_string(i);
  Checkpoint checkpoint;
  for (int i = 0; i < 200; ++i) {
    checkpoint.tables.push_back({"table" + std::to_string(i), 1, true, {Value::integer(i)}});
  }
  Batch batch;
  const std::uint32_t table = batch.table_index("notes");
  const std::string large(100'000, 'x'), blob = random.bytes(60'000);
  batch.records.emplace_back(Begin{{1, 0}, 2});
  batch.records.emplace_back(SchemaRecord{wide, true});
  batch.records.emplace_back(Change{Op::kCreate, table, {}, note(large, blob)});
  batch.records.emplace_back(Change{Op::kUpdate, table, {}, note("", blob)});
  batch.records.emplace_back(Change{Op::kUpdate, table, {Value::integer(8)}, note(large)});
  batch.records.emplace_back(Change{Op::kDelete, table, {Value::integer(8)}, {}});
  Chunk chunk{table, {}, {Value::integer(9)}, {note(large), note("short"), note(large)}, {}};
  for (int i = 0; i < 3000; ++i) chunk.touched.push_back({Value::integer(i)});
  batch.records.emplace_back(std::move(chunk));
  batch.records.emplace_back(End{checkpoint});
  batch.records.emplace_back(Heartbeat{checkpoint, 3});
  batch.records.emplace_back(Gap{std::string(9000, 'g')});
  MessageWriter writer(origin(), true);
  writer.limit(kLimit);
  writer.know(notes());
  writer.write(batch, "identity", 0);
  EXPECT_GT(count_of(writer, kPart), 100U);
  for (const OutgoingMessage& message : writer.messages()) {
    const std::size_t header = message.header ? message.header->value.size() : 0;
    ASSERT_LE(message.end - message.key + header, kLimit);
  }
  MessageReader reader("topic");
  Offset offset = 0;
  const std::vector<Offset> offsets = offsets_of(writer, 0, batch.records.size());
  const Batch back = read_back(writer, reader, offset);
  ASSERT_EQ(back.offsets, offsets);
  ASSERT_EQ(back.records.size(), batch.records.size());
  for (std::size_t n = 0; n < batch.records.size(); ++n) {
    EXPECT_TRUE(same_record(batch.records[n], back.records[n])) << n;
  }
}

TEST(Message, OtherToolsSeeACutRowWithoutItsLongValues) {
  Batch batch;
  const std::uint32_t table = batch.table_index("notes");
  batch.records.emplace_back(Begin{{1, 0}, 2});
  batch.records.emplace_back(Change{Op::kCreate, table, {}, note(std::string(9000, 'x'), "short")});
  MessageWriter writer(origin());
  writer.limit(3000);
  writer.know(notes());
  writer.write(batch, "identity", 0);
  const OutgoingMessage& last = writer.messages().back();
  EXPECT_EQ(writer.key(last), R"({"id":7})");
  EXPECT_FALSE(last.header.has_value());
  const std::string value(writer.value(last));
  EXPECT_EQ(value.find(R"({"before":null,"after":{"id":7,"text":"__debezium_unavailable_value",)"
                       R"("bytes":"c2hvcnQ="},"source":{)"),
            0U)
      << value;
}

TEST(Message, AKeyLargerThanTheTopicTakesIsRefused) {
  TableSchema schema = notes();
  schema.key = {1};
  Batch batch;
  const std::uint32_t table = batch.table_index("notes");
  batch.records.emplace_back(Begin{{1, 0}, 2});
  batch.records.emplace_back(Change{Op::kCreate, table, {}, note(std::string(9000, 'x'))});
  MessageWriter writer(origin());
  writer.limit(3000);
  writer.know(schema);
  EXPECT_THROW(writer.write(batch, "identity", 0), Error);
}

TEST(Message, PartsThatAreNotThereAreRefused) {
  Batch batch;
  batch.records.emplace_back(Epoch{1});
  batch.records.emplace_back(Gap{std::string(9000, 'g')});
  MessageWriter writer(origin());
  writer.limit(3000);
  writer.write(batch, "identity", 0);
  ASSERT_GT(count_of(writer, kPart), 2U);
  for (std::size_t missing = 1; missing + 1 < writer.messages().size(); ++missing) {
    MessageReader reader("topic");
    Batch back;
    auto read_all = [&] {
      for (std::size_t i = 0; i < writer.messages().size(); ++i) {
        const OutgoingMessage& message = writer.messages()[i];
        if (i == missing) continue;
        IncomingMessage incoming;
        incoming.value = writer.value(message);
        incoming.record = message.header->value;
        reader.read(incoming, static_cast<Offset>(i), back);
      }
    };
    EXPECT_THROW(read_all(), Error) << missing;
  }
}

TEST(Message, TellsTimesAsIsoAndKeepsTheServersText) {
  struct Case {
    const char *server, *json, *form;
  };
  for (const Case& each :
       {Case{"2024-02-29 23:59:59", R"("2024-02-29T23:59:59")", ""},
        Case{"2024-02-29 23:59:59.5", R"("2024-02-29T23:59:59.5")", ""},
        Case{"2024-02-29 23:59:59+00", R"("2024-02-29T23:59:59.000000Z")", ""},
        Case{"2024-02-29 23:59:59.5+00", R"("2024-02-29T23:59:59.500000Z")", ""},
        Case{"2024-02-29 23:59:59+02", R"("2024-02-29 23:59:59+02")", ""},
        Case{"2024-02-29", R"("2024-02-29")", ""}, Case{"infinity", R"("infinity")", ""},
        Case{"2024-02-29T23:59:59", R"("2024-02-29T23:59:59")", "exact"}}) {
    std::string json;
    EXPECT_EQ(append_json_value(Value::text(each.server), ColumnForm::kTimestamp, json), each.form);
    EXPECT_EQ(json, each.json);
    EXPECT_EQ(value_of_string(json.substr(1, json.size() - 2), each.form),
              Value::text(each.server));
  }
}

}  // namespace
}  // namespace tandem::state

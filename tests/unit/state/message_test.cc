// Records become messages and come back as they were, whatever their values; other messages are
// refused.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "random_records.h"
#include "same_records.h"
#include "state/error.h"
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
      static constexpr const char* kTimes[] = {"2024-02-29 23:59:59.000001+00",
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
    batch.records.emplace_back(
        Begin{{below(1000), below(4)}, static_cast<std::int64_t>(below(99))});
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

// The messages of the writer, read; what one message ends is in the batch.
Batch read_back(const MessageWriter& writer, MessageReader& reader, Offset& offset) {
  Batch batch;
  for (const OutgoingMessage& message : writer.messages()) {
    IncomingMessage incoming;
    if (!writer.key(message).empty()) incoming.key = writer.key(message);
    incoming.value = writer.value(message);
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

TEST(MessageProperty, WhatIsWrittenIsReadBack) {
  const char* given = std::getenv("TANDEM_TEST_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("TANDEM_TEST_SEED=" + std::to_string(seed));
  for (std::uint64_t round = 0; round < 300; ++round) {
    Tables tables(seed + round);
    MessageWriter writer(origin(round % 2 == 0 ? "postgresql" : "sqlite"));
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
      Batch back = read_back(writer, reader, offset);
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

}  // namespace
}  // namespace tandem::state

// A message of ours tells where it was to lie. What lies before that place has lost what was
// before.
#include <gtest/gtest.h>

#include <string>

#include "log_batches.h"
#include "state/message_reader.h"
#include "state/message_writer.h"

namespace tandem::state {
namespace {

// Writes a transaction to lie at `wanted`, and reads it from where it came to lie.
struct Read {
  Batch batch;
  std::string identity;
};
Read read_at(Offset wanted, Offset found) {
  MessageWriter writer({"sqlite", "shop", "db", "1"});
  TableSchema schema;
  schema.name = "t";
  schema.columns.resize(2);
  schema.columns[0].name = "id";
  schema.columns[1].name = "text";
  schema.key = {0};
  writer.know(schema);
  writer.write(*transaction_at(1, 3), "identity", wanted);
  MessageReader reader("topic");
  Read read;
  for (const OutgoingMessage& message : writer.messages()) {
    IncomingMessage incoming;
    if (message.value > message.key) incoming.key = writer.key(message);
    incoming.value = writer.value(message);
    if (message.header) incoming.record = message.header->value;
    EXPECT_TRUE(reader.read(incoming, found++, read.batch));
  }
  read.identity = reader.identity();
  return read;
}

TEST(MessagePlace, AMessageInItsPlaceOrBehindItIsRead) {
  for (const Offset found : {10, 12}) {
    const Read read = read_at(10, found);
    EXPECT_EQ(read.batch.records.size(), 5U);
    EXPECT_EQ(read.identity, "identity");
  }
}

// Such a transaction may have lost its first rows, and the topic be another one.
TEST(MessagePlace, OfAMessageBeforeItsPlaceNothingCounts) {
  const Read read = read_at(10, 9);
  for (const Record& record : read.batch.records) {
    EXPECT_TRUE(std::holds_alternative<Change>(record));
  }
  EXPECT_EQ(read.identity, "");
}

}  // namespace
}  // namespace tandem::state

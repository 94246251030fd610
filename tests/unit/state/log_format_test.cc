// Blocks of the log: exact round trips, and damage that is always noticed.
#include "state/log_format.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstdint>
#include <random>
#include <string>

#include "random_records.h"
#include "same_records.h"
#include "state/error.h"

namespace tandem::state {
namespace {

std::uint64_t fresh_seed() { return std::random_device()(); }

TEST(LogFormat, GivesBackEveryRecordExactly) {
  std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomRecords random(seed);
  BlockEncoder encoder;
  BlockDecoder decoder;
  for (int round = 0; round < 300; ++round) {
    Batch batch = random.batch(40);
    Offset first = 1 + static_cast<Offset>(random.below(1U << 30U));
    BlockEncoder::Block block = encoder.encode(batch, 0, first, 77);
    ASSERT_EQ(block.end, batch.records.size());
    std::shared_ptr<Batch> decoded = decoder.decode(block.bytes, "test");
    ASSERT_EQ(decoded->tables, batch.tables);
    ASSERT_TRUE(same_records(decoded->records, batch.records));
    ASSERT_EQ(decoded->epoch, 77U);
    ASSERT_EQ(decoded->offsets.size(), batch.records.size());
    ASSERT_EQ(decoded->offsets.front(), first);
    ASSERT_EQ(decoded->offsets.back(), first + static_cast<Offset>(batch.records.size()) - 1);
  }
}

TEST(LogFormat, CutsALargeBatchIntoBlocks) {
  Batch batch;
  batch.tables = {"t"};
  std::string noise(300'000, 'x');
  for (int i = 0; i < 40; ++i) {
    batch.records.push_back(Change{Op::kCreate, 0, {}, {Value::integer(i), Value::text(noise)}});
  }
  BlockEncoder encoder;
  BlockDecoder decoder;
  std::vector<Record> all;
  int blocks = 0;
  for (std::size_t at = 0; at < batch.records.size(); ++blocks) {
    BlockEncoder::Block block = encoder.encode(batch, at, static_cast<Offset>(at) + 1, 1);
    ASSERT_GT(block.end, at);
    std::shared_ptr<Batch> decoded = decoder.decode(block.bytes, "test");
    all.insert(all.end(), decoded->records.begin(), decoded->records.end());
    at = block.end;
  }
  EXPECT_GT(blocks, 1);
  EXPECT_TRUE(same_records(all, batch.records));
}

// Any flip of any bit is noticed, wherever it falls.
TEST(LogFormat, NoticesEveryFlippedBit) {
  std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomRecords random(seed);
  BlockDecoder decoder;
  for (auto compression : {BlockEncoder::Compression::kNone, BlockEncoder::Compression::kZstd}) {
    BlockEncoder encoder(compression);
    Batch batch = random.batch(60);
    std::string bytes(encoder.encode(batch, 0, 5, 9).bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 1 + random.below(5)) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      ASSERT_THROW(decoder.decode(flipped, "test"), Error) << "bit " << bit;
    }
  }
}

TEST(LogFormat, NoticesEveryCut) {
  RandomRecords random(4);
  BlockEncoder encoder;
  BlockDecoder decoder;
  std::string bytes(encoder.encode(random.batch(60), 0, 5, 9).bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_THROW(decoder.decode(std::string_view(bytes).substr(0, size), "test"), Error) << size;
  }
  EXPECT_THROW(decoder.decode(bytes + '\0', "test"), Error);
}

// The parser itself must stand damage too, without the checksum's help: it throws or gives records,
// and under the sanitizers never steps outside.
TEST(LogFormat, ParserStandsDamageThatTheChecksumWouldCover) {
  std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomRecords random(seed);
  BlockDecoder decoder;
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    BlockEncoder encoder(round % 4 == 0 ? BlockEncoder::Compression::kZstd
                                        : BlockEncoder::Compression::kNone);
    std::string bytes(encoder.encode(random.batch(8), 0, 5, 9).bytes);
    for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
      std::size_t at = 12 + random.below(bytes.size() - 12);
      bytes[at] = static_cast<char>(random.below(256));
    }
    std::uint64_t checksum = XXH3_64bits(bytes.data() + 12, bytes.size() - 12);
    for (int i = 0; i < 8; ++i) bytes[4 + i] = static_cast<char>(checksum >> (8 * i));
    try {
      ASSERT_NE(decoder.decode(bytes, "test"), nullptr);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(LogFormat, RefusesToWriteWhatCannotBeRead) {
  BlockEncoder encoder;
  Batch batch;
  batch.tables = {"t"};
  batch.records = {Change{Op::kDelete, 1, {Value::integer(1)}, {}}};
  EXPECT_THROW(encoder.encode(batch, 0, 1, 1), Error);
  TableSchema schema;
  schema.name = "t";
  schema.columns = {{"a", "", "BINARY", ColumnForm::kAny, false}};
  schema.key = {1};
  batch.records = {SchemaRecord{schema, true}};
  EXPECT_THROW(encoder.encode(batch, 0, 1, 1), Error);
}

}  // namespace
}  // namespace tandem::state

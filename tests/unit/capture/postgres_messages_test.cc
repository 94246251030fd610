// The frames and messages of logical replication, and the server's snapshots.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "capture/postgres/pgoutput.h"
#include "capture/postgres/visibility.h"
#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

std::string number(std::uint64_t value, int size) {
  std::string bytes;
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(value >> shift & 0xffU);
  }
  return bytes;
}

std::string text(const std::string& text) { return text + '\0'; }
std::string field(const std::string& value) { return "t" + number(value.size(), 4) + value; }

std::string relation_message() {
  return "R" + number(16390, 4) + text("public") + text("track") + "d" + number(2, 2) + "\1" +
         text("id") + number(23, 4) + number(0xffffffff, 4) + std::string(1, '\0') + text("name") +
         number(1043, 4) + number(204, 4);
}

std::string update_message() {
  return "U" + number(16390, 4) + "K" + number(2, 2) + field("7") + "n" + "N" + number(2, 2) +
         field("8") + "u";
}

TEST(PostgresMessages, BeginAndCommit) {
  Message begun = parse_message("B" + number(0x16b374d848, 8) + number(1'000'000, 8) +
                                number(4'000'000'000, 4));
  const auto& begin = std::get<BeginMessage>(begun);
  EXPECT_EQ(begin.commit, 0x16b374d848U);
  EXPECT_EQ(begin.xid, 4'000'000'000U);
  EXPECT_EQ(unix_ms(begin.time), 946'684'801'000);
  Message ended = parse_message("C" + number(0, 1) + number(5, 8) + number(77, 8) + number(0, 8));
  EXPECT_EQ(std::get<CommitMessage>(ended).end, 77U);
}

TEST(PostgresMessages, Relation) {
  const auto relation = std::get<RelationMessage>(parse_message(relation_message()));
  EXPECT_EQ(relation.oid, 16390U);
  EXPECT_EQ(relation.schema, "public");
  EXPECT_EQ(relation.name, "track");
  EXPECT_EQ(relation.identity, 'd');
  ASSERT_EQ(relation.columns.size(), 2U);
  EXPECT_TRUE(relation.columns[0].identity);
  EXPECT_EQ(relation.columns[0].modifier, -1);
  EXPECT_FALSE(relation.columns[1].identity);
  EXPECT_EQ(relation.columns[1].type, 1043U);
  EXPECT_EQ(relation.columns[1].modifier, 204);
}

TEST(PostgresMessages, UpdateOfAKeyWithAnUnchangedValue) {
  const std::string bytes = update_message();
  auto row = std::get<RowMessage>(parse_message(bytes));
  EXPECT_EQ(row.op, RowMessage::Op::kUpdate);
  EXPECT_FALSE(row.whole_before);
  ASSERT_TRUE(row.before.present());
  EXPECT_EQ(row.before.next().text, "7");
  EXPECT_EQ(row.before.next().kind, Tuple::Kind::kNull);
  EXPECT_EQ(row.after.next().text, "8");
  EXPECT_EQ(row.after.next().kind, Tuple::Kind::kUnchanged);
}

TEST(PostgresMessages, InsertHasNoRowBefore) {
  const std::string bytes = "I" + number(1, 4) + "N" + number(1, 2) + field("");
  auto row = std::get<RowMessage>(parse_message(bytes));
  EXPECT_EQ(row.op, RowMessage::Op::kInsert);
  EXPECT_FALSE(row.before.present());
  const Tuple::Field value = row.after.next();
  EXPECT_EQ(value.kind, Tuple::Kind::kText);
  EXPECT_EQ(value.text, "");
}

TEST(PostgresMessages, TruncateOfSeveralTables) {
  Message message =
      parse_message("T" + number(2, 4) + number(1, 1) + number(11, 4) + number(12, 4));
  EXPECT_EQ(std::get<TruncateMessage>(message).relations, (std::vector<std::uint32_t>{11, 12}));
}

TEST(PostgresMessages, MessageOfOurs) {
  const std::string bytes =
      "M" + number(1, 1) + number(9, 8) + text("tandem") + number(5, 4) + "hello";
  const auto message = std::get<LogicalMessage>(parse_message(bytes));
  EXPECT_TRUE(message.transactional);
  EXPECT_EQ(message.prefix, "tandem");
  EXPECT_EQ(message.content, "hello");
}

TEST(PostgresMessages, Frames) {
  const std::string keepalive = "k" + number(99, 8) + number(0, 8) + number(1, 1);
  Frame frame = parse_frame(keepalive);
  EXPECT_EQ(frame.kind, Frame::Kind::kKeepalive);
  EXPECT_EQ(frame.end, 99U);
  EXPECT_TRUE(frame.reply);
  const std::string data = "w" + number(1, 8) + number(2, 8) + number(3, 8) + "payload";
  EXPECT_EQ(parse_frame(data).data, "payload");
  const std::string status = status_update(0x0102030405060708U, 946'684'800'000'001, true);
  EXPECT_EQ(status.size(), 34U);
  EXPECT_EQ(status.substr(9, 8), number(0x0102030405060708U, 8));
  EXPECT_EQ(status.substr(25, 8), number(1, 8));
}

// What is cut off or made up must end in an Error, never outside the bytes.
TEST(PostgresMessages, DamagedBytesAreErrors) {
  for (const std::string& whole : {relation_message(), update_message()}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_THROW(parse_message(std::string_view(whole).substr(0, size)), state::Error) << size;
    }
  }
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = round % 2 == 0 ? relation_message() : update_message();
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    try {
      Message message = parse_message(bytes);
      if (auto* row = std::get_if<RowMessage>(&message); row != nullptr && row->after.present()) {
        const int columns = row->after.columns();
        for (int i = 0; i < columns; ++i) row->after.next();
      }
    } catch (const state::Error&) {
      continue;
    }
  }
  SUCCEED() << "seed " << seed;
}

TEST(PostgresMessages, Positions) {
  EXPECT_EQ(to_text(Lsn{0x16b374d848}), "16/B374D848");
  EXPECT_EQ(parse_lsn("16/B374D848"), 0x16b374d848U);
  EXPECT_EQ(parse_lsn("0/0"), 0U);
  for (const char* wrong : {"", "16", "16/", "/1", "16/G", "1/123456789", "1/2 "}) {
    EXPECT_THROW(parse_lsn(wrong), state::Error) << wrong;
  }
}

TEST(PostgresVisibility, SeesWhatHadEnded) {
  const Visibility view("100:110:102,105");
  for (std::uint32_t seen : {3U, 99U, 100U, 101U, 103U, 109U}) EXPECT_TRUE(view.sees(seen)) << seen;
  for (std::uint32_t unseen : {102U, 105U, 110U, 5000U}) EXPECT_FALSE(view.sees(unseen)) << unseen;
  EXPECT_EQ(view.oldest(), 100U);
  EXPECT_EQ(view.next(), 110U);
}

TEST(PostgresVisibility, CountsOnBeyond32Bits) {
  // 2^32 + 10; 4294967290 ran still, and lies before the turn.
  const Visibility view("4294967290:4294967306:4294967290");
  EXPECT_FALSE(view.sees(4294967290U));
  EXPECT_TRUE(view.sees(4294967291U));
  EXPECT_TRUE(view.sees(5U));
  EXPECT_FALSE(view.sees(10U));
}

TEST(PostgresVisibility, RefusesWhatIsNoSnapshot) {
  for (const char* wrong : {"", "1", "1:2", "a:b:", "1:2:3,", "1:2:3 4"}) {
    EXPECT_THROW(Visibility{wrong}, state::Error) << wrong;
  }
}

}  // namespace
}  // namespace tandem::capture::postgres

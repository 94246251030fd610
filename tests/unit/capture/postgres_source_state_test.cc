#include <gtest/gtest.h>

#include "capture/postgres/source_state.h"
#include "state/value.h"

namespace tandem::capture::postgres {
namespace {

SourceState some_state() {
  SourceState state;
  state.system = "7312", state.database = "shop", state.slot = "tandem_shop";
  state.timeline = 3, state.epoch = 1'700'000'000'000;
  state.tables["track"] = {16'400, 0xfedcba9876543210U};
  state.tables["sales.order"] = {4'000'000'000U, 1};
  state.newest = {0x16b3748, 700'000'000'000'000};
  return state;
}

TEST(PostgresSourceState, ComesBackAsItWas) {
  const SourceState state = some_state();
  const std::optional<SourceState> back = SourceState::decode(state.encode());
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->encode(), state.encode());
  EXPECT_EQ(back->tables, state.tables);
  EXPECT_EQ(back->slot, "tandem_shop");
  EXPECT_EQ(back->timeline, 3U);
  EXPECT_EQ(back->newest.commit, 0x16b3748U);
  EXPECT_EQ(back->newest.time, 700'000'000'000'000);
}

TEST(PostgresSourceState, AnotherFormIsNotGuessedAt) {
  EXPECT_FALSE(SourceState::decode("").has_value());
  EXPECT_FALSE(SourceState::decode("not a row").has_value());
  const std::string newest = some_state().encode_newest();
  const state::Row whole = state::decode_row(some_state().encode_all_but_newest());
  EXPECT_TRUE(SourceState::decode(state::encode_row(whole) + newest).has_value());
  EXPECT_FALSE(SourceState::decode(state::encode_row(whole)).has_value());
  state::Row row = whole;
  row.pop_back();
  EXPECT_FALSE(SourceState::decode(state::encode_row(row) + newest).has_value());
  row = whole;
  row[0] = state::Value::integer(1);
  EXPECT_FALSE(SourceState::decode(state::encode_row(row) + newest).has_value());
}

TEST(PostgresSourceState, OnlyTheSameServerBehindOurPositionGoesOn) {
  const SourceState before = some_state();
  ServerState now;
  now.system = before.system, now.database = before.database, now.slot = before.slot;
  now.timeline = 4;  // after a failover
  now.ended = parse_timeline_history("1\t0/50\tno recovery target\n3\t0/3C0\ta reason\n\n");
  EXPECT_EQ(now.ended.at(3), 0x3c0U);
  now.newest = 1000, now.confirmed = 900, now.since = before.epoch;
  EXPECT_EQ(reason_for_gap(before, 950, now), "");
  EXPECT_NE(reason_for_gap(std::nullopt, 950, now), "");
  EXPECT_NE(reason_for_gap(before, 899, now), "");
  EXPECT_NE(reason_for_gap(before, 1001, now), "");
  EXPECT_NE(reason_for_gap(before, 961, now), "");  // the standby had not got all
  ServerState other = now;
  other.ended.clear();
  EXPECT_NE(reason_for_gap(before, 950, other), "");
  other = now;
  other.system = "1";
  EXPECT_NE(reason_for_gap(before, 950, other), "");
  other = now;
  other.since = before.epoch + 1;
  EXPECT_NE(reason_for_gap(before, 950, other), "");
  other = now;
  other.slot_is_new = true;
  EXPECT_NE(reason_for_gap(before, 950, other), "");
}

}  // namespace
}  // namespace tandem::capture::postgres

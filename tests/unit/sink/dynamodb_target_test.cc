#include "sink/dynamodb/dynamodb_target.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "scripted_endpoint.h"
#include "sink/dynamodb/answer.h"
#include "state/error.h"

namespace tandem::sink {
namespace {

using Json = nlohmann::json;
using Kind = Outcome::Kind;

ScriptedAnswer refusal(const std::string& type, int status = 400, Json more = Json::object()) {
  more["__type"] = "com.amazonaws.dynamodb.v20120810#" + type;
  more["message"] = "because of " + type;
  return {status, more.dump()};
}

TargetTable things() {
  TargetTable table;
  table.name = "Things";
  table.key = {"PK"};
  table.key_types = {AttributeType::kString};
  return table;
}

Write write_of(std::uint64_t ticket, state::Offset offset, bool unconditional = false) {
  Write write;
  write.ticket = ticket;
  write.item = {{"PK", Attribute::string("k" + std::to_string(ticket))},
                {"V", Attribute::number(std::int64_t{offset})}};
  write.stamp.version = {7, offset};
  write.stamp.hash = hash_item(write.item, "_tandem", {});
  write.stamp.name = "test/thing";
  write.unconditional = unconditional;
  return write;
}

Json json_of(const Item& item) {
  std::string text;
  write_dynamodb_json(item, text);
  return Json::parse(text);
}

std::unique_ptr<Target> open(const ScriptedEndpoint& endpoint, int patience_seconds = 300) {
  DynamodbOptions options;
  options.endpoint = endpoint.url();
  options.region = "eu-west-1";
  options.connections = 4;
  options.patience = std::chrono::seconds(patience_seconds);
  return open_dynamodb_target(options, {things()}, {});
}

std::map<std::uint64_t, Outcome> settle(Target& target, std::size_t count) {
  std::map<std::uint64_t, Outcome> settled;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (settled.size() < count && std::chrono::steady_clock::now() < deadline) {
    std::vector<Outcome> outcomes;
    target.wait(std::chrono::milliseconds(500), outcomes);
    for (Outcome& outcome : outcomes) {
      EXPECT_FALSE(settled.contains(outcome.ticket)) << "two outcomes of one write";
      settled[outcome.ticket] = std::move(outcome);
    }
  }
  EXPECT_EQ(settled.size(), count);
  return settled;
}

TEST(DynamodbTarget, SendsNothingThatTheGuardDoesNotLetPass) {
  std::atomic<int> arrived = 0;
  std::promise<void> answer;
  std::shared_future<void> may_answer = answer.get_future().share();
  ScriptedEndpoint endpoint([&](const std::string&, const std::string&) {
    ++arrived;
    may_answer.wait();
    return ScriptedAnswer();
  });
  std::unique_ptr<Target> target = open(endpoint);
  target->set_guard([&] {
    if (arrived > 0) throw state::Fenced("another agent has taken over", "", "stop");
  });
  target->submit(write_of(1, 1));
  std::vector<Outcome> outcomes;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (arrived == 0 && std::chrono::steady_clock::now() < until) {
    target->wait(std::chrono::milliseconds(1), outcomes);
  }
  for (int i = 2; i < 40; ++i) target->submit(write_of(static_cast<std::uint64_t>(i), 1));
  // The one on its way still gets its outcome, then all ends.
  target->wait(std::chrono::milliseconds(50), outcomes);
  EXPECT_TRUE(outcomes.empty());
  answer.set_value();
  EXPECT_THROW(
      while (std::chrono::steady_clock::now() < until) {
        target->wait(std::chrono::milliseconds(50), outcomes);
      },
      state::Fenced);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].ticket, 1U);
  EXPECT_EQ(outcomes[0].kind, Kind::kDone);
  EXPECT_EQ(arrived, 1);
}

TEST(DynamodbTarget, SendsTheDesignsCondition) {
  std::vector<Json> bodies;
  ScriptedEndpoint endpoint([&](const std::string& operation, const std::string& body) {
    EXPECT_EQ(operation, "PutItem");
    bodies.push_back(Json::parse(body));
    return ScriptedAnswer();
  });
  auto target = open(endpoint);
  target->submit(write_of(1, 10));
  settle(*target, 1);
  Write second = write_of(1, 11);
  second.predecessor = state::Hash{1, 2, 3};
  target->submit(second);
  settle(*target, 1);
  Write tombstone = write_of(1, 12);
  tombstone.deletion = true;
  tombstone.stamp.deleted = true;
  tombstone.item.pop_back();
  target->submit(tombstone);
  settle(*target, 1);

  ASSERT_EQ(bodies.size(), 3U);
  EXPECT_EQ(bodies[0]["TableName"], "Things");
  EXPECT_EQ(bodies[0]["ConditionExpression"], "attribute_not_exists(#a.v) OR #a.v < :v");
  EXPECT_EQ(bodies[0]["ExpressionAttributeNames"], Json({{"#a", "_tandem"}}));
  EXPECT_EQ(bodies[0]["ExpressionAttributeValues"][":v"]["N"], "7000000000000010");
  EXPECT_EQ(bodies[0]["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
  EXPECT_EQ(bodies[0]["Item"]["V"]["N"], "10");
  EXPECT_EQ(bodies[0]["Item"]["_tandem"]["M"]["v"]["N"], "7000000000000010");
  EXPECT_EQ(bodies[0]["Item"]["_tandem"]["M"]["n"]["S"], "test/thing");
  EXPECT_FALSE(bodies[0]["Item"]["_tandem"]["M"].contains("d"));
  EXPECT_EQ(bodies[1]["ConditionExpression"],
            "attribute_not_exists(#a.v) OR #a.v < :v OR (#a.v = :v AND #a.h = :p)");
  EXPECT_EQ(bodies[1]["ExpressionAttributeValues"][":p"]["S"], state::to_hex({1, 2, 3}));
  EXPECT_EQ(bodies[2]["Item"]["_tandem"]["M"]["d"]["BOOL"], true);
  const double lives_until =
      std::stod(bodies[2]["Item"]["_tandem_ttl"]["N"].get<std::string>()) - 7 * 24 * 3600;
  EXPECT_NEAR(lives_until, static_cast<double>(std::time(nullptr)), 60);
}

TEST(DynamodbTarget, RepeatsWhatWasThrottledOrLost) {
  std::map<std::string, int> seen;
  ScriptedEndpoint endpoint([&](const std::string&, const std::string& body) {
    const std::string key = Json::parse(body)["Item"]["PK"]["S"];
    switch (seen[key]++) {
      case 0:
        return refusal("ProvisionedThroughputExceededException");
      case 1:
        return refusal("InternalServerError", 500);
      case 2:
        return ScriptedAnswer{503, "<html>busy</html>"};
      case 3:
        return ScriptedAnswer{200, "", true};
      default:
        return ScriptedAnswer();
    }
  });
  auto target = open(endpoint);
  for (std::uint64_t i = 1; i <= 20; i++) target->submit(write_of(i, 1));
  for (const auto& [ticket, outcome] : settle(*target, 20)) {
    EXPECT_EQ(outcome.kind, Kind::kDone) << ticket;
  }
  EXPECT_EQ(seen.size(), 20U);
  for (const auto& [key, times] : seen) EXPECT_GE(times, 5) << key;
  EXPECT_EQ(target->counters().throttled, 20);
  // libcurl itself repeats some of those on a kept connection that was closed.
  EXPECT_GE(target->counters().retries, 60);
  EXPECT_EQ(target->counters().items_written, 20);
}

TEST(DynamodbTarget, RepeatsUnprocessedItemsOfABatch) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::multiset<std::string> taken;
  std::size_t largest = 0;
  ScriptedEndpoint endpoint([&](const std::string& operation, const std::string& body) {
    EXPECT_EQ(operation, "BatchWriteItem");
    Json requests = Json::parse(body)["RequestItems"]["Things"];
    largest = std::max(largest, requests.size());
    Json left = Json::array();
    for (const Json& request : requests) {
      if (random() % 3 == 0) {
        left.push_back(request);
      } else {
        taken.insert(request["PutRequest"]["Item"]["PK"]["S"].get<std::string>());
      }
    }
    Json answer = {{"UnprocessedItems", Json::object()}};
    if (!left.empty()) answer["UnprocessedItems"]["Things"] = left;
    return ScriptedAnswer{200, answer.dump()};
  });
  auto target = open(endpoint);
  for (std::uint64_t i = 1; i <= 210; i++) target->submit(write_of(i, 1, true));
  for (const auto& [ticket, outcome] : settle(*target, 210)) EXPECT_EQ(outcome.kind, Kind::kDone);
  EXPECT_EQ(taken.size(), 210U);
  for (std::uint64_t i = 1; i <= 210; i++) EXPECT_EQ(taken.count("k" + std::to_string(i)), 1U);
  EXPECT_EQ(largest, 25U);
}

// A batch whose answer was lost may have been carried out or not, and others may have written
// since.
TEST(DynamodbTarget, SendsABatchWithoutAnAnswerAgainWithTheCondition) {
  for (const ScriptedAnswer& lost : {ScriptedAnswer{200, "", true}, ScriptedAnswer{500, ""}}) {
    std::map<std::string, Json> stored;
    int batches = 0;
    Item newer = write_of(2, 50).item;
    Stamp stamp;
    stamp.version = {7, 50};
    newer.emplace_back("_tandem", stamp_to_attribute(stamp));
    sort_map(newer);
    ScriptedEndpoint endpoint([&](const std::string& operation, const std::string& body) {
      const Json request = Json::parse(body);
      if (operation == "BatchWriteItem") {
        batches++;
        const Json& puts = request["RequestItems"]["Things"];
        stored["k1"] = puts[0]["PutRequest"]["Item"];
        stored["k2"] = json_of(newer);
        return lost;
      }
      EXPECT_EQ(operation, "PutItem");
      EXPECT_TRUE(request.contains("ConditionExpression"));
      const std::string key = request["Item"]["PK"]["S"];
      if (stored.contains(key)) {
        return refusal("ConditionalCheckFailedException", 400, {{"Item", stored[key]}});
      }
      stored[key] = request["Item"];
      return ScriptedAnswer();
    });
    DynamodbOptions options;
    options.endpoint = endpoint.url();
    options.region = "eu-west-1";
    options.late_batch = std::chrono::milliseconds(300);
    auto target = open_dynamodb_target(options, {things()}, {});
    const auto began = std::chrono::steady_clock::now();
    for (std::uint64_t i = 1; i <= 3; i++) target->submit(write_of(i, 10, true));
    auto outcomes = settle(*target, 3);
    EXPECT_GE(std::chrono::steady_clock::now() - began, options.late_batch);
    EXPECT_EQ(outcomes.at(1).kind, Kind::kDone);
    EXPECT_EQ(outcomes.at(2).kind, Kind::kConflict);
    EXPECT_EQ(outcomes.at(2).found, newer);
    EXPECT_EQ(outcomes.at(3).kind, Kind::kDone);
    EXPECT_EQ(stored.size(), 3U);
    // libcurl itself repeats what went down a kept connection that was closed.
    EXPECT_LE(batches, lost.hang_up ? 2 : 1);
    EXPECT_EQ(target->counters().retries, 1);
  }
}

TEST(DynamodbTarget, FindsTheBadItemOfARefusedBatch) {
  ScriptedEndpoint endpoint([&](const std::string& operation, const std::string& body) {
    if (body.find("\"k13\"") != std::string::npos) return refusal("ValidationException");
    if (operation == "PutItem") {
      EXPECT_FALSE(Json::parse(body).contains("ConditionExpression"));
    }
    return ScriptedAnswer();
  });
  auto target = open(endpoint);
  for (std::uint64_t i = 1; i <= 25; i++) target->submit(write_of(i, 1, true));
  for (const auto& [ticket, outcome] : settle(*target, 25)) {
    EXPECT_EQ(outcome.kind, ticket == 13 ? Kind::kRejected : Kind::kDone) << ticket;
    if (ticket == 13) {
      EXPECT_EQ(outcome.reason, "because of ValidationException");
    }
  }
}

TEST(DynamodbTarget, HandsBackWhatStandsThere) {
  Item standing = {{"PK", Attribute::string("k1")}, {"V", Attribute::string("newer")}};
  Stamp stamp;
  stamp.version = {7, 99};
  standing.emplace_back("_tandem", stamp_to_attribute(stamp));
  sort_map(standing);
  bool says_what = true;
  ScriptedEndpoint endpoint([&](const std::string& operation, const std::string&) {
    if (operation == "GetItem")
      return ScriptedAnswer{200, Json{{"Item", json_of(standing)}}.dump()};
    if (!says_what) return refusal("ConditionalCheckFailedException");
    return refusal("ConditionalCheckFailedException", 400, {{"Item", json_of(standing)}});
  });
  auto target = open(endpoint);
  for (bool says : {true, false}) {
    says_what = says;
    target->submit(write_of(1, 10));
    const Outcome outcome = settle(*target, 1).at(1);
    EXPECT_EQ(outcome.kind, Kind::kConflict);
    ASSERT_TRUE(outcome.found.has_value());
    EXPECT_EQ(*outcome.found, standing);
  }
  EXPECT_EQ(target->counters().conflicts, 2);
}

TEST(DynamodbTarget, OwnStampAfterALostAnswerIsDone) {
  std::optional<Json> stored;
  ScriptedEndpoint endpoint([&](const std::string&, const std::string& body) {
    if (stored.has_value()) {
      return refusal("ConditionalCheckFailedException", 400, {{"Item", *stored}});
    }
    stored = Json::parse(body)["Item"];
    return ScriptedAnswer{200, "", true};
  });
  auto target = open(endpoint);
  target->submit(write_of(1, 10));
  EXPECT_EQ(settle(*target, 1).at(1).kind, Kind::kDone);
  EXPECT_EQ(target->counters().conflicts, 0);
}

TEST(DynamodbTarget, ReplacesAStampThatNobodyCanRead) {
  const Json tampered = {{"PK", {{"S", "k1"}}}, {"_tandem", {{"M", {{"v", {{"S", "x"}}}}}}}};
  std::vector<std::string> conditions;
  ScriptedEndpoint endpoint([&](const std::string&, const std::string& body) {
    const Json request = Json::parse(body);
    conditions.push_back(request["ConditionExpression"]);
    if (conditions.size() == 1) {
      return refusal("ConditionalCheckFailedException", 400, {{"Item", tampered}});
    }
    EXPECT_EQ(request["ExpressionAttributeValues"][":s"], tampered["_tandem"]);
    return ScriptedAnswer();
  });
  auto target = open(endpoint);
  target->submit(write_of(1, 10));
  EXPECT_EQ(settle(*target, 1).at(1).kind, Kind::kDone);
  ASSERT_EQ(conditions.size(), 2U);
  EXPECT_EQ(conditions[1], "#a = :s");
}

TEST(DynamodbTarget, RejectsBeforeSendingWhatCannotBeHeld) {
  int calls = 0;
  ScriptedEndpoint endpoint([&](const std::string&, const std::string&) {
    calls++;
    return ScriptedAnswer();
  });
  auto target = open(endpoint);
  Write empty_key = write_of(1, 1);
  empty_key.item[0].second = Attribute::string("");
  Write ours = write_of(2, 1);
  ours.item.emplace_back("_tandem", Attribute::string("mine"));
  sort_map(ours.item);
  target->submit(empty_key);
  target->submit(ours);
  auto outcomes = settle(*target, 2);
  EXPECT_EQ(outcomes.at(1).kind, Kind::kRejected);
  EXPECT_EQ(outcomes.at(1).reason, "the key attribute PK is empty");
  EXPECT_EQ(outcomes.at(2).kind, Kind::kRejected);
  EXPECT_EQ(calls, 0);
}

TEST(DynamodbTarget, StopsWithAClearErrorWhenNothingWillBeTaken) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"AccessDeniedException", "permission dynamodb:PutItem"},
      {"UnrecognizedClientException", "AWS_ACCESS_KEY_ID"},
      {"ResourceNotFoundException", "run tandem init"},
      {"InvalidSignatureException", "clock"},
      {"ExpiredTokenException", "renew"},
  };
  for (const auto& [type, advice] : cases) {
    ScriptedEndpoint endpoint(
        [&](const std::string&, const std::string&) { return refusal(type); });
    auto target = open(endpoint);
    target->submit(write_of(1, 1));
    try {
      settle(*target, 1);
      FAIL() << type;
    } catch (const state::Error& error) {
      EXPECT_NE(error.hint().find(advice), std::string::npos) << error.what();
      EXPECT_EQ(error.where(), "table Things");
    }
    EXPECT_THROW(settle(*target, 1), state::Error);
  }
}

TEST(DynamodbTarget, GivesUpOnlyWhenNothingComesThrough) {
  ScriptedEndpoint endpoint([](const std::string&, const std::string&) {
    return ScriptedAnswer{200, "", true};
  });
  auto target = open(endpoint, 0);
  target->submit(write_of(1, 1));
  EXPECT_THROW(settle(*target, 1), state::Error);
}

TEST(DynamodbTarget, ReadsAndScansInPages) {
  int throttled = 0;
  ScriptedEndpoint endpoint([&](const std::string& operation, const std::string& body) {
    const Json request = Json::parse(body);
    if (throttled++ % 2 == 0) return refusal("ThrottlingException");
    if (operation == "Scan") {
      EXPECT_EQ(request["ConsistentRead"], true);
      EXPECT_EQ(request["ProjectionExpression"], "#n0,#n1");
      if (!request.contains("ExclusiveStartKey")) {
        return ScriptedAnswer{
            200, R"({"Items":[{"PK":{"S":"k1"}}],"LastEvaluatedKey":{"PK":{"S":"k1"}}})"};
      }
      EXPECT_EQ(request["ExclusiveStartKey"]["PK"]["S"], "k1");
      return ScriptedAnswer{200, R"({"Items":[{"PK":{"S":"k2"}}]})"};
    }
    EXPECT_EQ(operation, "BatchGetItem");
    Json found = Json::array();
    Json left = Json::array();
    std::set<std::string> names;
    for (const Json& key : request["RequestItems"]["Things"]["Keys"]) {
      EXPECT_TRUE(names.insert(key["PK"]["S"].get<std::string>()).second);
      if (found.size() < 2 && key["PK"]["S"] != "k3") {
        found.push_back(key);
      } else if (key["PK"]["S"] != "k3") {
        left.push_back(key);
      }
    }
    Json answer = {{"Responses", {{"Things", found}}}, {"UnprocessedKeys", Json::object()}};
    if (!left.empty()) answer["UnprocessedKeys"]["Things"]["Keys"] = left;
    return ScriptedAnswer{200, answer.dump()};
  });
  auto target = open(endpoint);
  std::vector<Item> keys;
  for (const char* key : {"k1", "k2", "k1", "k3", "k4", "k5"}) {
    keys.push_back({{"PK", Attribute::string(key)}});
  }
  const auto items = target->read(0, keys);
  ASSERT_EQ(items.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); i++) {
    ASSERT_EQ(items[i].has_value(), i != 3) << i;
    if (i != 3) {
      EXPECT_EQ(*items[i], keys[i]);
    }
  }
  std::vector<std::string> scanned;
  target->scan(0, true, [&](std::vector<Item>& page) {
    for (const Item& item : page) scanned.push_back(item[0].second.text());
    return true;
  });
  EXPECT_EQ(scanned, (std::vector<std::string>{"k1", "k2"}));
}

TEST(DynamodbTarget, AStopEndsEveryWaitForAnAnswer) {
  using Clock = std::chrono::steady_clock;
  const std::vector<std::pair<std::string, ScriptedAnswer>> weathers = {
      {"lost", {200, "", true}},
      {"broken", {503, "busy"}},
      {"unprocessed", {200, R"({"UnprocessedKeys":{"Things":{"Keys":[{"PK":{"S":"k"}}]}}})"}},
      {"silent", {0, ""}}};
  const std::vector<std::pair<std::string, std::function<void(Target&)>>> calls = {
      {"check", [](Target& target) { target.check(CheckDepth::kDescriptions); }},
      {"create", [](Target& target) { target.create_missing([](const std::string&) {}); }},
      {"read",
       [](Target& target) {
         target.read(0, {{{"PK", Attribute::string("k")}}});
       }},
      {"scan",
       [](Target& target) { target.scan(0, true, [](std::vector<Item>&) { return true; }); }}};
  for (const auto& [weather, answer] : weathers) {
    for (const auto& [name, call] : calls) {
      if (weather == "unprocessed" && name != "read") continue;
      SCOPED_TRACE(weather + " " + name);
      std::promise<void> arrived;
      std::promise<void> end;
      std::shared_future<void> ended = end.get_future().share();
      std::atomic<int> requests = 0;
      ScriptedEndpoint endpoint([&, answer = &answer](const std::string&, const std::string&) {
        if (requests++ == 0) arrived.set_value();
        if (answer->status == 0) ended.wait();
        return *answer;
      });
      auto target = open(endpoint);
      std::stop_source stop;
      target->set_stop(stop.get_token());
      auto outcome = std::async(std::launch::async, [&, call = &call] { (*call)(*target); });
      arrived.get_future().wait();
      const auto stopped = Clock::now();
      stop.request_stop();
      EXPECT_THROW(outcome.get(), TargetStopped);
      EXPECT_LT(Clock::now() - stopped, std::chrono::seconds(3));
      end.set_value();
    }
  }
}

TEST(DynamodbTarget, AStopLetsAReadFinishThatIsAnswered) {
  std::stop_source stop;
  ScriptedEndpoint endpoint([&](const std::string&, const std::string&) {
    stop.request_stop();
    return ScriptedAnswer{200, R"({"Responses":{"Things":[{"PK":{"S":"k"}}]}})"};
  });
  auto target = open(endpoint);
  target->set_stop(stop.get_token());
  const auto found = target->read(0, {{{"PK", Attribute::string("k")}}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].has_value());
}

TEST(ServiceError, ReadsTypesAndSurvivesWhatIsNoJson) {
  const ServiceError error =
      read_error(400, R"({"__type":"a.b#ValidationException","Message":"no","x":[1,{"y":null}]})");
  EXPECT_EQ(error.type, "ValidationException");
  EXPECT_EQ(error.message, "no");
  EXPECT_EQ(judge(error), Verdict::kRejected);
  EXPECT_EQ(judge(read_error(502, "<html>")), Verdict::kRetry);
  EXPECT_EQ(judge(read_error(429, "")), Verdict::kThrottled);
  EXPECT_EQ(judge(read_error(404, "not here")), Verdict::kFatal);
  EXPECT_THROW(read_scan_answer("<html>"), state::Error);
}

}  // namespace
}  // namespace tandem::sink

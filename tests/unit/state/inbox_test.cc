// Requests come out in order, once removed never again, from any number of writers.
#include "state/inbox.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "state/error.h"
#include "temporary_directory.h"

namespace tandem::state {
namespace {

class InboxTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "inbox.db";
};

TEST_F(InboxTest, GivesBackEveryField) {
  std::string root = encode_row({Value::text(std::string("a\0b", 3)), Value::integer(-1)});
  std::vector<Request> put{{0, RequestKind::kMark, "order", root, "", 0, 0},
                           {0, RequestKind::kRetry, "", "", "", 0, 0},
                           {0, RequestKind::kDrop, "order", root, "", 0, 0},
                           {0, RequestKind::kSnapshot, "", "", "Track", 0, 0},
                           {0, RequestKind::kReplay, "", "", "", 12, 0}};
  {
    Inbox inbox(path_);
    for (Request& request : put) request.id = inbox.put(request);
  }
  std::vector<Request> found = Inbox(path_).waiting();
  ASSERT_EQ(found.size(), put.size());
  for (std::size_t i = 0; i < put.size(); ++i) {
    EXPECT_EQ(found[i].id, put[i].id);
    EXPECT_EQ(found[i].kind, put[i].kind);
    EXPECT_EQ(found[i].document, put[i].document);
    EXPECT_EQ(found[i].root, put[i].root);
    EXPECT_EQ(found[i].text, put[i].text);
    EXPECT_EQ(found[i].offset, put[i].offset);
    EXPECT_GT(found[i].created_ms, 0);
  }
}

TEST_F(InboxTest, RemovesWhatIsDoneAndNeverReusesItsId) {
  Inbox inbox(path_);
  std::int64_t first = inbox.put({});
  std::int64_t second = inbox.put({});
  EXPECT_LT(first, second);
  inbox.remove(second);
  inbox.remove(first);
  EXPECT_TRUE(inbox.waiting().empty());
  EXPECT_GT(inbox.put({}), second);
}

TEST_F(InboxTest, TellsOfNewRequestsFromHereAndElsewhere) {
  Inbox agent(path_);
  Inbox command(path_);
  EXPECT_TRUE(agent.changed());  // nobody has looked yet
  EXPECT_FALSE(agent.changed());
  command.put({});
  EXPECT_TRUE(agent.changed());
  EXPECT_FALSE(agent.changed());
  agent.put({});
  EXPECT_TRUE(agent.changed());
  EXPECT_FALSE(agent.changed());
}

TEST_F(InboxTest, TakesManyWritersAtOnce) {
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([this, writer] {
      Inbox inbox(path_);
      for (int i = 0; i < 10; ++i) {
        Request request;
        request.text = std::to_string(writer) + "." + std::to_string(i);
        inbox.put(request);
      }
    });
  }
  writers.clear();
  std::set<std::string> texts;
  for (const Request& request : Inbox(path_).waiting()) texts.insert(request.text);
  EXPECT_EQ(texts.size(), 40U);
}

TEST_F(InboxTest, RefusesWhatItDoesNotKnow) {
  { Inbox inbox(path_); }
  Database(path_, OpenMode::kReadWrite)
      .execute("INSERT INTO requests VALUES(1, 'explode', '', x'', '', x'', 0, 0)");
  EXPECT_THROW(Inbox(path_).waiting(), Error);
  std::string other = directory_ / "other.db";
  Database(other, OpenMode::kReadWriteCreate).execute("CREATE TABLE x(y)");
  EXPECT_THROW(Inbox inbox(other), Error);
}

}  // namespace
}  // namespace tandem::state

// The log across crashes and a full disk: what append() returned for is there, of the rest nothing
// or all.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#include "log_batches.h"
#include "random_records.h"
#include "same_records.h"
#include "state/embedded_log.h"
#include "state/error.h"
#include "state/failpoint.h"
#include "temporary_directory.h"

namespace tandem::state {
namespace {

/// The commits of the whole transactions in the log, each checked against what was appended.
std::vector<std::uint64_t> commits_in(EmbeddedLog& log, int changes, std::size_t size) {
  std::vector<std::uint64_t> commits;
  std::vector<Record> records = read_all(log);
  for (std::size_t at = 0; at < records.size();) {
    if (std::holds_alternative<Epoch>(records[at])) {
      ++at;
      continue;
    }
    std::uint64_t commit = std::get<Begin>(records[at]).position.commit;
    auto expected = transaction_at(commit, changes, size);
    EXPECT_LE(at + expected->records.size(), records.size()) << "half a batch at " << commit;
    for (const Record& record : expected->records) {
      if (at >= records.size()) return commits;
      EXPECT_TRUE(same_record(records[at++], record));
    }
    commits.push_back(commit);
  }
  return commits;
}

int status_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

class EmbeddedLogCrashTest : public testing::Test {
 protected:
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "log.db";
};

// A child appends and says so by a pipe; it is killed in the middle, wherever it is.
TEST_F(EmbeddedLogCrashTest, HoldsWhatWasAcknowledgedWhenKilled) {
  std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  RandomRecords random(seed);
  constexpr int kChanges = 20;
  constexpr std::size_t kSize = 2'000;
  std::uint64_t commit = 1;
  for (std::uint64_t epoch = 1; epoch <= 5; ++epoch) {
    int acknowledged[2];
    ASSERT_EQ(::pipe(acknowledged), 0);
    pid_t child = ::fork();
    if (child == 0) {
      EmbeddedLog log(path_);
      log.claim(epoch);
      for (std::uint64_t mine = commit;; ++mine) {
        log.append(transaction_at(mine, kChanges, kSize));
        if (::write(acknowledged[1], &mine, sizeof mine) != sizeof mine) ::_exit(1);
      }
    }
    ::close(acknowledged[1]);
    std::uint64_t newest = 0;
    std::uint64_t target = commit + random.below(30);
    while (newest < target && ::read(acknowledged[0], &newest, sizeof newest) == sizeof newest) {
    }
    ::kill(child, SIGKILL);
    ASSERT_TRUE(WIFSIGNALED(status_of(child)));
    while (::read(acknowledged[0], &newest, sizeof newest) == sizeof newest) {
    }
    ::close(acknowledged[0]);

    // `log show` may be the first to look after the crash.
    LogTail seen = EmbeddedLog::open_read_only(path_)->read_tail();
    ASSERT_TRUE(seen.checkpoint.has_value());
    ASSERT_GE(seen.checkpoint->position.commit, newest);
    EmbeddedLog log(path_);
    std::vector<std::uint64_t> commits = commits_in(log, kChanges, kSize);
    ASSERT_FALSE(commits.empty());
    for (std::size_t i = 0; i < commits.size(); ++i) ASSERT_EQ(commits[i], i + 1);
    ASSERT_GE(commits.back(), newest);
    LogTail tail = log.read_tail();
    ASSERT_EQ(tail.checkpoint, checkpoint_at(commits.back()));
    ASSERT_EQ(tail.epoch, epoch);
    commit = commits.back() + 1;
  }
}

#ifdef TANDEM_FAILPOINTS

TEST_F(EmbeddedLogCrashTest, IsWholeAfterADeathAtEachFailpoint) {
  struct Case {
    const char* armed;
    std::uint64_t epoch;
    std::size_t transactions;
  };
  const Case cases[] = {{"log.claim.before=kill", 0, 0},  {"log.claim.after=kill", 1, 0},
                        {"log.append.before=kill", 1, 0}, {"log.append.commit=kill", 1, 0},
                        {"log.append.after=kill", 1, 1},  {"log.append.commit=kill@2", 1, 1},
                        {"log.prune.before=kill", 1, 3},  {"log.prune.after=kill", 1, 1}};
  for (const Case& one : cases) {
    SCOPED_TRACE(one.armed);
    std::string path = directory_ / (std::string(one.armed) + ".db");
    pid_t child = ::fork();
    if (child == 0) {
      ::setenv("TANDEM_FAILPOINTS", one.armed, 1);
      EmbeddedLogOptions options;
      options.retention_age = std::chrono::seconds(-1);
      EmbeddedLog log(path, options);
      log.claim(1);
      for (std::uint64_t commit = 1; commit <= 3; ++commit) {
        log.append(transaction_at(commit, 2));
      }
      log.prune(log.next());
      ::_exit(0);
    }
    int status = status_of(child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EmbeddedLog log(path);
    LogTail tail = log.read_tail();
    EXPECT_EQ(tail.epoch, one.epoch);
    std::size_t begins = 0;
    for (const Record& record : read_all(log, log.first())) {
      if (std::holds_alternative<Begin>(record)) ++begins;
    }
    EXPECT_EQ(begins, one.transactions);
    log.claim(2);
    log.append(transaction_at(7));
    EXPECT_EQ(log.read_tail().checkpoint, checkpoint_at(7));
  }
}

TEST_F(EmbeddedLogCrashTest, LosesNothingWhenAnAppendFailsAroundItsCommit) {
  EmbeddedLog log(path_);
  log.claim(1);
  auto reader = log.reader(2);
  ::setenv("TANDEM_FAILPOINTS", "log.append.commit=error", 1);
  EXPECT_THROW(log.append(transaction_at(1)), Error);
  EXPECT_EQ(log.read_tail().checkpoint, std::nullopt);
  ::setenv("TANDEM_FAILPOINTS", "log.append.after=error", 1);
  EXPECT_THROW(log.append(transaction_at(1)), Error);
  EXPECT_EQ(log.read_tail().checkpoint, checkpoint_at(1));
  ::unsetenv("TANDEM_FAILPOINTS");
  log.append(transaction_at(2));
  // The reader finds the batch that memory never heard of in the file.
  for (std::uint64_t commit = 1; commit <= 2; ++commit) {
    auto batch = reader->next(std::chrono::milliseconds(0), {});
    ASSERT_NE(batch, nullptr);
    EXPECT_TRUE(same_records(batch->records, transaction_at(commit)->records));
  }
}

#endif

// The limit on the size of files stands in for a full disk: writes fail in their middle.
TEST_F(EmbeddedLogCrashTest, GoesOnAfterAFullDisk) {
  constexpr int kChanges = 20;
  constexpr std::size_t kSize = 5'000;
  EmbeddedLog log(path_);
  log.claim(1);
  auto previous = std::signal(SIGXFSZ, SIG_IGN);
  rlimit unlimited{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  rlimit limited = unlimited;
  limited.rlim_cur = 1'000'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  std::uint64_t commit = 1;
  bool failed = false;
  for (; commit < 1'000 && !failed; ++commit) {
    try {
      log.append(transaction_at(commit, kChanges, kSize));
    } catch (const Error& error) {
      failed = true;
      EXPECT_FALSE(error.hint().empty()) << error.what();
      break;
    }
  }
  Offset next = log.next();
  EXPECT_THROW(log.append(transaction_at(commit, kChanges, kSize)), Error);
  EXPECT_EQ(log.next(), next);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &unlimited), 0);
  std::signal(SIGXFSZ, previous);
  ASSERT_TRUE(failed);
  log.append(transaction_at(commit, kChanges, kSize));
  log.append(transaction_at(commit + 1, kChanges, kSize));
  EmbeddedLog again(path_);
  for (EmbeddedLog* one : {&log, &again}) {
    std::vector<std::uint64_t> commits = commits_in(*one, kChanges, kSize);
    ASSERT_EQ(commits.size(), commit + 1);
    for (std::size_t i = 0; i < commits.size(); ++i) EXPECT_EQ(commits[i], i + 1);
  }
}

}  // namespace
}  // namespace tandem::state

// Failpoints do what the environment asks for, at the pass it asks for.
#include "state/failpoint.h"

#include <gtest/gtest.h>

#ifdef TANDEM_FAILPOINTS

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "state/error.h"

namespace tandem::state {
namespace {

class FailpointTest : public testing::Test {
 protected:
  void TearDown() override {
    ::unsetenv("TANDEM_FAILPOINTS");
    ::unsetenv("TANDEM_FAILPOINT_TRACE");
  }
  static void arm(const char* text) { ::setenv("TANDEM_FAILPOINTS", text, 1); }
};

TEST_F(FailpointTest, UnarmedPointsDoNothing) { EXPECT_NO_THROW(TANDEM_FAILPOINT("test.a")); }

TEST_F(FailpointTest, ThrowsAtTheNthPassOnly) {
  arm("other=kill;test.a=error@3");
  EXPECT_NO_THROW(TANDEM_FAILPOINT("test.a"));
  EXPECT_NO_THROW(TANDEM_FAILPOINT("test.a"));
  EXPECT_THROW(TANDEM_FAILPOINT("test.a"), Error);
  EXPECT_NO_THROW(TANDEM_FAILPOINT("test.a"));
}

TEST_F(FailpointTest, ArmingAnewCountsAnew) {
  arm("test.a=error");
  EXPECT_THROW(TANDEM_FAILPOINT("test.a"), Error);
  arm("test.a=error@1");
  EXPECT_THROW(TANDEM_FAILPOINT("test.a"), Error);
}

TEST_F(FailpointTest, KillsTheProcess) {
  pid_t child = ::fork();
  if (child == 0) {
    arm("test.a=kill@2");
    TANDEM_FAILPOINT("test.a");
    TANDEM_FAILPOINT("test.a");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST_F(FailpointTest, StopsTheProcess) {
  pid_t child = ::fork();
  if (child == 0) {
    arm("test.a=stop");
    TANDEM_FAILPOINT("test.a");
    ::_exit(7);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  ASSERT_EQ(::kill(child, SIGCONT), 0);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(FailpointTest, TracesEachPointOnce) {
  std::string file = testing::TempDir() + "failpoint_trace." + std::to_string(::getpid());
  ::unlink(file.c_str());
  ::setenv("TANDEM_FAILPOINT_TRACE", file.c_str(), 1);
  TANDEM_FAILPOINT("test.a");
  TANDEM_FAILPOINT("test.b");
  TANDEM_FAILPOINT("test.a");
  std::ifstream stream(file);
  std::string text(std::istreambuf_iterator<char>(stream), {});
  EXPECT_EQ(text, "test.a\ntest.b\n");
  ::unlink(file.c_str());
}

TEST_F(FailpointTest, RefusesWhatItCannotRead) {
  for (const char* text :
       {"test.a", "=kill", "test.a=explode", "test.a=kill@", "test.a=kill@0", "test.a=kill@2x"}) {
    arm(text);
    EXPECT_THROW(TANDEM_FAILPOINT("test.b"), Error) << text;
  }
}

}  // namespace
}  // namespace tandem::state

#endif

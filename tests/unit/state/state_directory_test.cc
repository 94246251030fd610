// One owner a directory, modes that keep others out, and a status file that is always whole.
#include "state/state_directory.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "state/error.h"
#include "temporary_directory.h"

namespace tandem::state {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class StateDirectoryTest : public testing::Test {
 protected:
  TemporaryDirectory parent_;
  const std::string path_ = parent_ / "a/b/state";
};

TEST_F(StateDirectoryTest, IsMadeForItsOwnerAlone) {
  StateDirectory directory = StateDirectory::own(path_);
  directory.write_status("{}");
  EXPECT_EQ(mode_of(path_), 0700U);
  EXPECT_EQ(mode_of(path_ + "/lock"), 0600U);
  EXPECT_EQ(mode_of(directory.status()), 0600U);
}

TEST_F(StateDirectoryTest, LookingMakesNothing) {
  StateDirectory directory = StateDirectory::look(path_);
  EXPECT_FALSE(directory.exists());
  EXPECT_FALSE(directory.owned());
  EXPECT_EQ(directory.owner(), std::nullopt);
  EXPECT_EQ(directory.read_status(), std::nullopt);
  EXPECT_EQ(::access(path_.c_str(), F_OK), -1);
}

TEST_F(StateDirectoryTest, RefusesASecondOwnerAndNamesTheFirst) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t child = ::fork();
  if (child == 0) {
    StateDirectory directory = StateDirectory::own(path_);
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(StateDirectory::look(path_).owner(), child);
  try {
    StateDirectory directory = StateDirectory::own(path_);
    ADD_FAILURE() << "owned twice";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("process " + std::to_string(child)), std::string::npos)
        << error.what();
  }
  // However the owner ends, the directory is free then.
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(StateDirectory::look(path_).owner(), std::nullopt);
  EXPECT_TRUE(StateDirectory::own(path_).owned());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(StateDirectoryTest, IsFreeAfterItsOwner) {
  { StateDirectory directory = StateDirectory::own(path_); }
  StateDirectory directory = StateDirectory::own(path_);
  StateDirectory moved = std::move(directory);
  EXPECT_TRUE(moved.owned());
  EXPECT_THROW(StateDirectory::own(path_), Error);
}

TEST_F(StateDirectoryTest, RefusesWhatOthersMayWrite) {
  { StateDirectory directory = StateDirectory::own(path_); }
  for (mode_t mode : {0720U, 0702U, 0777U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    EXPECT_THROW(StateDirectory::own(path_), Error) << mode;
    EXPECT_THROW(StateDirectory::look(path_), Error) << mode;
  }
  ASSERT_EQ(::chmod(path_.c_str(), 0755), 0);
  EXPECT_TRUE(StateDirectory::own(path_).owned());
}

TEST_F(StateDirectoryTest, RefusesWhatBelongsToAnother) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  { StateDirectory directory = StateDirectory::own(path_); }
  ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
  EXPECT_THROW(StateDirectory::own(path_), Error);
}

TEST_F(StateDirectoryTest, RefusesAFileAndAFollowedLock) {
  std::ofstream(parent_ / "file") << "x";
  EXPECT_THROW(StateDirectory::own(parent_ / "file"), Error);
  ASSERT_EQ(::mkdir((parent_ / "linked").c_str(), 0700), 0);
  ASSERT_EQ(::symlink((parent_ / "file").c_str(), (parent_ / "linked/lock").c_str()), 0);
  EXPECT_THROW(StateDirectory::own(parent_ / "linked"), Error);
}

TEST_F(StateDirectoryTest, ReplacesTheStatus) {
  StateDirectory directory = StateDirectory::own(path_);
  directory.write_status(std::string(100'000, 'x'));
  directory.write_status("second");
  EXPECT_EQ(StateDirectory::look(path_).read_status(), "second");
}

TEST_F(StateDirectoryTest, ForgetsEverythingButTheLock) {
  StateDirectory directory = StateDirectory::own(path_);
  directory.write_status("x");
  // A replay that was cut off leaves a copy of the source's rows beside the replica.
  for (const std::string& file :
       {directory.log(), directory.replica(), directory.replica() + ".replay", directory.ledger(),
        directory.inbox()}) {
    for (const char* suffix : {"", "-wal", "-shm"}) std::ofstream(file + suffix) << "x";
  }
  directory.forget();
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    EXPECT_EQ(entry.path().filename(), "lock");
  }
  EXPECT_THROW(StateDirectory::own(path_), Error);
  EXPECT_THROW(StateDirectory::look(path_).forget(), Error);
}

// Cut off between the two, it must not leave a database without its newest changes.
TEST_F(StateDirectoryTest, ForgetsADatabaseBeforeItsLog) {
  StateDirectory directory = StateDirectory::own(path_);
  std::ofstream(directory.ledger()) << "x";
  // Cannot be unlinked as a file.
  std::filesystem::create_directory(directory.ledger() + "-wal");
  EXPECT_THROW(directory.forget(), Error);
  EXPECT_EQ(::access(directory.ledger().c_str(), F_OK), -1);
}

}  // namespace
}  // namespace tandem::state

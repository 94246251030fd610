#include "state/state_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <utility>

#include "state/error.h"
#include "state/sqlite.h"

namespace tandem::state {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// owner() takes the lock for an instant to see whether it is free, so one refusal proves nothing.
constexpr milliseconds kPatience{500};
constexpr milliseconds kBetweenTries{10};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

[[noreturn]] void fail(const std::string& what, const std::string& where, const char* hint) {
  throw Error(what + ": " + std::strerror(errno), where, hint);
}

std::string lock_path(const std::string& directory) { return directory + "/lock"; }

// Forces the directory's entries to disk.
void sync_directory(const std::string& path) {
  Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.number() < 0 || ::fsync(directory.number()) != 0) {
    fail("cannot sync the directory", path, "check the disk and the permissions");
  }
}

void make_directory(const std::string& path) {
  std::filesystem::path parent = std::filesystem::absolute(path).parent_path();
  std::error_code problem;
  std::filesystem::create_directories(parent, problem);
  if (::mkdir(path.c_str(), 0700) == 0) {
    sync_directory(parent.string());
  } else if (errno != EEXIST) {
    fail("cannot make the state directory", path, "check the path and the permissions above it");
  }
}

constexpr char kCapture[] = "/capture";

// Whoever may write here could lead us to any file of the user's, or forge what we believe.
void check_directory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    fail("cannot look at the state directory", path, "check the permissions of the path");
  }
  if (!S_ISDIR(status.st_mode)) {
    throw Error("the state directory is not a directory", path, "set `state` to another path");
  }
  if (status.st_uid != ::geteuid()) {
    throw Error("the state directory belongs to another user (number " +
                    std::to_string(status.st_uid) + ")",
                path, "run tandem as that user, or set `state` to another path");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw Error("the state directory may be written to by others", path,
                "run `chmod go-w` on it, after a look at what is in it");
  }
}

std::optional<pid_t> written_pid(int descriptor) {
  char text[24];
  ssize_t size = ::pread(descriptor, text, sizeof text, 0);
  pid_t pid = 0;
  if (size <= 0 || std::from_chars(text, text + size, pid).ec != std::errc()) return std::nullopt;
  return pid;
}

bool try_lock(int descriptor, const std::string& path) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK && errno != EINTR) {
    fail("cannot lock the state directory", path, "use a local file system that has locks");
  }
  return false;
}

[[noreturn]] void throw_owned(const std::string& directory, std::optional<pid_t> pid) {
  std::string who = pid ? " (process " + std::to_string(*pid) + ")" : "";
  throw Error("another tandem works in this state directory" + who, directory,
              "stop it first, or set `state` to another path");
}

}  // namespace

StateDirectory StateDirectory::own(const std::string& path) {
  make_directory(path);
  check_directory(path);
  std::string file = lock_path(path);
  Descriptor lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock.number() < 0) fail("cannot open the lock", file, "check the permissions of the file");
  auto deadline = steady_clock::now() + kPatience;
  while (!try_lock(lock.number(), file)) {
    if (steady_clock::now() >= deadline) throw_owned(path, written_pid(lock.number()));
    std::this_thread::sleep_for(kBetweenTries);
  }
  std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.number(), 0) != 0 ||
      ::pwrite(lock.number(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    fail("cannot write the lock", file, "make room on the disk and start again");
  }
  return {path, lock.release()};
}

StateDirectory StateDirectory::own_capture(const std::string& path) {
  make_directory(path);
  check_directory(path);
  return own(path + kCapture);
}

StateDirectory StateDirectory::look_at_capture(const std::string& path) {
  return look(path + kCapture);
}

StateDirectory StateDirectory::look(const std::string& path) {
  StateDirectory directory(path, -1);
  if (directory.exists()) check_directory(path);
  return directory;
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

StateDirectory::~StateDirectory() {
  if (lock_ < 0) return;
  // A number left behind would only mislead. If this fails, the lock is free all the same.
  static_cast<void>(::ftruncate(lock_, 0) == 0);
  ::close(lock_);
}

bool StateDirectory::exists() const {
  std::error_code ignored;
  return std::filesystem::exists(path_, ignored);
}

std::optional<pid_t> StateDirectory::owner() const {
  if (owned()) return ::getpid();
  Descriptor lock(::open(lock_path(path_).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (lock.number() < 0 || ::flock(lock.number(), LOCK_SH | LOCK_NB) == 0) return std::nullopt;
  return written_pid(lock.number()).value_or(0);
}

void StateDirectory::write_status(std::string_view text) const {
  std::string draft = status() + ".new";
  {
    Descriptor file(
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    while (file.number() >= 0 && !text.empty()) {
      ssize_t written = ::write(file.number(), text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) break;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (file.number() < 0 || !text.empty()) {
      fail("cannot write", draft, "make room on the disk, check the permissions");
    }
  }
  if (::rename(draft.c_str(), status().c_str()) != 0) {
    fail("cannot replace", status(), "check the permissions of the state directory");
  }
}

std::optional<std::string> StateDirectory::read_status() const {
  Descriptor file(::open(status().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.number() < 0) return std::nullopt;
  std::string text;
  char piece[4096];
  ssize_t size = 0;
  while ((size = ::read(file.number(), piece, sizeof piece)) > 0) {
    text.append(piece, static_cast<std::size_t>(size));
  }
  if (size < 0) return std::nullopt;
  return text;
}

void StateDirectory::forget() const {
  if (!owned())
    throw Error("the state directory is not ours", path_, "report this fault in Tandem");
  // The log goes last: as long as it is there, a reset that was cut off can be seen and repeated.
  for (const std::string& file : {inbox(), ledger(), replica_beside(), replica(), log()}) {
    remove_database(file);
  }
  for (const std::string& file : {status(), status() + ".new"}) ::unlink(file.c_str());
  sync_directory(path_);
}

}  // namespace tandem::state

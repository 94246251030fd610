#include "state/write_ahead_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "state/error.h"

namespace tandem::state {
namespace {

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  const int number_;
};

[[noreturn]] void throw_not_durable(const std::string& path, int error) {
  throw Error("cannot be made durable (" + std::generic_category().message(error) + ")", path,
              "check the disk, then start again");
}

}  // namespace

void WriteAheadLog::sync() {
  {
    Descriptor file(path_ + "-wal", O_RDONLY);
    if (file.number() < 0) {
      throw Error("the write-ahead log is gone", path_,
                  "leave the files of the state directory alone, then start again");
    }
    if (::fdatasync(file.number()) != 0) throw_not_durable(path_, errno);
  }
  if (named_durably_) return;
  std::string directory = std::filesystem::path(path_).parent_path();
  Descriptor folder(directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
  if (folder.number() < 0 || ::fsync(folder.number()) != 0) throw_not_durable(directory, errno);
  named_durably_ = true;
}

}  // namespace tandem::state

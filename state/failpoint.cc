// Counts the passes of armed failpoints and does to the process what the environment asks for.
#include "state/failpoint.h"

#ifdef TANDEM_FAILPOINTS

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "state/error.h"

namespace tandem::state {
namespace {

enum class Action : std::uint8_t { kKill, kStop, kError };

struct Point {
  Action action = Action::kKill;
  std::uint64_t at = 1;      // the pass that triggers
  std::uint64_t passed = 0;  // so far
};

[[noreturn]] void refuse(std::string_view entry) {
  throw Error("cannot read `" + std::string(entry) + "`", "TANDEM_FAILPOINTS",
              "write name=kill, name=stop or name=error, with @n for the n-th pass, joined by `;`");
}

std::pair<std::string, Point> parse_entry(std::string_view entry) {
  std::size_t equals = entry.find('=');
  if (equals == std::string_view::npos || equals == 0) refuse(entry);
  Point point;
  std::string_view action = entry.substr(equals + 1);
  std::size_t at = action.find('@');
  if (at != std::string_view::npos) {
    std::string_view digits = action.substr(at + 1);
    auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), point.at);
    if (problem != std::errc() || end != digits.data() + digits.size() || point.at == 0) {
      refuse(entry);
    }
    action = action.substr(0, at);
  }
  if (action == "kill") {
    point.action = Action::kKill;
  } else if (action == "stop") {
    point.action = Action::kStop;
  } else if (action == "error") {
    point.action = Action::kError;
  } else {
    refuse(entry);
  }
  return {std::string(entry.substr(0, equals)), point};
}

std::map<std::string, Point, std::less<>> parse(std::string_view text) {
  std::map<std::string, Point, std::less<>> points;
  while (!text.empty()) {
    std::size_t end = text.find(';');
    std::string_view entry = text.substr(0, end);
    if (!entry.empty()) points.insert(parse_entry(entry));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return points;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// One line a point. O_APPEND keeps the lines of several processes whole.
void trace(const std::string& file, std::string_view name) {
  int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  std::string line = std::string(name) + '\n';
  bool written = descriptor >= 0 &&
                 ::write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (descriptor >= 0) ::close(descriptor);
  if (!written) throw Error("cannot write the trace of failpoints", file, "check its folder");
}

// The environment is looked at in each pass, so that a unit test can arm a point in its own
// process.
class Failpoints {
 public:
  void pass(std::string_view name) {
    std::string fired;
    {
      std::lock_guard lock(mutex_);
      follow_environment();
      if (!trace_file_.empty() && traced_.insert(std::string(name)).second) {
        trace(trace_file_, name);
      }
      auto found = points_.find(name);
      if (found == points_.end() || ++found->second.passed != found->second.at) return;
      if (found->second.action == Action::kKill) ::kill(::getpid(), SIGKILL);
      // To this very thread: by way of another one it would come to a stop somewhat later.
      if (found->second.action == Action::kStop) ::raise(SIGSTOP);
      if (found->second.action != Action::kError) return;
    }
    throw Error("stopped by failpoint", std::string(name), "a test asked for it");
  }

 private:
  void follow_environment() {
    std::string armed = environment("TANDEM_FAILPOINTS");
    if (armed != armed_) {
      points_ = parse(armed);
      armed_ = armed;
    }
    std::string trace_file = environment("TANDEM_FAILPOINT_TRACE");
    if (trace_file != trace_file_) {
      traced_.clear();
      trace_file_ = trace_file;
    }
  }

  std::mutex mutex_;  // guards all below
  std::string armed_, trace_file_;
  std::map<std::string, Point, std::less<>> points_;
  std::set<std::string> traced_;
};

}  // namespace

void pass_failpoint(const char* name) {
  static Failpoints failpoints;
  failpoints.pass(name);
}

}  // namespace tandem::state

#endif

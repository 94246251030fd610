// tandem demo: the whole idea in a minute, with no server and no account.
//
// Makes a record shop's database, syncs it into a local store, lets an application keep writing,
// kills the agent half-way, resumes it, verifies, and tells one item's story. The agent is a child
// process of this program, so that it can really be killed.
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/commands/commands.h"
#include "agent/config.h"
#include "agent/demo/sample_database.h"
#include "agent/demo/shop_application.h"
#include "agent/progress.h"
#include "agent/status_report.h"
#include "agent/terminal.h"
#include "agent/wiring.h"

extern char** environ;

namespace tandem::agent {
namespace {

using Clock = std::chrono::steady_clock;

void say(const std::string& text) {
  std::puts(text.c_str());
  std::fflush(stdout);
}
void heading(const std::string& text) { say("\n" + styled(Style::kBold, text)); }

// A child process that runs another command of this program.
class Child {
 public:
  Child(const std::vector<std::string>& arguments, const std::string& log_path) {
    std::vector<std::string> words = {"tandem"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_path.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    int code = ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (code != 0) throw state::Error("cannot start a process", "demo", "see the system's limits");
  }
  ~Child() { stop(SIGKILL); }
  Child(const Child&) = delete;
  pid_t pid() const { return pid_; }
  bool alive() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
  }
  void stop(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

class Demo {
 public:
  Demo(std::string directory, bool fast, std::stop_token stop)
      : directory_(std::move(directory)),
        fast_(fast),
        stop_(std::move(stop)),
        terminal_(is_terminal(STDOUT_FILENO)) {
    database_ = directory_ + "/shop.db";
    config_path_ = directory_ + "/tandem.yaml";
    log_path_ = directory_ + "/agent.log";
  }

  int play() {
    prepare();
    {
      Child agent({"-c", config_path_, "run"}, log_path_);
      first_sync(agent);
      ShopApplication application(database_, 7, 100);
      watch(agent, application, seconds(9), "the shop is open");
      heading("3. The agent dies: kill -9 in the middle of its work");
      pid_t pid = agent.pid();
      agent.stop(SIGKILL);
      say("   killed process " + std::to_string(pid) +
          "; the shop does not notice and goes on writing");
      linger(application, seconds(4));
      Child second({"-c", config_path_, "run"}, log_path_);
      say("   started it again: it reads the tail of its log and goes on");
      watch(second, application, seconds(8), "resumed");
      application.stop();
      heading("4. The shop closes; everything on its way arrives");
      settle(second, application);
    }
    return prove();
  }

 private:
  std::chrono::milliseconds seconds(int number) const {
    return std::chrono::milliseconds(fast_ ? number * 150 : number * 1000);
  }

  void prepare() {
    heading("1. A legacy database");
    std::filesystem::create_directories(directory_);
    ::chmod(directory_.c_str(), 0700);
    make_sample_database(database_, {}, 1);
    std::ofstream(config_path_) << demo_config(database_, directory_);
    state::Database database(database_, state::OpenMode::kReadOnly);
    std::string text = "   a record shop in SQLite:";
    for (const char* table : {"Artist", "Album", "Track", "Customer", "Invoice", "InvoiceLine"}) {
      auto count = database.query_value(std::string("SELECT count(*) FROM ") + table).as_integer();
      text += " " + with_commas(count) + " " + table + ",";
    }
    text.back() = '.';
    say(text);
    say("   " + styled(Style::kDim, database_ + ", config " + config_path_));
    CommandLine line;
    line.config = config_path_;
    run_init(line, stop_);
  }

  std::optional<StatusReport> status() const {
    return read_status(state::StateDirectory::look(directory_ + "/state"));
  }

  void first_sync(Child& agent) {
    heading("2. The first sync, then an application that keeps writing");
    auto started = Clock::now();
    wait_until(agent, [&] {
      auto report = status();
      return report && report->in_sync && report->written > 0;
    });
    auto report = status();
    say("   " + with_commas(report->written) + " documents in " +
        human_duration(std::chrono::duration<double>(Clock::now() - started).count()) +
        ": tracks with their album, artist and genre; orders with their lines; customers with "
        "their totals");
  }

  void wait_until(Child& agent, const std::function<bool()>& done) {
    auto deadline = Clock::now() + std::chrono::seconds(60);
    while (!done()) {
      if (stop_.stop_requested()) throw state::Error("stopped", "demo", "");
      if (!agent.alive())
        throw state::Error("the demo's agent has ended", log_path_, "read that file");
      if (Clock::now() > deadline)
        throw state::Error("the demo's agent is too slow", log_path_, "read that file");
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  void draw(const ShopApplication& application, const std::string& title) {
    auto report = status();
    std::string text =
        "   " + title + ": shop " + with_commas(application.counts().total()) + " changes";
    if (report) {
      text += " | agent wrote " + with_commas(report->written) + ", deleted " +
              with_commas(report->deleted) + ", left " + with_commas(report->unchanged) +
              " unchanged | " + with_commas(report->dirty) + " waiting";
    }
    if (terminal_) {
      std::fputs(("\r\x1b[K" + text + "\n\x1b[K   " + styled(Style::kDim, application.last()) +
                  "\x1b[1A\r")
                     .c_str(),
                 stdout);
      std::fflush(stdout);
    } else if (Clock::now() - drawn_ > std::chrono::seconds(2)) {
      say(text + " | " + application.last());
      drawn_ = Clock::now();
    }
  }
  void end_drawing() const {
    if (terminal_) say("\n");
  }

  void watch(Child& agent, const ShopApplication& application, std::chrono::milliseconds time,
             const std::string& title) {
    auto end = Clock::now() + time;
    wait_until(agent, [&] {
      draw(application, title);
      return Clock::now() >= end;
    });
    end_drawing();
  }

  void linger(const ShopApplication& application, std::chrono::milliseconds time) {
    auto before = application.counts().total();
    auto end = Clock::now() + time;
    while (Clock::now() < end && !stop_.stop_requested())
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    say("   " + with_commas(application.counts().total() - before) +
        " changes were made while nobody listened");
  }

  void settle(Child& agent, const ShopApplication& application) {
    auto counts = application.counts();
    auto closed = unix_milliseconds();
    wait_until(agent, [&] {
      auto report = status();
      return report && report->in_sync && report->time_ms > closed + 1000;
    });
    agent.stop(SIGTERM);
    say("   " + with_commas(counts.inserts) + " inserts, " + with_commas(counts.updates) +
        " updates, " + with_commas(counts.renames) + " renames and " + with_commas(counts.deletes) +
        " deletes are in the target");
  }

  int prove() {
    heading("5. The proof: every row of the source against every item of the target");
    CommandLine line;
    line.config = config_path_;
    line.deep = true;
    int verdict = run_verify(line, stop_);
    heading("6. One item's story");
    state::Database database(database_, state::OpenMode::kReadOnly);
    auto invoice = database.query_value("SELECT max(InvoiceId) FROM Invoice");
    line.table = "Invoice";
    line.key = {state::to_display(invoice)};
    run_explain(line, stop_);
    heading("Next: your own database");
    say("   tandem init --source your.db     writes a config from its tables and foreign keys");
    say("   tandem init                      installs the triggers, makes the target");
    say("   tandem run                       keeps both equal; tandem verify proves it");
    return verdict;
  }

  std::string directory_, database_, config_path_, log_path_;
  bool fast_;
  std::stop_token stop_;
  bool terminal_;
  Clock::time_point drawn_{};
};

}  // namespace

int run_demo(const CommandLine& line, std::stop_token stop) {
  if (!line.keep.empty()) {
    std::string directory = std::filesystem::absolute(line.keep);
    if (std::filesystem::exists(directory) && !std::filesystem::is_empty(directory)) {
      throw state::Error("is not empty", directory, "name a new directory");
    }
    int status = Demo(directory, line.fast, stop).play();
    say("   kept: " + directory);
    return status;
  }
  std::string pattern = std::filesystem::temp_directory_path() / "tandem-demo-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw state::Error("cannot make a directory", pattern, "check TMPDIR and the disk");
  }
  struct Removal {
    std::string path;
    ~Removal() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
  } removal{pattern};
  return Demo(pattern, line.fast, stop).play();
}

}  // namespace tandem::agent

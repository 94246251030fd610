// tandem run: sync until stopped, or (--once) until all that was committed at the start is in the
// target.
#include <chrono>
#include <string>
#include <utility>

#include "agent/commands/commands.h"
#include "agent/log.h"
#include "agent/pipeline.h"
#include "agent/progress.h"
#include "agent/status_report.h"
#include "agent/terminal.h"
#include "agent/wiring.h"
#include "state/random_name.h"
#include "state/rest.h"

namespace tandem::agent {
namespace {

constexpr std::chrono::seconds kFirstPause{1};
constexpr std::chrono::seconds kLongestPause{30};

// Keeps status.json and the progress line up to date, once a second and five times a second.
class Reporter {
 public:
  Reporter(const Config& config, const state::StateDirectory& directory)
      : config_(config), directory_(directory) {}

  void tick(const Pipeline& pipeline) {
    auto now = std::chrono::steady_clock::now();
    StatusReport report = report_of(config_, pipeline.status(), has_last_ ? &last_ : nullptr);
    if (!has_last_ || now - written_ >= std::chrono::seconds(1)) {
      write_status(report);
      last_ = report;
      has_last_ = true;
      written_ = now;
    } else {
      report.items_per_second = last_.items_per_second;
    }
    progress_.show(report);
    newest_ = std::move(report);
  }
  const StatusReport& newest() const { return newest_; }

 private:
  // A status that can't be written, on a full disk for one, is no reason to stop the sync.
  void write_status(const StatusReport& report) {
    try {
      directory_.write_status(to_json(report));
      unwritten_ = false;
    } catch (const state::Error& error) {
      if (!std::exchange(unwritten_, true)) log_warning(error.what());
    }
  }

  const Config& config_;
  const state::StateDirectory& directory_;
  Progress progress_;
  StatusReport last_, newest_;
  bool has_last_ = false;
  bool unwritten_ = false;  // the last status could not be written
  std::chrono::steady_clock::time_point written_{};
};

// Runs pipelines, one after another when one fails on the way: the source locked for long, the disk
// full, the network gone. What fails before it got going, and what is fenced, is final.
StatusReport run_pipelines(const Config& config, const state::StateDirectory& directory,
                           const CommandLine& line, const std::stop_token& stop) {
  auto pause = kFirstPause;
  bool got_going = false;
  const std::string process = state::random_name();
  for (;;) {
    Reporter reporter(config, directory);
    try {
      PipelineOptions options;
      options.role = role_of(line.role);
      options.once = line.once;
      options.prune = line.prune;
      options.process = process;
      options.stop = stop;
      options.tick = [&](const Pipeline& pipeline) {
        reporter.tick(pipeline);
        got_going = got_going || pipeline.got_going();
      };
      Pipeline pipeline(config, directory, std::move(options));
      pipeline.run();
      return reporter.newest();
    } catch (const state::Fenced&) {
      throw;
    } catch (const state::LogStopped& error) {
      if (stop.stop_requested()) return {};  // a wait that a stop ended is no failure
      log_error(error.what());
    } catch (const sink::TargetStopped&) {
      return {};  // a wait that a stop ended is no failure
    } catch (const capture::SourceLocked& error) {
      if (stop.stop_requested()) return {};  // a wait that a stop ended is no failure
      if (line.once) throw;
      log_warning(std::string(error.what()) + " (trying again)");
    } catch (const state::Error& error) {
      if (line.once || !got_going || stop.stop_requested()) throw;
      log_error(std::string(error.what()) + " (trying again in " +
                human_duration(static_cast<double>(pause.count())) + ")");
    }
    state::rest(pause, stop);
    if (stop.stop_requested()) return {};
    pause = std::min(pause * 2, kLongestPause);
  }
}

Config load_for(Role role, const CommandLine& line, const std::stop_token& stop) {
  if (role == Role::kApply) return load_applied_config(line.config, stop);
  Config config = load_checked_config(line.config, stop);
  if (role == Role::kCapture && config.log.type != LogType::kKafka) {
    throw UsageError("--role capture needs a log that two processes can share", config.file,
                     "use log: {type: kafka}, or run without --role");
  }
  return config;
}

// What a run --once came to.
void say_done(const StatusReport& report) {
  if (report.role == Role::kCapture) {
    std::puts(("all that was committed is in the log, up to offset " +
               std::to_string(report.log.next - 1))
                  .c_str());
    return;
  }
  std::int64_t items = 0;
  for (const sink::DocumentStatus& document : report.documents) items += document.items;
  std::string text = with_commas(items) +
                     " items are right at the target: " + with_commas(report.written) +
                     " written, " + with_commas(report.deleted) + " deleted, " +
                     with_commas(report.unchanged) + " unchanged";
  if (report.dead_letters > 0) {
    text +=
        ", " + with_commas(report.dead_letters) + " dead letters (see `tandem dead-letters list`)";
  }
  std::puts(text.c_str());
}

}  // namespace

int run_sync(const CommandLine& line, const std::stop_token& stop) {
  const Role role = role_of(line.role);
  Config config;
  try {
    config = load_for(role, line, stop);
  } catch (const capture::SourceLocked&) {
    // A wait that a stop ended is no failure.
    if (stop.stop_requested()) return 0;
    throw;
  }
  if (stop.stop_requested()) return 0;
  state::StateDirectory directory = role == Role::kCapture
                                        ? state::StateDirectory::own_capture(config.state)
                                        : state::StateDirectory::own(config.state);
  StatusReport report = run_pipelines(config, directory, line, stop);
  if (line.once && !stop.stop_requested()) say_done(report);
  return line.once && report.dead_letters > 0 ? 3 : 0;
}

}  // namespace tandem::agent

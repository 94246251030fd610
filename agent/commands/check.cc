// tandem check: a preflight of config, source, log, state and target. Changes nothing.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "agent/commands/commands.h"
#include "agent/log_check.h"
#include "agent/terminal.h"
#include "agent/wiring.h"

namespace tandem::agent {
namespace {

class Sheet {
 public:
  void good(const std::string& subject, const std::string& text) {
    print(Style::kGreen, "ok", subject, text);
  }
  void warn(const std::string& subject, const std::string& text, const std::string& advice) {
    print(Style::kYellow, "warning", subject, text + (advice.empty() ? "" : "; " + advice));
  }
  void fail(const std::string& subject, const std::string& text, const std::string& advice) {
    print(Style::kRed, "failure", subject, text + (advice.empty() ? "" : "; " + advice));
    ++failures_;
  }
  int failures() const { return failures_; }

 private:
  static void print(Style style, const char* level, const std::string& subject,
                    const std::string& text) {
    std::string mark = styled(style, level) + std::string(8 - std::string_view(level).size(), ' ');
    std::puts((mark + printable(subject) + ": " + printable(text)).c_str());
  }
  int failures_ = 0;
};

void enter(const std::vector<capture::Finding>& findings, Sheet& sheet) {
  for (const capture::Finding& finding : findings) {
    switch (finding.level) {
      case capture::Finding::Level::kOk:
        sheet.good(finding.subject, finding.text);
        break;
      case capture::Finding::Level::kWarning:
        sheet.warn(finding.subject, finding.text, finding.advice);
        break;
      case capture::Finding::Level::kFailure:
        sheet.fail(finding.subject, finding.text, finding.advice);
        break;
    }
  }
}

void check_target(const Config& config, std::stop_token stop, Sheet& sheet) {
  try {
    for (const sink::TargetFinding& finding :
         open_target(config, std::move(stop))->check(sink::CheckDepth::kPermissions)) {
      if (finding.ok) {
        sheet.good(finding.subject, finding.text);
      } else if (finding.init_makes) {
        sheet.warn(finding.subject, finding.text, finding.advice);
      } else {
        sheet.fail(finding.subject, finding.text, finding.advice);
      }
    }
  } catch (const sink::TargetStopped&) {
    throw;
  } catch (const state::Error& error) {
    sheet.fail("target",
               error.message() + (error.where().empty() ? "" : " (" + error.where() + ")"),
               error.hint());
  }
  if (config.target.options.tombstones.count() == 0) {
    sheet.warn("target", "tombstones: none",
               "a late write of a stopped agent could bring a deleted item back");
  }
}

}  // namespace

int run_check(const CommandLine& line, std::stop_token stop) {
  Sheet sheet;
  Config config = load_checked_config(line.config, stop);
  sheet.good("config", config.file + " is right: " + std::to_string(config.documents.size()) +
                           " documents over " + std::to_string(captured_tables(config).size()) +
                           " tables");
  for (const sink::Mistake& warning : config.warnings) {
    sheet.warn(
        "config",
        config.file + ":" + std::to_string(warning.line) + ": " + warning.key + ": " + warning.text,
        "");
  }
  enter(open_source(config)->check(), sheet);
  enter(check_log(config), sheet);
  check_target(config, stop, sheet);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  sheet.good("state", directory.exists() ? config.state + " is there"
                                         : config.state + " will be made by the first run");
  return sheet.failures() == 0 ? 0 : 1;
}

}  // namespace tandem::agent

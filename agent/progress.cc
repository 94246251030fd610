#include "agent/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "agent/log.h"
#include "agent/terminal.h"

namespace tandem::agent {
namespace {

// What there is to do, as one share: the least advanced document that is still loading.
struct Work {
  double share = 1.0;
  std::string what;
};

Work work_of(const StatusReport& report) {
  if (!report.snapshotting.empty()) return {0.0, "reading " + report.snapshotting.front()};
  if (report.role == Role::kCapture) return {1.0, report.level ? "level" : "reading what has come"};
  Work work;
  for (const sink::DocumentStatus& document : report.documents) {
    if (document.progress < work.share) work = {document.progress, "loading " + document.name};
  }
  if (!work.what.empty()) return work;
  if (report.dirty > 0) return {1.0, with_commas(report.dirty) + " documents to look at"};
  if (report.lag_offsets > 0) return {1.0, with_commas(report.lag_offsets) + " records to fold"};
  if (is_silent(report.log)) return {1.0, "no broker answers"};
  return {1.0,
          report.dead_letters > 0 ? with_commas(report.dead_letters) + " dead letters" : "level"};
}

}  // namespace

std::string bar(double share, int width) {
  auto full = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
  std::string text;
  for (int i = 0; i < width; ++i) text += i < full ? "█" : "░";
  return text;
}

Progress::Progress() : terminal_(is_terminal(STDERR_FILENO)) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\x1b[K", stderr);
}

void Progress::live(const std::string& text) {
  std::fputs(("\r\x1b[K" + text).c_str(), stderr);
  std::fflush(stderr);
  drawn_ = true;
}

void Progress::show(const StatusReport& report) {
  Work work = work_of(report);
  std::int64_t items = 0;
  for (const sink::DocumentStatus& document : report.documents) items += document.items;
  std::string text = fmt::format("{} items, {} written, {}/s", with_commas(items),
                                 with_commas(report.written + report.deleted),
                                 with_commas(static_cast<std::int64_t>(report.items_per_second)));
  if (report.role == Role::kCapture) {
    text = fmt::format("log up to offset {}, {} records/s", report.log.next - 1,
                       with_commas(static_cast<std::int64_t>(report.changes_per_second)));
  }
  if (work.share > 0 && work.share < 1 && report.items_per_second > 0) {
    double left = static_cast<double>(items) * (1 / work.share - 1) / report.items_per_second;
    text += ", " + human_duration(left) + " left";
  }
  if (terminal_) {
    live(work.share < 1 ? fmt::format("{} {:3.0f}%  {}  {}", bar(work.share, 24), work.share * 100,
                                      text, work.what)
                        : fmt::format("{}  {}", text, work.what));
    return;
  }
  auto now = std::chrono::steady_clock::now();
  if (now - last_plain_at_ < std::chrono::seconds(10)) return;
  std::string plain = work.share < 1
                          ? fmt::format("{:.0f}% {}, {}", work.share * 100, text, work.what)
                          : text + ", " + work.what;
  if (plain != last_plain_) log_info(plain);
  last_plain_ = plain;
  last_plain_at_ = now;
}

}  // namespace tandem::agent

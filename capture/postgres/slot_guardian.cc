#include "capture/postgres/slot_guardian.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace tandem::capture::postgres {
namespace {

using std::chrono::seconds;

constexpr seconds kWindow{600};
constexpr seconds kBetween{5};
// A line through less time says nothing.
constexpr seconds kLeastSpan{30};
// Below this rate the slot holds its place, and a forecast would be years.
constexpr double kLeastRate = 1024;
constexpr seconds kWarnBefore = std::chrono::hours(24);
constexpr std::int64_t kMuchWithoutLimit = std::int64_t{10} << 30;

// Of warnings: what the server does by itself comes last.
constexpr int kGrows = 1, kUnreserved = 100, kLost = 200;

// Grows by one whenever half of the time has passed.
int urgency_of(seconds left) {
  int urgency = kGrows;
  for (auto time = kWarnBefore; time > left && time > seconds(10); time /= 2) ++urgency;
  return urgency;
}

// Grows by one whenever twice as much is kept.
int urgency_of(std::int64_t held) {
  int urgency = kGrows;
  for (; held > kMuchWithoutLimit; held /= 2) ++urgency;
  return urgency;
}

double in_seconds(SlotGuardian::Time::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string shown_size(std::int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(size) >= 1000 && unit + 1 < kUnits.size()) {
    size /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 || size >= 100 ? "%.0f %s" : "%.1f %s", size,
                kUnits.at(unit));
  return text;
}

std::string shown_duration(seconds duration) {
  const auto total = duration.count();
  const auto days = total / 86400, hours = total / 3600 % 24, minutes = total / 60 % 60;
  if (days > 0) return std::to_string(days) + " d " + std::to_string(hours) + " h";
  if (hours > 0) return std::to_string(hours) + " h " + std::to_string(minutes) + " min";
  if (minutes > 0) return std::to_string(minutes) + " min";
  return std::to_string(total) + " s";
}

void SlotGuardian::add(Time at, const Slot& slot) {
  newest_ = slot;
  // A slot that was made anew starts a line of its own.
  if (slot.restart == 0) {
    samples_.clear();
    samples_.push_back({at, 0});
    return;
  }
  const auto held = static_cast<std::int64_t>(slot.written - std::min(slot.restart, slot.written));
  if (samples_.size() > 1 && at - samples_[samples_.size() - 2].at < kBetween) samples_.pop_back();
  samples_.push_back({at, held});
  while (samples_.size() > 2 && at - samples_.front().at > kWindow) samples_.pop_front();
}

std::optional<double> SlotGuardian::trend() const {
  if (samples_.size() < 2 || samples_.back().at - samples_.front().at < kLeastSpan) {
    return std::nullopt;
  }
  const auto count = static_cast<double>(samples_.size());
  double mean_time = 0, mean_held = 0;
  for (const Sample& sample : samples_) {
    mean_time += in_seconds(sample.at - samples_.front().at) / count;
    mean_held += static_cast<double>(sample.held) / count;
  }
  double together = 0, spread = 0;
  for (const Sample& sample : samples_) {
    const double time = in_seconds(sample.at - samples_.front().at) - mean_time;
    together += time * (static_cast<double>(sample.held) - mean_held);
    spread += time * time;
  }
  return together / spread;
}

std::optional<SlotGuardian::Outlook> SlotGuardian::outlook() const {
  if (samples_.empty()) return std::nullopt;
  Outlook outlook;
  outlook.held_bytes = samples_.back().held;
  outlook.bytes_per_second = trend();
  outlook.wal_status = newest_.wal_status;
  outlook.safe_wal_size = newest_.safe_wal_size;
  if (newest_.is_lost()) {
    outlook.until_lost = seconds(0);
  } else if (outlook.safe_wal_size && outlook.bytes_per_second.value_or(0) > kLeastRate) {
    const auto safe = static_cast<double>(std::max<std::int64_t>(*outlook.safe_wal_size, 0));
    outlook.until_lost = seconds(static_cast<std::int64_t>(safe / *outlook.bytes_per_second));
  }
  return outlook;
}

std::optional<Finding> SlotGuardian::warning() const {
  const std::optional<Outlook> now = outlook();
  if (!now) return std::nullopt;
  Finding finding{Finding::Level::kWarning, "slot " + newest_.name, "", ""};
  if (newest_.is_lost()) {
    finding.level = Finding::Level::kFailure;
    finding.urgency = kLost;
    finding.text = "the server has given it up" +
                   (newest_.invalidation.empty() ? "" : " (" + newest_.invalidation + ")");
    finding.advice =
        "nothing to do: Tandem makes a new one and reads all tables again; raise "
        "max_slot_wal_keep_size so that it does not happen again";
    return finding;
  }
  finding.text = "the server keeps " + shown_size(now->held_bytes) + " of its log for it";
  const double rate = now->bytes_per_second.value_or(0);
  if (rate > kLeastRate) {
    finding.text += ", more by " + shown_size(static_cast<std::int64_t>(rate)) + " each second";
  }
  finding.advice =
      "see by `tandem status` what keeps Tandem back, end transactions that have been "
      "open for long, or raise max_slot_wal_keep_size";
  if (now->wal_status == "unreserved") {
    finding.text += ", and gives it up at its next checkpoint";
    finding.urgency = kUnreserved;
    return finding;
  }
  if (now->until_lost && *now->until_lost < kWarnBefore) {
    finding.text +=
        "; if it goes on like this, it gives the slot up in " + shown_duration(*now->until_lost);
    finding.urgency = urgency_of(*now->until_lost);
    return finding;
  }
  if (!now->safe_wal_size && now->held_bytes > kMuchWithoutLimit) {
    finding.text += ", and nothing stops it before its disk is full";
    finding.urgency = urgency_of(now->held_bytes);
    finding.advice =
        "see by `tandem status` what keeps Tandem back, and set "
        "max_slot_wal_keep_size to what the disk can spare";
    return finding;
  }
  return std::nullopt;
}

}  // namespace tandem::capture::postgres

#include "agent/config_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>
#include <stdexcept>

namespace tandem::agent {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr Unit kDurationUnits[] = {{"ms", 1},        {"s", 1000},       {"m", 60'000},
                                   {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000}};
constexpr Unit kSizeUnits[] = {{"B", 1},
                               {"KB", 1000},
                               {"MB", 1'000'000},
                               {"GB", 1'000'000'000},
                               {"TB", 1'000'000'000'000},
                               {"KiB", 1ULL << 10},
                               {"MiB", 1ULL << 20},
                               {"GiB", 1ULL << 30},
                               {"TiB", 1ULL << 40}};
constexpr std::uint64_t kLongestDuration = 100ULL * 366 * 86'400'000;
constexpr std::uint64_t kLargestSize = 1ULL << 60;

/// "10GB" by the units, nothing for anything else or for what is above `largest`.
template <std::size_t N>
std::optional<std::uint64_t> parse_amount(std::string_view text, const Unit (&units)[N],
                                          std::uint64_t largest) {
  std::uint64_t amount = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (amount == 0 || amount > largest / unit.factor) return std::nullopt;
    return amount * unit.factor;
  }
  return std::nullopt;
}

std::vector<std::string> key_list(const Shape& shape) {
  std::vector<std::string> keys;
  for (std::string_view key : shape.keys) {
    if (!key.empty()) keys.emplace_back(key);
  }
  return keys;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

}  // namespace

MapReader::MapReader(const ConfigNode& node, const Shape& shape, MistakeList& mistakes)
    : node_(node), shape_(shape), mistakes_(mistakes) {
  const std::vector<std::string> known = key_list(shape);
  if (!expect_map(node, "of " + joined(known), mistakes)) return;
  for (const auto& [name, value] : node.entries) {
    if (std::find(known.begin(), known.end(), name.text) != known.end()) continue;
    suggested_.push_back(sink::nearest_name(name.text, known));
    mistakes.add(name, "unknown key; here stand " + joined(known), suggested_.back());
  }
}

const ConfigNode* MapReader::find(std::string_view key) const {
  if (std::find(shape_.keys.begin(), shape_.keys.end(), key) == shape_.keys.end()) {
    throw std::logic_error("the config's shape " + std::string(shape_.name) + " has no key " +
                           std::string(key));
  }
  for (const auto& [name, value] : node_.entries) {
    if (name.text == key) return &value;
  }
  return nullptr;
}

const ConfigNode* MapReader::require(std::string_view key) const {
  const ConfigNode* found = find(key);
  const bool misspelled = std::find(suggested_.begin(), suggested_.end(), key) != suggested_.end();
  if (found == nullptr && node_.is_map() && !misspelled) {
    mistakes_.add(node_, "the key " + std::string(key) + " is missing");
  }
  return found;
}

std::string shown(const ConfigNode& node) {
  constexpr std::size_t kLongest = 60;
  if (node.written.size() <= kLongest) return "\"" + node.written + "\"";
  return "\"" + node.written.substr(0, kLongest) + "…\"";
}

std::string_view kind_name(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      return "nothing";
    case ConfigNode::Kind::kScalar:
      return "a plain value";
    case ConfigNode::Kind::kList:
      return "a list";
    case ConfigNode::Kind::kMap:
      break;
  }
  return "a map";
}

bool expect_list(const ConfigNode& node, std::string_view what, MistakeList& mistakes) {
  if (node.is_list()) return true;
  mistakes.add(node, "must be a list of " + std::string(what) + ", [a, b], but is " +
                         std::string(kind_name(node)));
  return false;
}

bool expect_map(const ConfigNode& node, std::string_view what, MistakeList& mistakes) {
  if (node.is_map()) return true;
  mistakes.add(node,
               "must be a map " + std::string(what) + ", but is " + std::string(kind_name(node)));
  return false;
}

std::optional<std::string> read_text(const ConfigNode& node, MistakeList& mistakes) {
  if (node.broken) return std::nullopt;
  if (node.is_scalar()) return node.text;
  mistakes.add(node, "must be a text, but is " + std::string(kind_name(node)));
  return std::nullopt;
}

std::optional<std::string> read_name(const ConfigNode& node, MistakeList& mistakes) {
  std::optional<std::string> text = read_text(node, mistakes);
  if (text && text->empty()) {
    mistakes.add(node, node.from_environment()
                           ? "must not be empty, but " + shown(node) + " is in this environment"
                           : "must not be empty");
    return std::nullopt;
  }
  return text;
}

std::vector<std::string> read_names(const ConfigNode& node, std::string_view what,
                                    MistakeList& mistakes) {
  std::vector<std::string> names;
  if (!expect_list(node, what, mistakes)) return names;
  if (node.elements.empty()) mistakes.add(node, "must name at least one");
  for (const ConfigNode& element : node.elements) {
    std::optional<std::string> name = read_name(element, mistakes);
    if (!name) continue;
    if (std::find(names.begin(), names.end(), *name) != names.end()) {
      mistakes.add(element, shown(element) + " stands here twice");
    } else {
      names.push_back(std::move(*name));
    }
  }
  return names;
}

std::optional<bool> read_flag(const ConfigNode& node, MistakeList& mistakes) {
  static const std::vector<std::string> kWords = {"on", "off", "true", "false"};
  std::optional<std::size_t> word = read_choice(node, kWords, mistakes);
  if (!word) return std::nullopt;
  return *word % 2 == 0;
}

std::optional<std::int64_t> read_whole(const ConfigNode& node, std::int64_t least,
                                       MistakeList& mistakes) {
  if (node.broken) return std::nullopt;
  std::int64_t number = 0;
  const char* last = node.text.data() + node.text.size();
  auto [end, error] = std::from_chars(node.text.data(), last, number);
  if (node.is_scalar() && error == std::errc() && end == last && number >= least) return number;
  mistakes.add(node, "must be a whole number of at least " + std::to_string(least) + ", but is " +
                         (node.is_scalar() ? shown(node) : std::string(kind_name(node))));
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> read_duration(const ConfigNode& node,
                                                       MistakeList& mistakes) {
  if (node.broken) return std::nullopt;
  if (node.is_scalar()) {
    if (auto amount = parse_amount(node.text, kDurationUnits, kLongestDuration)) {
      return std::chrono::milliseconds(static_cast<std::int64_t>(*amount));
    }
  }
  mistakes.add(node, "must be a time such as 500ms, 10s, 5m, 2h, 7d or 4w, but is " +
                         (node.is_scalar() ? shown(node) : std::string(kind_name(node))));
  return std::nullopt;
}

std::optional<std::uint64_t> read_size(const ConfigNode& node, MistakeList& mistakes) {
  if (node.broken) return std::nullopt;
  if (node.is_scalar()) {
    if (auto amount = parse_amount(node.text, kSizeUnits, kLargestSize)) return amount;
  }
  mistakes.add(node, "must be a size such as 512MB, 10GB or 1TiB, but is " +
                         (node.is_scalar() ? shown(node) : std::string(kind_name(node))));
  return std::nullopt;
}

std::optional<std::size_t> read_choice(const ConfigNode& node,
                                       const std::vector<std::string>& words,
                                       MistakeList& mistakes) {
  if (node.broken) return std::nullopt;
  if (!node.is_scalar()) {
    mistakes.add(node, "must be " + joined(words) + ", but is " + std::string(kind_name(node)));
    return std::nullopt;
  }
  auto found = std::find(words.begin(), words.end(), node.text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  mistakes.add(node, "must be " + joined(words) + ", but is " + shown(node),
               sink::nearest_name(node.text, words));
  return std::nullopt;
}

}  // namespace tandem::agent

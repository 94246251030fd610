// Reads typed values out of config nodes. Every function notes what is wrong at the node and then
// returns nothing, so that reading goes on and all mistakes are found in one pass.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config_keys.h"
#include "agent/config_node.h"

namespace tandem::agent {

/// A map with the keys of a shape. Its construction notes what is no map and every unknown key.
class MapReader {
 public:
  MapReader(const ConfigNode& node, const Shape& shape, MistakeList& mistakes);
  /// The key's value, or null when it is not there. `key` is one of the shape's.
  const ConfigNode* find(std::string_view key) const;
  /// The same, with a mistake when it is not there (unless a misspelled key was noted for it).
  const ConfigNode* require(std::string_view key) const;
  /// False when the node was no map at all.
  explicit operator bool() const { return node_.is_map(); }

 private:
  const ConfigNode& node_;
  const Shape& shape_;
  MistakeList& mistakes_;
  std::vector<std::string> suggested_;  // nearest names of unknown keys
};

/// What a scalar means by YAML 1.2's core schema. Quoted ones are text.
enum class ScalarType { kText, kInteger, kFloat, kBool };
ScalarType scalar_type(const ConfigNode& node);

/// The scalar for a message: as written, never what the environment put in.
std::string shown(const ConfigNode& node);
/// "a list", "a map", "nothing" or "a plain value", for messages.
std::string_view kind_name(const ConfigNode& node);

/// Is the node a list / a map? Notes a mistake when not; `what` is "columns", say.
bool expect_list(const ConfigNode& node, std::string_view what, MistakeList& mistakes);
bool expect_map(const ConfigNode& node, std::string_view what, MistakeList& mistakes);

std::optional<std::string> read_text(const ConfigNode& node, MistakeList& mistakes);
/// Refuses the empty text.
std::optional<std::string> read_name(const ConfigNode& node, MistakeList& mistakes);
/// A list of at least one name, each once.
std::vector<std::string> read_names(const ConfigNode& node, std::string_view what,
                                    MistakeList& mistakes);
std::optional<bool> read_flag(const ConfigNode& node, MistakeList& mistakes);
std::optional<std::int64_t> read_whole(const ConfigNode& node, std::int64_t least,
                                       MistakeList& mistakes);
/// 500ms, 10s, 5m, 2h, 7d, 4w; more than nothing, at most a hundred years.
std::optional<std::chrono::milliseconds> read_duration(const ConfigNode& node,
                                                       MistakeList& mistakes);
/// 100B, 64KB, 512MB, 10GB, 1TB (powers of 1000) and KiB, MiB, GiB, TiB (of 1024).
std::optional<std::uint64_t> read_size(const ConfigNode& node, MistakeList& mistakes);
/// The index of the scalar in `words`, with the nearest one named when it is none of them.
std::optional<std::size_t> read_choice(const ConfigNode& node,
                                       const std::vector<std::string>& words,
                                       MistakeList& mistakes);

/// PATH, with parse_path's complaint as the mistake.
std::optional<sink::Path> read_path(const ConfigNode& node, MistakeList& mistakes);
std::optional<sink::Template> read_template(const ConfigNode& node, MistakeList& mistakes);
/// A constant with all its members, for `default` and the values of `map`.
std::optional<sink::Attribute> read_constant(const ConfigNode& node, MistakeList& mistakes);
/// A constant as a source's value, to compare columns with.
std::optional<state::Value> read_value(const ConfigNode& node, MistakeList& mistakes);

}  // namespace tandem::agent

// The config file as a tree of nodes: YAML parsed, the environment filled in, every node with its
// line and its key, and every mistake noted instead of thrown.
//
// YAML is turned into this tree first so that nothing behind it has to know a YAML library, and so
// that what YAML libraries let pass (a key that stands twice, a reference to an own ancestor, a
// second document) is found in one place. `${NAME}` and `${NAME:-default}` are filled into scalars
// after YAML was parsed: a value cannot break the file's structure. `$${` stands for a plain `${`.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config.h"

namespace tandem::agent {

struct ConfigNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string text;                  // of a scalar, environment filled in
  std::string written;               // of a scalar, as it is in the file
  bool quoted = false;               // a scalar that is text whatever it looks like
  bool broken = false;               // a mistake was noted here: say nothing more
  int line = 0;                      // from 1
  std::string key;                   // "documents.order.root"
  std::vector<ConfigNode> elements;  // of a list
  std::vector<std::pair<ConfigNode, ConfigNode>> entries;  // of a map, keys are scalars

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kScalar; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_map() const { return kind == Kind::kMap; }
  /// True if the environment had a part in it: its text must not be shown.
  bool from_environment() const { return text != written; }
};

/// Gathers mistakes while a config is read.
class MistakeList {
 public:
  void add(const ConfigNode& node, std::string text, std::string nearest = "");
  void add(int line, std::string key, std::string text, std::string nearest = "");
  bool empty() const { return mistakes_.empty(); }
  /// Sorted by line, without repetitions.
  std::vector<sink::Mistake> take();

 private:
  std::vector<sink::Mistake> mistakes_;
};

/// Parses the text. `lines` receives the line of every key of a map. After a syntax error the tree
/// is null and the mistake is noted.
ConfigNode parse_config_nodes(std::string_view text, const Environment& environment,
                              std::map<std::string, int>& lines, MistakeList& mistakes);

/// Fills the environment into one scalar. Returns false, with a mistake noted at `node`, when a
/// variable is missing or a reference is malformed.
bool fill_environment(ConfigNode& node, const Environment& environment, MistakeList& mistakes);

/// The node as text of one form: equal texts mean equal configs. Keys are sorted.
std::string normalised(const ConfigNode& node);

}  // namespace tandem::agent

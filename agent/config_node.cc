#include "agent/config_node.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

// Far above any config, far below what would hurt: aliases may repeat and nest.
constexpr int kMaximumDepth = 64;
constexpr std::size_t kMaximumNodes = 200'000;

class TreeBuilder {
 public:
  TreeBuilder(const Environment& environment, std::map<std::string, int>& lines,
              MistakeList& mistakes)
      : environment_(environment), lines_(lines), mistakes_(mistakes) {}

  ConfigNode build(const YAML::Node& yaml, std::string key, int line, int depth) {
    ConfigNode node;
    node.key = std::move(key);
    node.line = yaml.Mark().line >= 0 ? yaml.Mark().line + 1 : line;
    if (depth > kMaximumDepth || ++count_ > kMaximumNodes) {
      if (!too_large_) mistakes_.add(node, "nests or repeats too much (an alias inside itself?)");
      too_large_ = true;
      node.broken = true;
      return node;
    }
    check_tag(yaml, node);
    if (yaml.IsScalar()) {
      fill_scalar(yaml, node);
    } else if (yaml.IsSequence()) {
      node.kind = ConfigNode::Kind::kList;
      int index = 0;
      for (const YAML::Node& element : yaml) {
        node.elements.push_back(
            build(element, node.key + "[" + std::to_string(index++) + "]", node.line, depth + 1));
      }
    } else if (yaml.IsMap()) {
      fill_map(yaml, node, depth);
    }
    return node;
  }

 private:
  void check_tag(const YAML::Node& yaml, ConfigNode& node) {
    const std::string& tag = yaml.Tag();
    if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str") return;
    mistakes_.add(node, "YAML tags are not used here");
    node.broken = true;
  }

  void fill_scalar(const YAML::Node& yaml, ConfigNode& node) {
    node.kind = ConfigNode::Kind::kScalar;
    node.text = node.written = yaml.Scalar();
    node.quoted = yaml.Tag() != "?";
    if (!fill_environment(node, environment_, mistakes_)) node.broken = true;
  }

  void fill_map(const YAML::Node& yaml, ConfigNode& node, int depth) {
    node.kind = ConfigNode::Kind::kMap;
    std::set<std::string> seen;
    for (const auto& entry : yaml) {
      ConfigNode name;
      name.line = entry.first.Mark().line >= 0 ? entry.first.Mark().line + 1 : node.line;
      name.key = node.key;
      if (entry.first.IsNull()) {
        // `null: keep` is an option of ours; YAML reads its name as the null value.
        name.kind = ConfigNode::Kind::kScalar;
        name.text = name.written = "null";
      } else if (entry.first.IsScalar()) {
        check_tag(entry.first, name);
        fill_scalar(entry.first, name);
      } else {
        mistakes_.add(name, "a key must be a plain name");
        continue;
      }
      if (name.text == "<<" && !name.quoted) {
        mistakes_.add(name, "merge keys (<<) are not read; write the keys out");
        continue;
      }
      name.key = node.key.empty() ? name.written : node.key + "." + name.written;
      lines_.emplace(name.key, name.line);
      ConfigNode value = build(entry.second, name.key, name.line, depth + 1);
      if (!value.is_scalar()) value.line = name.line;
      if (name.broken) continue;
      if (!seen.insert(name.text).second) {
        mistakes_.add(name, "this key stands here twice");
        continue;
      }
      node.entries.emplace_back(std::move(name), std::move(value));
    }
  }

  const Environment& environment_;
  std::map<std::string, int>& lines_;
  MistakeList& mistakes_;
  std::size_t count_ = 0;
  bool too_large_ = false;
};

void append_quoted(const std::string& text, std::string& out) {
  out += std::to_string(text.size());
  out += ':';
  out += text;
}

void append_normalised(const ConfigNode& node, std::string& out) {
  switch (node.kind) {
    case ConfigNode::Kind::kNull:
      out += '~';
      break;
    case ConfigNode::Kind::kScalar:
      // Quotes around what is text anyway mean nothing.
      out += scalar_type(node) == ScalarType::kText ? '"' : '=';
      append_quoted(node.text, out);
      break;
    case ConfigNode::Kind::kList:
      out += '[';
      for (const ConfigNode& element : node.elements) append_normalised(element, out);
      out += ']';
      break;
    case ConfigNode::Kind::kMap: {
      std::vector<const std::pair<ConfigNode, ConfigNode>*> sorted;
      for (const auto& entry : node.entries) sorted.push_back(&entry);
      std::sort(sorted.begin(), sorted.end(),
                [](const auto* a, const auto* b) { return a->first.text < b->first.text; });
      out += '{';
      for (const auto* entry : sorted) {
        append_normalised(entry->first, out);
        append_normalised(entry->second, out);
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

void MistakeList::add(const ConfigNode& node, std::string text, std::string nearest) {
  if (node.broken) return;
  add(node.line, node.key, std::move(text), std::move(nearest));
}

void MistakeList::add(int line, std::string key, std::string text, std::string nearest) {
  mistakes_.push_back({line, std::move(key), std::move(text), std::move(nearest)});
}

std::vector<sink::Mistake> MistakeList::take() {
  std::vector<sink::Mistake> taken;
  std::set<std::tuple<int, std::string, std::string>> seen;
  for (sink::Mistake& mistake : mistakes_) {
    if (seen.emplace(mistake.line, mistake.key, mistake.text).second) {
      taken.push_back(std::move(mistake));
    }
  }
  mistakes_.clear();
  std::stable_sort(taken.begin(), taken.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
  return taken;
}

ConfigNode parse_config_nodes(std::string_view text, const Environment& environment,
                              std::map<std::string, int>& lines, MistakeList& mistakes) {
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(std::string(text));
  } catch (const YAML::Exception& error) {
    mistakes.add(error.mark.line + 1, "", "this is not YAML: " + error.msg);
    return {};
  }
  if (documents.size() > 1) {
    mistakes.add(documents[1].Mark().line + 1, "",
                 "a second YAML document begins here; one is read");
  }
  if (documents.empty()) return {};
  return TreeBuilder(environment, lines, mistakes).build(documents[0], "", 1, 0);
}

std::string normalised(const ConfigNode& node) {
  std::string out;
  append_normalised(node, out);
  return out;
}

}  // namespace tandem::agent

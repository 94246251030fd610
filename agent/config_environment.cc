// Fills environment variables into the scalars of a config:
//   reference := "${" NAME "}" | "${" NAME ":-" default "}"     NAME := [A-Za-z_][A-Za-z0-9_]*
//   default   := text, in which references may stand; used when the variable is unset or empty
//   "$${"     := a plain "${"
// "${{" is left alone: it is a dollar sign before one of a template's literal braces.
#include <cctype>

#include "agent/config_node.h"

namespace tandem::agent {
namespace {

// A reference inside a default inside a default …: nobody needs more.
constexpr int kMaximumNesting = 8;

class Filler {
 public:
  Filler(const ConfigNode& node, const Environment& environment, MistakeList& mistakes)
      : node_(node), environment_(environment), mistakes_(mistakes) {}

  /// Fills `in` up to its end, or inside a default up to the brace that closes it.
  bool fill(std::string_view in, std::size_t& at, int nesting, std::string& out) {
    while (at < in.size()) {
      std::string_view rest = in.substr(at);
      if (nesting > 0 && rest.front() == '}') return true;
      if (rest.starts_with("$${")) {
        out += "${";
        at += 3;
      } else if (rest.starts_with("${") && !rest.starts_with("${{")) {
        if (!fill_reference(in, at, nesting, out)) return false;
      } else {
        out += rest.front();
        ++at;
      }
    }
    if (nesting > 0) return fail("a ${ is not closed by }");
    return true;
  }

 private:
  bool fail(std::string text) {
    mistakes_.add(node_, std::move(text));
    return false;
  }

  bool fill_reference(std::string_view in, std::size_t& at, int nesting, std::string& out) {
    if (nesting >= kMaximumNesting) return fail("references to the environment nest too deeply");
    at += 2;
    std::string name;
    while (at < in.size() &&
           (std::isalnum(static_cast<unsigned char>(in[at])) != 0 || in[at] == '_')) {
      name += in[at++];
    }
    const bool named = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0;
    const char* value = named ? environment_(name) : nullptr;
    if (named && in.substr(at).starts_with(":-")) {
      at += 2;
      std::string fallback;
      if (!fill(in, at, nesting + 1, fallback)) return false;
      ++at;
      out += value != nullptr && *value != '\0' ? value : fallback;
      return true;
    }
    if (!named || at >= in.size() || in[at] != '}') {
      return fail(
          "${ begins a reference to the environment, ${NAME} or ${NAME:-default}; write $${ for "
          "a dollar sign before a brace");
    }
    ++at;
    if (value == nullptr) {
      return fail("the environment variable " + name + " is not set; set it, or write ${" + name +
                  ":-default}");
    }
    out += value;
    return true;
  }

  const ConfigNode& node_;
  const Environment& environment_;
  MistakeList& mistakes_;
};

}  // namespace

bool fill_environment(ConfigNode& node, const Environment& environment, MistakeList& mistakes) {
  if (node.written.find("${") == std::string::npos) return true;
  std::string filled;
  std::size_t at = 0;
  if (!Filler(node, environment, mistakes).fill(node.written, at, 0, filled)) return false;
  node.text = std::move(filled);
  return true;
}

}  // namespace tandem::agent

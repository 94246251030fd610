#include "agent/config_node.h"

#include <gtest/gtest.h>

#include "config_text.h"

namespace tandem::agent {
namespace {

struct Parsed {
  ConfigNode root;
  std::vector<sink::Mistake> mistakes;
};

Parsed parsed(const std::string& text, const Variables& variables = {}) {
  std::map<std::string, int> lines;
  MistakeList mistakes;
  Parsed result;
  result.root = parse_config_nodes(
      text,
      [&variables](const std::string& name) -> const char* {
        auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
      },
      lines, mistakes);
  result.mistakes = mistakes.take();
  return result;
}

/// The text of `a` after the environment was filled in, or the mistake.
std::string filled(const std::string& scalar, const Variables& variables = {}) {
  Parsed result = parsed("a: \"" + scalar + "\"", variables);
  if (!result.mistakes.empty()) return "! " + result.mistakes[0].text;
  return result.root.entries.at(0).second.text;
}

TEST(ConfigNodeTest, EnvironmentIsFilledIn) {
  EXPECT_EQ(filled("${A}", {{"A", "x"}}), "x");
  EXPECT_EQ(filled("p ${A}${B} q", {{"A", "x"}, {"B", "y"}}), "p xy q");
  EXPECT_EQ(filled("${A}", {{"A", ""}}), "");
  EXPECT_EQ(filled("${A:-d}"), "d");
  EXPECT_EQ(filled("${A:-d}", {{"A", ""}}), "d");
  EXPECT_EQ(filled("${A:-d}", {{"A", "x"}}), "x");
  EXPECT_EQ(filled("${A:-}"), "");
  EXPECT_EQ(filled("${A:-${B:-c}}z", {{"B", "b"}}), "bz");
  EXPECT_EQ(filled("$${A}"), "${A}");
  EXPECT_EQ(filled("${{x}} $ {y}"), "${{x}} $ {y}");
}

TEST(ConfigNodeTest, ValuesOfTheEnvironmentCannotBreakYaml) {
  EXPECT_EQ(filled("${A}", {{"A", "\"\nb: [c"}}), "\"\nb: [c");
  EXPECT_EQ(filled("${A}", {{"A", "${B}"}, {"B", "no"}}), "${B}") << "values are not filled again";
}

TEST(ConfigNodeTest, WrongReferencesAreMistakes) {
  EXPECT_EQ(filled("${A}").substr(0, 39), "! the environment variable A is not set");
  EXPECT_NE(filled("${A").find("write $${"), std::string::npos);
  EXPECT_NE(filled("${a.b}", {{"a", "x"}}).find("write $${"), std::string::npos);
  EXPECT_NE(filled("${}").find("write $${"), std::string::npos);
  EXPECT_NE(filled("${1A}", {{"1A", "x"}}).find("write $${"), std::string::npos);
  EXPECT_NE(filled("${A:-b").find("not closed"), std::string::npos);
}

TEST(ConfigNodeTest, LinesAndKeysAreKept) {
  Parsed result = parsed("a: 1\nb:\n  - x\n  -\n    c: y\n");
  const ConfigNode& list = result.root.entries.at(1).second;
  EXPECT_EQ(list.line, 2);
  EXPECT_EQ(list.elements.at(0).key, "b[0]");
  EXPECT_EQ(list.elements.at(0).line, 3);
  EXPECT_EQ(list.elements.at(1).entries.at(0).second.key, "b[1].c");
  EXPECT_EQ(list.elements.at(1).entries.at(0).second.line, 5);
}

TEST(ConfigNodeTest, KeysThatStandTwiceAreMistakes) {
  Parsed result = parsed("a:\n  b: 1\n  c: 2\n  b: 3\n");
  ASSERT_EQ(result.mistakes.size(), 1U);
  EXPECT_EQ(result.mistakes[0].line, 4);
  EXPECT_EQ(result.mistakes[0].key, "a.b");
  EXPECT_EQ(parsed("{a: 1, \"a\": 2}").mistakes.size(), 1U);
}

TEST(ConfigNodeTest, WhatIsNotOneYamlDocumentIsAMistake) {
  Parsed result = parsed("a: 1\nb: [x\nc: 2\n");
  ASSERT_EQ(result.mistakes.size(), 1U);
  EXPECT_GE(result.mistakes[0].line, 2);
  EXPECT_EQ(parsed("a: 1\n---\nb: 2\n").mistakes.size(), 1U);
  EXPECT_EQ(parsed("<<: {a: 1}\n").mistakes.size(), 1U);
  EXPECT_EQ(parsed("a: !ruby/object x\n").mistakes.size(), 1U);
  EXPECT_EQ(parsed("? [a, b]\n: c\n").mistakes.size(), 1U);
  EXPECT_TRUE(parsed("a: !!str 1\n").mistakes.empty());
}

TEST(ConfigNodeTest, HostileNestingEnds) {
  EXPECT_FALSE(parsed("a: &x [*x]\n").mistakes.empty());
  EXPECT_FALSE(parsed("a: " + std::string(100, '[') + std::string(100, ']')).mistakes.empty());
  EXPECT_FALSE(parsed(std::string(20'000, '[')).mistakes.empty());
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 20; ++i) {
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += "*a" + std::to_string(i - 1) + (k < 9 ? ", " : "]\n");
  }
  EXPECT_FALSE(parsed(laughs).mistakes.empty());
}

TEST(ConfigNodeTest, NormalisedTextIgnoresOrderQuotesAndPlaces) {
  auto text = [](const std::string& yaml) { return normalised(parsed(yaml).root); };
  EXPECT_EQ(text("a: x\nb: [1, 2]\n"), text("# c\n{b: [1, 2], \"a\": 'x'}\n"));
  EXPECT_NE(text("a: 1\n"), text("a: \"1\"\n"));
  EXPECT_NE(text("a: [b, c]\n"), text("a: [c, b]\n"));
  EXPECT_NE(text("a: [bc]\n"), text("a: [b, c]\n"));
}

}  // namespace
}  // namespace tandem::agent

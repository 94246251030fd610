#include "capture/sqlite/index_text.h"

#include <gtest/gtest.h>

namespace tandem::capture {
namespace {

TEST(IndexText, CutsTermsAndWhere) {
  IndexText cut = cut_index_text(
      "CREATE UNIQUE INDEX \"odd (name\" ON [t,(] (lower(a, ','), \"b)\" COLLATE NOCASE DESC, /* ) "
      "*/ c ASC -- ,\n) WHERE a <> ')' AND b IN (1, 2)");
  ASSERT_EQ(cut.terms.size(), 3U);
  EXPECT_EQ(cut.terms[0], "lower(a, ',')");
  EXPECT_EQ(cut.terms[1], "\"b)\" COLLATE NOCASE");
  EXPECT_EQ(cut.terms[2], "c");
  EXPECT_EQ(cut.where, "a <> ')' AND b IN (1, 2)");
}

TEST(IndexText, FullIndexHasNoWhere) {
  IndexText cut = cut_index_text("create index i on t(x'41' || a, 'it''s')");
  ASSERT_EQ(cut.terms.size(), 2U);
  EXPECT_EQ(cut.terms[0], "x'41' || a");
  EXPECT_EQ(cut.terms[1], "'it''s'");
  EXPECT_EQ(cut.where, "");
}

TEST(IndexText, FindsNamesHoweverQuoted) {
  EXPECT_TRUE(mentions_name("lower(Name)", "name"));
  EXPECT_TRUE(mentions_name("\"a \"\" b\" + 1", "a \" b"));
  EXPECT_TRUE(mentions_name("`x` || [y]", "y"));
  EXPECT_TRUE(mentions_name("t.price * 1.5e-3", "price"));
  EXPECT_FALSE(mentions_name("names || rename", "name"));
  EXPECT_FALSE(mentions_name("1e5 + x /* name */", "name"));
}

TEST(IndexText, RepeatsDefaultsThatATriggerCanCompute) {
  for (const char* literal : {"1", "'it''s'", "x'00'", "NULL", "CURRENT_TIMESTAMP"}) {
    EXPECT_EQ(repeatable_default(literal), literal);
  }
  for (const char* expression :
       {"-2.5e+3", "+ 7", "1 + 1", "lower('A') || hex(x'00')", "datetime('now')",
        "CASE WHEN 1 THEN 2 ELSE CAST('3' AS INT) END", "current_date || 'Z'"}) {
    EXPECT_EQ(repeatable_default(expression), "(" + std::string(expression) + ")");
  }
  EXPECT_EQ(repeatable_default("True"), "1");
  EXPECT_EQ(repeatable_default("FALSE"), "0");
  EXPECT_EQ(repeatable_default("5 /* five */"), "5");
  // A name that stands alone is text to SQLite.
  EXPECT_EQ(repeatable_default("open"), "'open'");
  EXPECT_EQ(repeatable_default("\"it's\""), "'it''s'");
}

TEST(IndexText, RepeatsNoDefaultThatMayDifferOrFail) {
  for (const char* other :
       {"", "random()", "1 + random()", "own_function(1)", "1 + /* one */ 1", "lower(1 -- two\n)",
        "'{' -> 'a'", "\"x\" || 1", "lower(\"x\")", "abs(1)", "1 COLLATE own"}) {
    EXPECT_EQ(repeatable_default(other), "") << other;
  }
}

TEST(IndexText, BrokenTextDoesNotHang) {
  for (const char* broken : {"", "(", "CREATE INDEX i ON t('a", "x'", "/*", "--", "[", "((("}) {
    cut_index_text(broken);
    mentions_name(broken, "a");
  }
}

}  // namespace
}  // namespace tandem::capture

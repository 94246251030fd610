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

TEST(IndexText, KnowsLiterals) {
  for (const char* literal : {"1", "-2.5e+3", "'it''s'", "x'00'", "+ 7"}) {
    EXPECT_TRUE(is_literal(literal)) << literal;
  }
  for (const char* other : {"", "random()", "CURRENT_TIMESTAMP", "1 + 1", "\"x\"", "- x"}) {
    EXPECT_FALSE(is_literal(other)) << other;
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

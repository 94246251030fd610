#include <gtest/gtest.h>

#include "capture/postgres/type_catalog.h"

namespace tandem::capture::postgres {
namespace {

using state::ColumnForm;
using state::Comparison;

constexpr Oid kDefault = 100, kC = 950, kGerman = 20'000, kLoose = 20'001, kBuiltin = 20'002;

TypeCatalog catalog_of(const std::string& locale, const std::string& encoding = "UTF8") {
  TypeCatalog catalog;
  catalog.add(kDefault, TypeCatalog::Collation{'d', "", true});
  catalog.add(kC, TypeCatalog::Collation{'c', "C", true});
  catalog.add(kGerman, TypeCatalog::Collation{'i', "de", true});
  catalog.add(kLoose, TypeCatalog::Collation{'i', "und-u-ks-level1", false});
  catalog.add(kBuiltin, TypeCatalog::Collation{'b', "PG_UNICODE_FAST", true});
  catalog.set_database({'c', locale, true}, encoding);
  return catalog;
}

TEST(PostgresTypes, FixedTypes) {
  TypeCatalog catalog;
  for (Oid integer : {20, 21, 23, 26}) {
    EXPECT_EQ(catalog.meaning(integer, -1, 0),
              (TypeMeaning{ColumnForm::kInteger, Comparison::kOrder, ""}));
  }
  EXPECT_EQ(catalog.meaning(16, -1, 0),
            (TypeMeaning{ColumnForm::kBoolean, Comparison::kOrder, ""}));
  EXPECT_EQ(catalog.meaning(17, -1, 0), (TypeMeaning{ColumnForm::kBytes, Comparison::kOrder, ""}));
  EXPECT_EQ(catalog.meaning(2950, -1, 0), (TypeMeaning{ColumnForm::kText, Comparison::kOrder, ""}));
  EXPECT_EQ(catalog.meaning(701, -1, 0), (TypeMeaning{ColumnForm::kFloat, Comparison::kNone, ""}));
  EXPECT_EQ(catalog.meaning(1700, 655366, 0),
            (TypeMeaning{ColumnForm::kDecimal, Comparison::kNone, ""}));
  EXPECT_EQ(catalog.meaning(3802, -1, 0), (TypeMeaning{ColumnForm::kJson, Comparison::kNone, ""}));
  EXPECT_EQ(catalog.meaning(1184, -1, 0),
            (TypeMeaning{ColumnForm::kTimestamp, Comparison::kEquality, ""}));
  EXPECT_EQ(catalog.meaning(869, -1, 0),
            (TypeMeaning{ColumnForm::kText, Comparison::kEquality, ""}));
  // interval, money, timetz, a range, a composite, nobody knows what
  for (Oid other : {1186, 790, 1266, 3904, 30'000}) {
    EXPECT_EQ(catalog.meaning(other, -1, kDefault), TypeMeaning{});
  }
}

TEST(PostgresTypes, TextComparesByItsCollation) {
  TypeCatalog german = catalog_of("de_DE.UTF-8");
  EXPECT_EQ(german.meaning(25, -1, kDefault).comparison, Comparison::kEquality);
  EXPECT_EQ(german.meaning(25, -1, kC).comparison, Comparison::kOrder);
  EXPECT_EQ(german.meaning(1043, 14, kGerman).comparison, Comparison::kEquality);
  EXPECT_EQ(german.meaning(25, -1, kLoose).comparison, Comparison::kNone);
  EXPECT_EQ(german.meaning(25, -1, kBuiltin).comparison, Comparison::kOrder);
  EXPECT_EQ(german.meaning(25, -1, 0).comparison, Comparison::kNone);
  EXPECT_EQ(german.meaning(25, -1, 31'000).comparison, Comparison::kNone);
  EXPECT_EQ(german.meaning(19, -1, kC).comparison, Comparison::kOrder);
  for (const char* locale : {"C", "POSIX", "C.UTF-8", "C.utf8"}) {
    EXPECT_EQ(catalog_of(locale).meaning(25, -1, kDefault).comparison, Comparison::kOrder);
  }
}

TEST(PostgresTypes, AnotherEncodingMaySortOtherwise) {
  EXPECT_EQ(catalog_of("C", "EUC_JP").meaning(25, -1, kC).comparison, Comparison::kEquality);
  EXPECT_EQ(catalog_of("C", "LATIN1").meaning(25, -1, kC).comparison, Comparison::kOrder);
}

TEST(PostgresTypes, PaddedTextHasNoOrder) {
  TypeCatalog catalog = catalog_of("C");
  EXPECT_EQ(catalog.meaning(1042, 7, kDefault).comparison, Comparison::kEquality);
  EXPECT_EQ(catalog.meaning(1042, 7, kLoose).comparison, Comparison::kNone);
  // Without a length 'a' and 'a ' are equal, and both are kept.
  EXPECT_EQ(catalog.meaning(1042, -1, kDefault).comparison, Comparison::kNone);
}

TEST(PostgresTypes, DomainsAreAsTheirBase) {
  TypeCatalog catalog = catalog_of("C");
  catalog.add(40'000, TypeCatalog::Type{'d', 23, -1, ""});
  catalog.add(40'001, TypeCatalog::Type{'d', 40'000, -1, ""});
  catalog.add(40'002, TypeCatalog::Type{'d', 1042, 7, ""});
  catalog.add(40'003, TypeCatalog::Type{'d', 40'002, -1, ""});
  catalog.add(40'004, TypeCatalog::Type{'e', 0, -1, ""});
  catalog.add(40'005, TypeCatalog::Type{'d', 40'004, -1, ""});
  EXPECT_EQ(catalog.meaning(40'001, -1, 0),
            (TypeMeaning{ColumnForm::kInteger, Comparison::kOrder, ""}));
  EXPECT_EQ(catalog.meaning(40'003, -1, kDefault).comparison, Comparison::kEquality);
  catalog.add(40'006, TypeCatalog::Type{'a', 0, -1, "integer[]"});
  catalog.add(40'007, TypeCatalog::Type{'d', 40'006, -1, "tags"});
  catalog.add(40'008, TypeCatalog::Type{'d', 40'007, -1, "more_tags"});
  EXPECT_EQ(catalog.meaning(40'006, -1, 0),
            (TypeMeaning{ColumnForm::kArray, Comparison::kNone, ""}));
  EXPECT_EQ(catalog.meaning(40'008, -1, 0),
            (TypeMeaning{ColumnForm::kArray, Comparison::kNone, "integer[]"}));
  EXPECT_EQ(catalog.meaning(40'005, -1, 0),
            (TypeMeaning{ColumnForm::kText, Comparison::kEquality, ""}));
}

}  // namespace
}  // namespace tandem::capture::postgres

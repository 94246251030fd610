// Columns of a PostgreSQL source in documents: what each form becomes, how it compares, and what a
// target cannot hold.
#include <gtest/gtest.h>

#include <tuple>

#include "document_fixture.h"
#include "sink/aggregate.h"
#include "sink/array_text.h"
#include "sink/builder.h"

namespace tandem::sink {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using state::ColumnForm;
using state::Comparison;
using state::Value;
using As = TypedSpec::As;

constexpr const char* kTables = R"(
  CREATE TABLE t(id INTEGER PRIMARY KEY, flag, price, ratio, doc, data, at, tags, name, parent INTEGER);
  CREATE TABLE c(id INTEGER PRIMARY KEY, t INTEGER, price, ratio, at, name);
)";

class SourceForms : public ::testing::Test {
 protected:
  SourceForms() : replica_(kTables) {
    set("t", "flag", "boolean", ColumnForm::kBoolean);
    for (const char* table : {"t", "c"}) {
      set(table, "id", "integer", ColumnForm::kInteger);
      set(table, "price", "numeric", ColumnForm::kDecimal, Comparison::kNone);
      set(table, "ratio", "double precision", ColumnForm::kFloat, Comparison::kEquality);
      set(table, "at", "timestamp without time zone", ColumnForm::kTimestamp,
          Comparison::kEquality);
      set(table, "name", "text", ColumnForm::kText, Comparison::kEquality);
    }
    set("c", "t", "integer", ColumnForm::kInteger);
    set("t", "parent", "integer", ColumnForm::kInteger);
    set("t", "doc", "jsonb", ColumnForm::kJson, Comparison::kNone);
    set("t", "data", "bytea", ColumnForm::kBytes);
    set("t", "tags", "text[]", ColumnForm::kArray, Comparison::kNone);
  }

  void set(const char* table, const char* name, const char* type, ColumnForm form,
           Comparison comparison = Comparison::kOrder) {
    state::TableSchema& schema = replica_.schemas[table];
    state::Column& column = schema.columns[static_cast<std::size_t>(schema.find(name))];
    column.declared_type = type;
    column.form = form;
    column.comparison = comparison;
  }

  /// One row of t; null: none of these.
  void put(const char* column, const Value& value) {
    replica_.database.execute("DELETE FROM t");
    auto insert =
        replica_.database.prepare("INSERT INTO t(id, " + std::string(column) + ") VALUES(1, ?)");
    insert.bind(1, value).run();
  }

  static DocumentSpec spec_of(MapSpec item, std::vector<RelationSpec> relations = {}) {
    DocumentSpec spec;
    spec.name = "d";
    spec.table = "Items";
    spec.root = "t";
    item.entries.emplace_back("PK", text("{id}"));
    spec.item = std::move(item);
    spec.relations = std::move(relations);
    return spec;
  }

  /// The attribute X as DynamoDB's JSON, or the reason of the dead letter.
  std::string built(ValueSpec value, std::vector<RelationSpec> relations = {}) {
    std::vector<Mistake> mistakes;
    auto document = replica_.compile(spec_of(map({{"X", std::move(value)}}), std::move(relations)),
                                     target(), mistakes);
    if (document == nullptr) return mistakes.front().text;
    Builder builder(replica_.database, document, "_tandem");
    BuiltDocument built = builder.build(state::encode_row({Value::integer(1)}));
    if (!built.exists) return "none";
    if (!built.invalid.empty()) return built.invalid;
    const Attribute* found = find_attribute(built.items.at(0).item, "X");
    if (found == nullptr) return "nothing";
    std::string json;
    write_dynamodb_json(*found, json);
    return json;
  }
  std::string built_as(const char* column, const Value& value, As as) {
    put(column, value);
    TypedSpec typed{.value = parse_template("{" + std::string(column) + "}", 0)};
    typed.as = as;
    return built({std::move(typed), 0});
  }
  std::string shown(const char* column, const Value& value) {
    put(column, value);
    return built(text("{" + std::string(column) + "}"));
  }
  std::vector<Mistake> mistakes(const DocumentSpec& spec) {
    std::vector<Mistake> found;
    replica_.compile(spec, target(), found);
    return found;
  }

  TestReplica replica_;
};

TEST_F(SourceForms, BecomeTheirTypes) {
  EXPECT_EQ(shown("flag", Value::integer(1)), R"({"BOOL":true})");
  EXPECT_EQ(shown("parent", Value::integer(INT64_MIN)), R"({"N":"-9223372036854775808"})");
  EXPECT_EQ(shown("price", Value::text("12.50")), R"({"N":"12.5"})");
  EXPECT_EQ(shown("price", Value::text("99999999999999999999999999999999999999")),
            R"({"N":"99999999999999999999999999999999999999"})");
  EXPECT_EQ(shown("ratio", Value::real(0.1)), R"({"N":"0.1"})");
  EXPECT_EQ(shown("doc", Value::text(R"({"a": 1})")), R"({"S":"{\"a\": 1}"})");
  EXPECT_EQ(shown("data", Value::blob("ab")), R"({"B":"YWI="})");
  EXPECT_EQ(shown("at", Value::text("infinity")), R"({"S":"infinity"})");
  EXPECT_EQ(shown("tags", Value::text("{a,NULL}")), R"({"S":"{a,NULL}"})");
  put("flag", Value::integer(0));
  EXPECT_EQ(built(text("is {flag}")), R"({"S":"is false"})");
}

TEST_F(SourceForms, WhatTheTargetCannotHoldHasAReason) {
  EXPECT_NE(shown("price", Value::text("NaN")).find("no number NaN"), std::string::npos);
  EXPECT_NE(shown("ratio", Value::text("-Infinity")).find("no number -Infinity"),
            std::string::npos);
  EXPECT_NE(shown("price", Value::text("1.00000000000000000000000000000000000001"))
                .find("38 significant digits"),
            std::string::npos);
  EXPECT_NE(shown("ratio", Value::real(1e300)).find("larger than"), std::string::npos);
}

TEST_F(SourceForms, AsStringIsTheExactText) {
  EXPECT_EQ(built_as("price", Value::text("NaN"), As::kString), R"({"S":"NaN"})");
  EXPECT_EQ(built_as("price", Value::text("12.50"), As::kString), R"({"S":"12.50"})");
  const std::string digits(200, '7');
  EXPECT_EQ(built_as("price", Value::text(digits), As::kString), R"({"S":")" + digits + "\"}");
  EXPECT_EQ(built_as("ratio", Value::text("Infinity"), As::kString), R"({"S":"Infinity"})");
  EXPECT_EQ(built_as("ratio", Value::real(-0.0), As::kString), R"({"S":"-0"})");
  EXPECT_EQ(built_as("ratio", Value::real(1e300), As::kString), R"({"S":"1e+300"})");
  EXPECT_EQ(built_as("flag", Value::integer(1), As::kString), R"({"S":"true"})");
  EXPECT_EQ(built_as("parent", Value::integer(7), As::kString), R"({"S":"7"})");
  EXPECT_EQ(built_as("tags", Value::text("{a}"), As::kString), R"({"S":"{a}"})");
  EXPECT_EQ(built_as("data", Value::blob("ab"), As::kString), R"({"S":"ab"})");
  EXPECT_NE(built_as("data", Value::blob("\xff"), As::kString).find("no UTF-8"), std::string::npos);
}

TEST_F(SourceForms, AsNumberAndBytes) {
  EXPECT_EQ(built_as("flag", Value::integer(1), As::kNumber), R"({"N":"1"})");
  EXPECT_EQ(built_as("name", Value::text("1.50"), As::kNumber), R"({"N":"1.5"})");
  EXPECT_NE(built_as("price", Value::text("NaN"), As::kNumber).find("NaN"), std::string::npos);
  EXPECT_NE(built_as("at", Value::text("2021-01-01"), As::kNumber).find("not a number"),
            std::string::npos);
  EXPECT_EQ(built_as("name", Value::text("ab"), As::kBytes), R"({"B":"YWI="})");
  EXPECT_NE(built_as("flag", Value::integer(1), As::kBytes).find("cannot be made bytes"),
            std::string::npos);
}

TEST_F(SourceForms, AsJsonParses) {
  EXPECT_EQ(built_as("doc", Value::text(R"([1.50, {"a": null}])"), As::kJson),
            R"({"L":[{"N":"1.5"},{"M":{"a":{"NULL":true}}}]})");
  EXPECT_NE(built_as("doc", Value::text("1" + std::string(60, '0') + "1"), As::kJson)
                .find("38 significant digits"),
            std::string::npos);
  EXPECT_EQ(built_as("tags", Value::text(R"({1,NULL,"NULL","a\"b\\c",""})"), As::kJson),
            R"({"L":[{"S":"1"},{"NULL":true},{"S":"NULL"},{"S":"a\"b\\c"},{"S":""}]})");
}

TEST(ArrayText, IsAListOfItsElements) {
  const auto list = [](const char* text, const char* type) {
    return to_plain_json(attribute_from_array(text, type));
  };
  EXPECT_EQ(list("{}", "integer[]"), "[]");
  EXPECT_EQ(list("{1,-2,NULL}", "integer[]"), "[1,-2,null]");
  EXPECT_EQ(list("[2:3]={1,2}", "bigint[]"), "[1,2]");
  EXPECT_EQ(list("[0:1][-1:0]={{1.50,2},{3,4}}", "numeric(9,2)[]"), "[[1.5,2],[3,4]]");
  EXPECT_EQ(list("{t,f,NULL}", "boolean[]"), "[true,false,null]");
  EXPECT_EQ(list(R"({"{\"a\": [1, 2]}",null})", "jsonb[]"), R"([{"a":[1,2]},null])");
  EXPECT_EQ(list(R"({"2021-01-01 00:00:00","a,b","{x}"})", "text[]"),
            R"(["2021-01-01 00:00:00","a,b","{x}"])");
  EXPECT_EQ(list("{(1,1),(0,0);(2,2),(1,1)}", "box[]"), R"x(["(1,1),(0,0)","(2,2),(1,1)"])x");
  EXPECT_EQ(attribute_from_array(R"({"\\x00ff"})", "bytea[]").elements().at(0),
            Attribute::binary(std::string("\0\xff", 2)));
  for (const char* wrong : {"", "{", "}", "1", "{1", "{1,}", "{,1}", "{\"1}", "{1}2", "[1:2{1}",
                            "{{1}", "{1;2}x", "{\\"}) {
    EXPECT_THROW(list(wrong, "text[]"), InvalidItem) << wrong;
  }
  EXPECT_THROW(list("{NaN}", "numeric[]"), InvalidItem);
  EXPECT_THROW(list("{x}", "integer[]"), InvalidItem);
  EXPECT_THROW(list(std::string(100'000, '{').c_str(), "text[]"), InvalidItem);
}

TEST_F(SourceForms, MapsFindDecimalsHoweverTheyAreSpelt) {
  put("price", Value::text("10.00"));
  TypedSpec typed{.value = parse_template("{price}", 0)};
  typed.map = {{Value::integer(10), Attribute::string("ten")}};
  EXPECT_EQ(built({typed, 0}), R"({"S":"ten"})");
  put("flag", Value::integer(1));
  typed.value = parse_template("{flag}", 0);
  typed.map = {{Value::integer(1), Attribute::string("on")}};
  EXPECT_EQ(built({typed, 0}), R"({"S":"on"})");
}

TEST_F(SourceForms, ListsAreOrderedAsAtTheSource) {
  put("name", Value::text("x"));
  replica_.database.execute(R"(INSERT INTO c(id, t, price, ratio, at) VALUES
    (1, 1, '9', 2.5, '10000-01-01 00:00:00'), (2, 1, 'NaN', 'NaN', 'infinity'),
    (3, 1, '10.0', 'Infinity', '0044-03-15 00:00:00 BC'), (4, 1, '-Infinity', '-Infinity', '-infinity'),
    (5, 1, '1e1', 10, '9999-12-31 00:00:00'), (6, 1, NULL, NULL, NULL))");
  const auto ids = [&](const std::string& order) {
    return built(each("cs", text("{id}")), {many("cs", "c", {"t=id"}, {order})});
  };
  const auto list = [](const char* order) {
    std::string json;
    for (const char* at = order; *at != '\0'; ++at) {
      json += (json.empty() ? "" : ",") + std::string(R"({"N":")") + *at + R"("})";
    }
    return R"({"L":[)" + json + "]}";
  };
  EXPECT_EQ(ids("price"), list("641352"));
  EXPECT_EQ(ids("-price"), list("235146"));
  EXPECT_EQ(ids("ratio"), list("641532"));
  EXPECT_EQ(ids("at"), list("643512"));
  EXPECT_EQ(ids("-at"), list("215346"));
}

TEST_F(SourceForms, TestsCompareAsAtTheSource) {
  put("name", Value::text("x"));
  replica_.database.execute(R"(INSERT INTO c(id, t, price, ratio, at) VALUES
    (1, 1, '9.00', 2.5, '2021-01-01 00:00:00'), (2, 1, 'NaN', 'NaN', 'infinity'),
    (3, 1, '10.5', '-Infinity', '0044-03-15 00:00:00 BC'), (4, 1, NULL, NULL, NULL))");
  const auto matched = [&](Where::Test condition) {
    Where where;
    where.tests.push_back(std::move(condition));
    return built(each("cs", text("{id}")), {many("cs", "c", {"t=id"}, {}, {}, where)});
  };
  using Is = Where::Comparison;
  const std::string first = R"({"L":[{"N":"1"}]})";
  EXPECT_EQ(matched(test("price", Is::kIn, {Value::integer(9)})), first);
  EXPECT_EQ(matched(test("price", Is::kLess, {Value::text("10")})), first);
  EXPECT_EQ(matched(test("price", Is::kGreater, {Value::real(10.25)})),
            R"({"L":[{"N":"2"},{"N":"3"}]})");
  EXPECT_EQ(matched(test("price", Is::kNot, {Value::text("NaN"), Value::text("10.50")})), first);
  EXPECT_EQ(matched(test("ratio", Is::kLess, {Value::integer(0)})), R"({"L":[{"N":"3"}]})");
  EXPECT_EQ(matched(test("ratio", Is::kIn, {Value::text("NaN"), Value::text("2.50")})),
            R"({"L":[{"N":"1"},{"N":"2"}]})");
  EXPECT_EQ(matched(test("ratio", Is::kGreaterOrEqual, {Value::text("Infinity")})),
            R"({"L":[{"N":"2"}]})");
  EXPECT_EQ(matched(test("at", Is::kIn, {Value::text("2021-01-01T00:00:00Z")})), first);
  EXPECT_EQ(matched(test("at", Is::kLess, {Value::text("2021-01-01")})), R"({"L":[{"N":"3"}]})");
  EXPECT_EQ(matched(test("at", Is::kGreater, {Value::text("9999-01-01")})), R"({"L":[{"N":"2"}]})");
  EXPECT_EQ(matched(test("at", Is::kNull, {})), R"({"L":[{"N":"4"}]})");
  EXPECT_EQ(matched(test("price", Is::kLess, {Value::text("ten")})),
            "no value of price (numeric) compares with 'ten'");
  EXPECT_EQ(matched(test("at", Is::kLess, {Value::integer(2021)})),
            "no value of at (timestamp without time zone) compares with 2021");
}

TEST_F(SourceForms, SumsAndExtremesAreExact) {
  put("name", Value::text("x"));
  const auto of = [&](AggregateSpec::Kind kind, const char* path_text) {
    return built(aggregate(kind, path_text), {many("cs", "c", {"t=id"})});
  };
  using Kind = AggregateSpec::Kind;
  replica_.database.execute(R"(INSERT INTO c(id, t, price, ratio, at) VALUES
    (1, 1, '9', 0.1, '10000-01-01 00:00:00'), (2, 1, '10', 0.2, '9999-01-01 00:00:00'),
    (3, 1, '0.00000000000000000000000000000000001', -0.0, '0044-03-15 00:00:00 BC'))");
  EXPECT_EQ(of(Kind::kSum, "cs.price"), R"({"N":"19.00000000000000000000000000000000001"})");
  EXPECT_EQ(of(Kind::kSum, "cs.ratio"), R"({"N":"0.3"})");
  EXPECT_EQ(of(Kind::kMax, "cs.price"), R"({"N":"10"})");
  EXPECT_EQ(of(Kind::kMin, "cs.at"), R"({"S":"0044-03-15 00:00:00 BC"})");
  EXPECT_EQ(of(Kind::kMax, "cs.at"), R"({"S":"10000-01-01 00:00:00"})");
  replica_.database.execute("UPDATE c SET ratio = '-Infinity', price = 'NaN' WHERE id = 1");
  EXPECT_EQ(of(Kind::kMax, "cs.ratio"), R"({"N":"0.2"})");
  EXPECT_NE(of(Kind::kMin, "cs.ratio").find("no number -Infinity"), std::string::npos);
  EXPECT_NE(of(Kind::kSum, "cs.price").find("'NaN'"), std::string::npos);
}

TEST_F(SourceForms, JoinsThatWouldMissRowsAreMistakes) {
  const auto mistake_of = [&](const char* on) {
    auto found = mistakes(spec_of(map({{"N", count("cs")}}), {many("cs", "c", {on})}));
    return found.empty() ? std::string() : found.front().text;
  };
  EXPECT_EQ(mistake_of("t=id"), "");
  EXPECT_EQ(mistake_of("name"), "");
  EXPECT_EQ(mistake_of("at"), "");
  EXPECT_NE(mistake_of("price").find("spelt differently"), std::string::npos);
  set("c", "price", "numeric(9,2)", ColumnForm::kDecimal, Comparison::kEquality);
  EXPECT_NE(mistake_of("price=id").find("different forms"), std::string::npos);
  for (const auto& [theirs, ours, joins] : {std::tuple("numeric(9,2)", "numeric(12,2)", true),
                                            std::tuple("numeric(9)", "numeric(5,0)", true),
                                            std::tuple("numeric(9,2)", "numeric(9,3)", false)}) {
    set("c", "price", theirs, ColumnForm::kDecimal, Comparison::kEquality);
    set("t", "price", ours, ColumnForm::kDecimal, Comparison::kEquality);
    EXPECT_EQ(mistake_of("price").empty(), joins) << theirs << " and " << ours;
  }
  set("c", "at", "timestamp(3) without time zone", ColumnForm::kTimestamp, Comparison::kEquality);
  EXPECT_EQ(mistake_of("at"), "");
  set("c", "at", "timestamp with time zone", ColumnForm::kTimestamp, Comparison::kEquality);
  EXPECT_NE(mistake_of("at").find("different forms"), std::string::npos);
  set("t", "price", "numeric", ColumnForm::kDecimal, Comparison::kNone);
  DocumentSpec distinct = spec_of(map({}));
  distinct.by = {"price"};
  distinct.item = map({{"PK", text("{price}")}});
  const auto found = mistakes(distinct);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found.front().text.find("a document for each"), std::string::npos);
}

TEST_F(SourceForms, OrderByCodePointIsAWarning) {
  Where where;
  where.tests.push_back(test("name", Where::Comparison::kLess, {Value::text("m")}));
  auto document = replica_.compile(
      spec_of(map({{"L", each("cs", text("{id}"))}, {"M", least("cs.name")}}),
              {many("cs", "c", {"t=id"}, {"name", "price", "at", "ratio"}, {}, where)}),
      target());
  ASSERT_NE(document, nullptr);
  ASSERT_EQ(document->warnings().size(), 3U);
  for (const Mistake& warning : document->warnings()) {
    EXPECT_NE(warning.text.find("name (text) is ordered by code point"), std::string::npos);
  }
  set("c", "name", "citext", ColumnForm::kText, Comparison::kNone);
  where.tests.front().comparison = Where::Comparison::kIn;
  document = replica_.compile(
      spec_of(map({{"N", count("cs")}}), {many("cs", "c", {"t=id"}, {}, {}, where)}), target());
  ASSERT_NE(document, nullptr);
  ASSERT_EQ(document->warnings().size(), 1U);
  EXPECT_NE(document->warnings().front().text.find("letter by letter"), std::string::npos);
}

}  // namespace
}  // namespace tandem::sink

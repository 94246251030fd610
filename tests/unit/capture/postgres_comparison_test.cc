// What TypeCatalog says of comparing and what the decoder makes of values, held against a server
// that compares and reads them itself.
#include <algorithm>
#include <map>
#include <random>

#include "capture/postgres/copy_text.h"
#include "capture/postgres/type_catalog.h"
#include "capture/postgres/value_decoder.h"
#include "postgres_server.h"

namespace tandem::capture::postgres {
namespace {

using state::Comparison;
using state::Value;

const std::map<std::string, std::vector<std::string>>& samples() {
  static const std::map<std::string, std::vector<std::string>> kSamples{
      {"boolean", {"t", "f"}},
      {"smallint", {"-32768", "-1", "0", "9", "10", "32767"}},
      {"integer", {"-2147483648", "-10", "-9", "0", "9", "10", "2147483647"}},
      {"bigint", {"-9223372036854775808", "-1", "0", "9007199254740993", "9223372036854775807"}},
      {"oid", {"0", "9", "10", "4294967295"}},
      {"bytea", {"\\x", "\\x00", "\\x0000", "\\x7f", "\\x80", "\\xff", "\\xff00"}},
      {"uuid",
       {"00000000-0000-0000-0000-000000000000", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "9fffffff-ffff-ffff-ffff-ffffffffffff"}},
      {"text COLLATE \"C\"", {"", " ", "a", "A", "ab", "b", "é", "z", "Z", "\U0001f600", "\uffee"}},
      {"name", {"", "a", "B", "ab", "é"}},
      {"character varying(4) COLLATE \"C\"", {"", "a", "a ", "a  ", "B"}},
      {"character(3)", {"", "a", "a ", "ab", "abc", "A"}},
      {"\"char\"", {"", "a", "A", "1"}},
      {"date",
       {"-infinity", "infinity", "0001-01-01 BC", "0001-01-01", "2021-02-03", "99999-01-01"}},
      {"time", {"00:00", "24:00", "23:59:59.999999", "12:00:00.1", "12:00:00.10"}},
      {"timestamp",
       {"-infinity", "infinity", "0044-03-15 12:00 BC", "2021-01-01", "2021-01-01 00:00:00.5",
        "2021-01-01 00:00:00.50", "294276-12-31 23:59:59.999999"}},
      {"timestamptz",
       {"-infinity", "infinity", "2021-01-01 00:00+00", "2021-01-01 01:00+01",
        "2021-01-01 00:00+05:30:15"}},
      {"bit(3)", {"000", "001", "100"}},
      {"bit varying", {"", "0", "00", "1", "10"}},
      {"inet",
       {"10.0.0.1", "10.0.0.1/32", "10.0.0.1/8", "::1", "::0:1", "::ffff:1.2.3.4", "1.2.3.4"}},
      {"cidr", {"10.0.0.0/8", "10/8", "10.0.0.0/9", "::/0", "0.0.0.0/0"}},
      {"macaddr", {"08:00:2b:01:02:03", "08-00-2B-01-02-03", "08002b010203", "ff:00:00:00:00:00"}},
      {"macaddr8", {"08:00:2b:01:02:03:04:05", "08002b0102030405", "08:00:2b:01:02:03"}},
      {"pg_lsn", {"0/0", "0/10", "1/0", "10/0", "F/0", "00000001/00000000"}},
      {"xid8", {"0", "9", "10"}},
      {"tid", {"(0,1)", "(0,10)", "(10,1)"}},
      {"mood", {"sad", "happy", "glad"}},
  };
  return kSamples;
}

class PostgresComparison : public PostgresServer {
 protected:
  void SetUp() override {
    PostgresServer::SetUp();
    if (IsSkipped()) return;
    play("CREATE TYPE mood AS ENUM ('sad', 'happy', 'glad')");
    sql().execute("SET search_path = public");
  }
};

// Less than zero, zero or more as the replica sorts values of one kind.
int compare(const Value& a, const Value& b) {
  if (a.kind() == state::ValueKind::kInteger) {
    return a.as_integer() < b.as_integer() ? -1 : a.as_integer() > b.as_integer() ? 1 : 0;
  }
  return a.bytes().compare(b.bytes());
}

TEST_F(PostgresComparison, AgreesWithTheServer) {
  TypeCatalog types;
  for (const auto& [declared, literals] : samples()) {
    SCOPED_TRACE(declared);
    play("CREATE TABLE t (n serial, v " + declared + ")");
    for (const std::string& literal : literals) {
      sql().query("INSERT INTO t (v) VALUES ($1)", {literal});
    }
    Rows column = sql().query(
        "SELECT atttypid, atttypmod, attcollation FROM pg_attribute WHERE attrelid = 't'::regclass "
        "AND attname = 'v'");
    const auto type = static_cast<Oid>(column.integer(0, 0));
    const auto collation = static_cast<Oid>(column.integer(0, 2));
    types.learn(sql(), std::vector<Oid>{type}, std::vector<Oid>{collation});
    const TypeMeaning meaning =
        types.meaning(type, static_cast<int>(column.integer(0, 1)), collation);
    ASSERT_NE(meaning.comparison, Comparison::kNone);
    const bool orders = meaning.comparison == Comparison::kOrder;
    Rows pairs = sql().query(std::string("SELECT a.v, b.v, a.v = b.v, ") +
                             (orders ? "a.v < b.v" : "NULL") + " FROM t a, t b");
    for (int row = 0; row < pairs.count(); ++row) {
      const Value a = decode_value(meaning.form, pairs.view(row, 0));
      const Value b = decode_value(meaning.form, pairs.view(row, 1));
      EXPECT_EQ(a == b, pairs.flag(row, 2)) << to_display(a) << " and " << to_display(b);
      if (orders) {
        EXPECT_EQ(compare(a, b) < 0, pairs.flag(row, 3)) << to_display(a) << " " << to_display(b);
      }
    }
    play("DROP TABLE t");
  }
}

// Both ways: what COPY writes is read back by the server as the value itself.
TEST_F(PostgresComparison, FloatsSurviveBothWays) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (const char* type : {"float4", "float8"}) {
    sql().execute("SELECT setseed(" + std::to_string(seed % 1000 / 1000.0) + ")");
    play(std::string("CREATE TABLE f (n int, v ") + type + ")");
    sql().execute(std::string("INSERT INTO f SELECT i, ((random() * 2 - 1) * 10 ^ "
                              "(random() * 70 - 35))::") +
                  type + " FROM generate_series(1, 3000) i");
    sql().execute(std::string("INSERT INTO f SELECT 0, v::") + type +
                  " FROM unnest('{0,-0,NaN,Infinity,-Infinity,1e-37,1e37}'::float8[]) v");
    CopyRowReader reader;
    std::string values;
    sql().copy_out("COPY (SELECT v, v::text FROM f) TO STDOUT", [&](std::string_view row) {
      const auto& fields = reader.read(row);
      const Value value = decode_value(state::ColumnForm::kFloat, *fields.at(0));
      values += (values.empty() ? "(" : ",(") +
                sql().literal(to_text(value, state::ColumnForm::kFloat)) + "::" + type + "," +
                sql().literal(*fields.at(1)) + "::text)";
      return true;
    });
    Rows wrong = sql().query("SELECT v, t FROM (VALUES " + values +
                             ") AS x(v, t) WHERE v::text <> t LIMIT 3");
    EXPECT_TRUE(wrong.empty()) << type << " " << wrong.view(0, 0) << " " << wrong.view(0, 1);
    play("DROP TABLE f");
  }
}

TEST_F(PostgresComparison, EveryCharacterSurvivesCopy) {
  sql().execute(
      "CREATE TABLE c AS SELECT i, chr(i) || '\\N' || chr(i) AS v FROM "
      "generate_series(1, 2000) i");
  CopyRowReader reader;
  int rows = 0;
  sql().copy_out("COPY (SELECT v, encode(convert_to(v, 'UTF8'), 'hex'), NULL, '' FROM c) TO STDOUT",
                 [&](std::string_view row) {
                   const auto& fields = reader.read(row);
                   EXPECT_EQ(fields.size(), 4U);
                   if (fields.size() != 4) return false;
                   EXPECT_EQ(
                       to_text(Value::blob(std::string(*fields[0])), state::ColumnForm::kBytes),
                       "\\x" + std::string(*fields[1]));
                   EXPECT_FALSE(fields[2].has_value());
                   EXPECT_EQ(fields[3], "");
                   ++rows;
                   return true;
                 });
  EXPECT_EQ(rows, 2000);
}

}  // namespace
}  // namespace tandem::capture::postgres

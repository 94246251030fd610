"""What the value matrix is made of: types of PostgreSQL, and SQL expressions of their edge values."""

EXTENSIONS = ("hstore", "citext", "ltree", "seg", "cube", "isn")
PREPARE = """
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine", really');
    CREATE TYPE pair AS (a integer, b text);
    CREATE TYPE nested AS (p pair, more integer[]);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN short_text AS varchar(10);
    CREATE DOMAIN single_digit AS positive CHECK (VALUE < 10);
    CREATE DOMAIN long_text AS text;
    CREATE DOMAIN integers AS integer[];
    CREATE DOMAIN whole_pair AS pair CHECK (VALUE IS NULL OR (VALUE).a > 0);
    CREATE TYPE moods AS RANGE (subtype = mood);
    CREATE TYPE words AS RANGE (subtype = text, collation = "C");
    CREATE TYPE foreign_text;
    CREATE FUNCTION foreign_text_in(cstring) RETURNS foreign_text IMMUTABLE STRICT LANGUAGE internal AS 'textin';
    CREATE FUNCTION foreign_text_out(foreign_text) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
    CREATE TYPE foreign_text (INPUT = foreign_text_in, OUTPUT = foreign_text_out, LIKE = text);
"""
LONG = "repeat('0123456789abcdef', 4000)"
SOME = "repeat('0123456789abcdef', 200)"  # 3,200 bytes, which is enough to be stored out of line
DIGITS = "repeat('7', 6000)::numeric"


def listed(expression, count=200, by=","):
    return f"(SELECT string_agg({expression}, '{by}') FROM generate_series(1, {count}) i)"


# type -> a value that, as STORAGE EXTERNAL, stands out of line whatever else its row has. Types that
# are not here are too short for that, or (tsquery) never stored so.
OUT_OF_LINE = {
    "text": LONG,
    "bytea": "decode(repeat('00ff', 3000), 'hex')",
    "jsonb": f"jsonb_build_object('long', {LONG})",
    "numeric": DIGITS,
    "varchar": SOME,
    "char(3000)": SOME,
    "bit(20000)": "repeat('10', 10000)",
    "varbit": "repeat('10', 12000)",
    "json": f"'\"' || {SOME} || '\"'",
    "xml": f"'<a>' || {SOME} || '</a>'",
    "pair": f"ROW(3, {SOME})",
    "nested": f"ROW(ROW(3, {SOME}), NULL)",
    "numrange": f"numrange(1, {DIGITS})",
    "int4multirange": "(SELECT range_agg(int4range(2 * i, 2 * i + 1)) FROM generate_series(1, 400) i)",
    "datemultirange": "(SELECT range_agg(daterange(DATE '2000-01-01' + 2 * i, DATE '2000-01-02' + 2 * i))"
                      " FROM generate_series(1, 400) i)",
    "int4[]": "array_fill(7, ARRAY[800])",
    "text[]": f"ARRAY[{SOME}]",
    "numeric[]": f"ARRAY[{DIGITS}, NULL]",
    "bytea[]": "ARRAY[decode(repeat('00ff', 1500), 'hex')]",
    "bool[]": "array_fill(true, ARRAY[3000])",
    "pair[]": f"ARRAY[ROW(1, {SOME})::pair]",
    "timestamptz[]": "array_fill(TIMESTAMPTZ '2024-01-01 00:00+00', ARRAY[400])",
    "tsvector": listed("'w' || i || ':' || i", 600, " "),
    "hstore": f"hstore('long', {SOME})",
    "citext": SOME,
    "ltree": "repeat('label.', 600) || 'last'",
    "path": "'(' || " + listed("'(' || i || ',1)'") + " || ')'",
    "polygon": "'(' || " + listed("'(' || i || ',1)'") + " || ')'",
    "txid_snapshot": "'10:9999:' || " + listed("(i + 10)::text", 400),
    "long_text": SOME,
    "integers": "array_fill(7, ARRAY[800])",
    "whole_pair": f"ROW(3, {SOME})::pair",
    "mood[]": "array_fill('sad'::mood, ARRAY[800])",
    "positive[]": "array_fill(7, ARRAY[800])",
    "json[]": "array_fill('{\"a\": 1}'::json, ARRAY[200])",
    "hstore[]": "array_fill('a=>1'::hstore, ARRAY[200])",
    "box[]": "array_fill('(2,2),(0,0)'::box, ARRAY[100])",
    "cube[]": "array_fill('(1,2),(3,4)'::cube, ARRAY[100])",
    "words": f"words('a', 'b' || {SOME})",
    "foreign_text": SOME,
    "jsonpath": f"'$.\"' || {SOME} || '\"'",
}

# type -> SQL expressions of edge values
VALUES = {
    "int2": ["-32768", "0", "32767"],
    "int4": ["-2147483648", "2147483647"],
    "int8": ["-9223372036854775808", "9007199254740993", "9223372036854775807"],
    "oid": ["0", "4294967295"],
    "numeric": ["0", "0.0", "-0.10", "1.00", "'NaN'", "'Infinity'", "'-Infinity'", "1e100", "1e-100",
                "99999999999999999999999999999999999999999.000000000000000000000000000000000000001", "10::numeric ^ 4000"],
    "numeric(10,2)": ["0", "-12345678.90", "0.01"],
    "float4": ["0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "3.4028235e38", "1e-45", "0.1", "16777217", "1.5e-7"],
    "float8": ["0", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "1.7976931348623157e308", "5e-324", "0.1", "1e22",
               "9007199254740993", "1e15", "1e16", "0.30000000000000004", "123456789.123"],
    "money": ["'0'", "'-92233720368547758.08'", "'1234567.89'"],
    "bool": ["true", "false"],
    "char(5)": ["''", "'ab'", "'ab   '", "'ünï'"],
    "char(3000)": ["'ab'"],
    "varchar": ["''"],
    "varchar(20)": ["''", "'  '", "'trailing  '"],
    "text": ["''", "'NULL'", "'\\N'", r"E'\\'", r"E'\t\n\r\b\f\v\x01'",
             r"E'\\.'", "'{braces}'", "'\"quotes\" and ''more'''", "'🎷 東京 é'", "U&'\\FFFF'"],
    '"char"': ["'a'", "''", "'\\377'"],
    "name": ["'a name'", "''"],
    "bytea": ["''", r"'\x00ff'", r"'\x5c4e'"],
    "date": ["'2024-02-29'", "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'4713-01-01 BC'", "'10000-01-01'", "'5874897-12-31'"],
    "time": ["'00:00'", "'24:00'", "'23:59:59.999999'", "'12:00:00.5'"],
    "timetz": ["'00:00+00'", "'24:00-12:30'", "'12:34:56.789+05:53:28'", "'23:59:59+14'"],
    "timestamp": ["'2024-02-29 12:34:56.789'", "'infinity'", "'-infinity'", "'0044-03-15 00:00 BC'", "'294276-12-31 23:59:59.999999'", "'2021-01-01'"],
    "timestamptz": ["'2024-07-01 00:00:00+02'", "'infinity'", "'-infinity'", "'0001-01-01 00:00:00+00'", "'12345-01-01 00:00:00+00'",
                    "'1880-01-01 00:00:00+00'", "'2024-02-29 12:34:56.789123+00'", "'4713-01-01 00:00+00 BC'"],
    "interval": ["'0'", "'1 year 2 months -3 days 04:05:06.789'", "'-178000000 years'", "'00:00:00.000001'", "'1 day -00:00:01'"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'"],
    "json": ["'null'", "'{\"b\":1,  \"a\" : [1.0, 1e400, -0], \"a\": null}'", "'\"\\u00e9\"'", "'\"a \\\\u0000 b\"'"],
    "jsonb": ["'null'", "'{\"b\": 1, \"a\": [1.00, 12345678901234567890.123456789]}'", "'[]'", "'\"text\"'"],
    "mood": ["'sad'", "'it''s \"fine\", really'"],
    "positive": ["1", "2147483647"],
    "short_text": ["''", "'ten chars!'"],
    "pair": ["ROW(1, 'x')", "ROW(NULL, NULL)", "ROW(NULL, '')", "ROW(2, 'com,ma \"q\" (p) \\ b')"],
    "nested": ["ROW(ROW(1, 'in \"ner'), ARRAY[1, NULL])", "ROW(NULL, '{}')"],
    "single_digit": ["1", "9"],
    "long_text": ["''"],
    "integers": ["'{}'", "'{1,NULL,-3}'", "'[2:3]={7,8}'"],
    "whole_pair": ["ROW(1, NULL)::pair", "ROW(2, 'com,ma \"q\" (p)')::pair"],
    "int4range": ["'empty'", "'[1,5)'", "'(,)'", "'[3,]'"],
    "numrange": ["'[1.0,1.50]'", "'(0.1,)'"],
    "tstzrange": ["'[2024-01-01 00:00+00,infinity)'", "'(,2024-01-01 00:00+00]'", "'[,infinity)'", "'(-infinity,]'",
                  "'[-infinity,infinity]'", "'[2024-01-01 00:00+00,)'", "'(,)'"],
    "moods": ["'[sad,ok]'", "'(ok,\"it''s \"\"fine\"\", really\"]'", "'empty'", "'[,)'"],
    "words": ["words('a,b', 'c\"d')", "words('', '[)')", "words(NULL, E'back\\\\slash')"],
    "int4multirange": ["'{}'", "'{[1,2),[5,9)}'"],
    "datemultirange": ["'{[2024-01-01,2024-02-01),[2024-03-01,)}'"],
    "int4[]": ["'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[2:3]={7,8}'", "'[-1:0][5:5]={{1},{2}}'"],
    "text[]": [r"""ARRAY[NULL, 'NULL', '', ' ', 'a,b', '{}', 'quo"te', 'back\slash']""", "ARRAY[E'new\\nline', 'é']"],
    "numeric[]": ["'{1.00,NaN,NULL}'"],
    "bytea[]": [r"ARRAY['\x00'::bytea, '\xff5c'::bytea, NULL]"],
    "bool[]": ["'{t,f,NULL}'"],
    "pair[]": ["ARRAY[ROW(1, 'a,b')::pair, NULL]"],
    "timestamptz[]": ["ARRAY['infinity'::timestamptz, '2024-01-01 00:00+00']"],
    "mood[]": ["ARRAY['sad', 'it''s \"fine\", really', NULL]"],
    "positive[]": ["'{1,2,NULL}'"],
    "json[]": ["ARRAY['{\"a\": [1, \"b,c\"]}'::json, 'null', NULL]"],
    "hstore[]": ["ARRAY['a=>1, \"c d\"=>NULL'::hstore, '', NULL]"],
    "box[]": ["ARRAY['(2,2),(0,0)'::box, NULL]"],  # between the elements is a semicolon
    "cube[]": ["ARRAY['(1,2),(3,4)'::cube, NULL]"],
    "seg": ["'1.10'", "'~6.50 .. <7.0'", "'0.0(+-)0.10'", "'1e3 ..'"],
    "cube": ["'(0,-1.5),(2,3)'", "'1'", "'()'"],
    "isbn13": ["'978-0-393-04002-9'"],
    "foreign_text": ["''", "'NULL'", r"E'\\N\t\\'", "'{1,2}'", "'-0.10'"],
    "inet": ["'127.0.0.1'", "'10.1.2.3/8'", "'::1'", "'fe80::1/64'"],
    "cidr": ["'10.0.0.0/8'", "'2001:db8::/32'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "macaddr8": ["'08:00:2b:ff:fe:01:02:03'"],
    "bit(5)": ["B'00000'", "B'10101'"],
    "bit(20000)": [],
    "varbit": ["B''", "B'1011001'"],
    "xml": ["'<a b=\"1\">x &amp; y</a>'", "'text only'"],
    "tsvector": ["'fat:1A cat:2,3B \"it''''s\"'", "''"],
    "tsquery": ["'fat & !cat <-> dog:*'"],
    "hstore": ["''", "'a=>1, b=>NULL, \"c d\"=>\"NULL\"'"],
    "citext": ["'CaSe'", "''"],
    "ltree": ["'Top.Science.x_1'", "''"],
    "pg_lsn": ["'0/0'", "'FFFFFFFF/FFFFFFFF'"],
    "point": ["'(1.5,-0)'", "'(NaN,Infinity)'"],
    "line": ["'{1,2,3}'"],
    "lseg": ["'[(0,0),(1e300,1)]'"],
    "box": ["'(2,2),(0,0)'"],
    "path": ["'((0,0),(1,1))'", "'[(0,0),(1,1),(2,0)]'"],
    "polygon": ["'((0,0),(1,1),(2,0))'"],
    "circle": ["'<(1,2),0.1>'"],
    "regclass": ["'pg_class'"],
    "txid_snapshot": ["'10:20:10,14'"],
    "jsonpath": ["'$.a[*] ? (@ > 1)'"],
}
for kind, value in OUT_OF_LINE.items():
    VALUES[kind].append(value)

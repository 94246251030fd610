#include "state/value.h"

#include <bit>
#include <charconv>
#include <optional>

#include "state/error.h"
#include "state/integer_form.h"

// A row as bytes: a count, then each value as one tag byte and its content (integer_form.h).
//
//   row   := varint(count) value*
//   value := 0x00                      null
//          | 0x01                      unchanged
//          | 0x10+n n bytes            integer, zigzag-coded, highest byte first, n as small as
//                                      possible: integers of one sign sort by their bytes, so that
//                                      keys that come in order fill an index from left to right
//          | 0x03 8 bytes              real, IEEE 754 bits, little-endian
//          | 0x04 varint(n) n bytes    text
//          | 0x05 varint(n) n bytes    blob
namespace tandem::state {
namespace {

constexpr unsigned char kInteger = 0x10;  // and how many bytes follow

[[noreturn]] void malformed() {
  throw Error("malformed row bytes", "", "the file is damaged; reset the state and sync again");
}

std::uint64_t take_number(std::string_view& bytes) {
  std::optional<std::uint64_t> number = take_varint(bytes);
  if (!number) malformed();
  return *number;
}

std::string_view take_bytes(std::string_view& bytes) {
  std::uint64_t size = take_number(bytes);
  if (size > bytes.size()) malformed();
  std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return taken;
}

void set_integer(std::string& out, std::uint64_t number) {
  const int count = (std::bit_width(number) + 7) / 8;
  out.push_back(static_cast<char>(kInteger + count));
  for (int i = count - 1; i >= 0; --i) out.push_back(static_cast<char>(number >> (8 * i)));
}

Value take_integer(std::string_view& bytes, std::size_t count) {
  if (count > bytes.size()) malformed();
  std::uint64_t number = 0;
  for (char byte : bytes.substr(0, count)) number = number << 8U | static_cast<unsigned char>(byte);
  bytes.remove_prefix(count);
  return Value::integer(from_zigzag(number));
}

void encode_value(const Value& value, std::string& out) {
  if (value.kind() != ValueKind::kInteger) out.push_back(static_cast<char>(value.kind()));
  switch (value.kind()) {
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      break;
    case ValueKind::kInteger:
      set_integer(out, to_zigzag(value.as_integer()));
      break;
    case ValueKind::kReal: {
      char raw[8];
      set_fixed64(raw, std::bit_cast<std::uint64_t>(value.as_real()));
      out.append(raw, sizeof raw);
      break;
    }
    case ValueKind::kText:
    case ValueKind::kBlob:
      put_varint(out, value.bytes().size());
      out.append(value.bytes());
      break;
  }
}

Value take_value(std::string_view& bytes) {
  if (bytes.empty()) malformed();
  auto tag = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  if (tag >= kInteger && tag <= kInteger + 8) return take_integer(bytes, tag - kInteger);
  switch (static_cast<ValueKind>(tag)) {
    case ValueKind::kNull:
      return Value::null();
    case ValueKind::kUnchanged:
      return Value::unchanged();
    case ValueKind::kInteger:
      break;
    case ValueKind::kReal: {
      if (bytes.size() < 8) malformed();
      std::uint64_t bits = get_fixed64(bytes);
      bytes.remove_prefix(8);
      return Value::real(std::bit_cast<double>(bits));
    }
    case ValueKind::kText:
      return Value::text(std::string(take_bytes(bytes)));
    case ValueKind::kBlob:
      return Value::blob(std::string(take_bytes(bytes)));
  }
  malformed();
}

}  // namespace

Value Value::integer(std::int64_t number) {
  Value value(ValueKind::kInteger);
  value.number_.integer = number;
  return value;
}

Value Value::real(double number) {
  Value value(ValueKind::kReal);
  value.number_.real = number;
  return value;
}

Value Value::text(std::string bytes) {
  Value value(ValueKind::kText);
  value.bytes_ = std::move(bytes);
  return value;
}

Value Value::blob(std::string bytes) {
  Value value(ValueKind::kBlob);
  value.bytes_ = std::move(bytes);
  return value;
}

bool operator==(const Value& a, const Value& b) {
  if (a.kind_ != b.kind_) return false;
  switch (a.kind_) {
    case ValueKind::kNull:
    case ValueKind::kUnchanged:
      return true;
    case ValueKind::kInteger:
      return a.number_.integer == b.number_.integer;
    case ValueKind::kReal:
      return std::bit_cast<std::uint64_t>(a.number_.real) ==
             std::bit_cast<std::uint64_t>(b.number_.real);
    case ValueKind::kText:
    case ValueKind::kBlob:
      return a.bytes_ == b.bytes_;
  }
  return false;
}

void encode_row(const Row& row, std::string& out) {
  put_varint(out, row.size());
  for (const Value& value : row) encode_value(value, out);
}

std::string encode_row(const Row& row) {
  std::string out;
  encode_row(row, out);
  return out;
}

Row decode_row_prefix(std::string_view& bytes) {
  std::uint64_t count = take_number(bytes);
  if (count > bytes.size()) malformed();
  Row row;
  row.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) row.push_back(take_value(bytes));
  return row;
}

Row decode_row(std::string_view bytes) {
  Row row = decode_row_prefix(bytes);
  if (!bytes.empty()) malformed();
  return row;
}

std::string to_display(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kNull:
      return "NULL";
    case ValueKind::kUnchanged:
      return "(unchanged)";
    case ValueKind::kInteger:
      return std::to_string(value.as_integer());
    case ValueKind::kReal: {
      char digits[32];
      auto end = std::to_chars(digits, digits + sizeof digits, value.as_real()).ptr;
      return {digits, end};
    }
    case ValueKind::kText: {
      std::string shown = "'";
      for (char c : value.bytes()) {
        if (c == '\'') shown += '\'';
        shown += c;
      }
      return shown + "'";
    }
    case ValueKind::kBlob: {
      static constexpr char kDigits[] = "0123456789abcdef";
      std::string shown = "x'";
      for (char c : value.bytes()) {
        auto byte = static_cast<unsigned char>(c);
        shown += kDigits[byte >> 4];
        shown += kDigits[byte & 15];
      }
      return shown + "'";
    }
  }
  return "";
}

}  // namespace tandem::state

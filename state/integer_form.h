// Integers as all of Tandem's byte forms write them.
//
// A varint has seven bits a byte, the lowest first, and the top bit set in all bytes but the last.
// Signed numbers are zigzag-coded first (0, -1, 1, -2, ... become 0, 1, 2, 3, ...). Numbers of
// fixed width are little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tandem::state {

inline void put_varint(std::string& out, std::uint64_t number) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}

inline std::uint64_t to_zigzag(std::int64_t number) {
  return (static_cast<std::uint64_t>(number) << 1) ^ (number < 0 ? ~std::uint64_t{0} : 0);
}

inline std::int64_t from_zigzag(std::uint64_t number) {
  return static_cast<std::int64_t>((number >> 1) ^ (~(number & 1) + 1));
}

/// Takes a number off the front of `bytes`; nothing if there is no whole one.
inline std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    auto byte = static_cast<unsigned char>(bytes[i]);
    number |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return number;
    }
  }
  return std::nullopt;
}

/// Eight bytes; `to` has room for them, and `from` holds at least so many.
inline void set_fixed64(char* to, std::uint64_t number) {
  for (unsigned i = 0; i < 8; ++i) to[i] = static_cast<char>(number >> (8 * i));
}

inline std::uint64_t get_fixed64(std::string_view from) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < 8; ++i) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(from[i])) << (8 * i);
  }
  return number;
}

}  // namespace tandem::state

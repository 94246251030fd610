// The canonical hash of an item: XXH3 with 128 bits over these bytes.
//
//   item    := { name value }          attributes sorted by name, ours and the volatile ones left
//   out name    := text value   := tag of the type, then
//              null: nothing · bool: one byte · string, number, binary: text
//              list, sets: count { value } · map: count { name value }
//   text    := count, then so many bytes
//   count   := 32 bits, least significant byte first
#include <xxhash.h>

#include <algorithm>

#include "sink/item.h"

namespace tandem::sink {
namespace {

void append_count(std::size_t count, std::string& out) {
  const char bytes[4] = {static_cast<char>(count), static_cast<char>(count >> 8U),
                         static_cast<char>(count >> 16U), static_cast<char>(count >> 24U)};
  out.append(bytes, sizeof bytes);
}

void append_text(std::string_view text, std::string& out) {
  append_count(text.size(), out);
  out += text;
}

void append_value(const Attribute& value, std::string& out) {
  out.push_back(static_cast<char>(value.type()));
  switch (value.type()) {
    case AttributeType::kNull:
      break;
    case AttributeType::kBool:
      out.push_back(value.as_bool() ? '\1' : '\0');
      break;
    case AttributeType::kString:
    case AttributeType::kNumber:
    case AttributeType::kBinary:
      append_text(value.text(), out);
      break;
    case AttributeType::kMap:
      append_count(value.entries().size(), out);
      for (const auto& [name, entry] : value.entries()) {
        append_text(name, out);
        append_value(entry, out);
      }
      break;
    default:
      append_count(value.elements().size(), out);
      for (const Attribute& element : value.elements()) append_value(element, out);
      break;
  }
}

}  // namespace

state::Hash hash_item(const Item& item, std::string_view own_attribute,
                      const std::vector<std::string>& volatile_names) {
  std::string bytes;
  bytes.reserve(1024);
  for (const auto& [name, value] : item) {
    if (name == own_attribute) continue;
    if (std::find(volatile_names.begin(), volatile_names.end(), name) != volatile_names.end()) {
      continue;
    }
    append_text(name, bytes);
    append_value(value, bytes);
  }
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  state::Hash hash{};
  std::copy(std::begin(canonical.digest), std::end(canonical.digest), hash.begin());
  return hash;
}

}  // namespace tandem::sink

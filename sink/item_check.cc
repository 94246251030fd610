// Sources for the limits: Amazon DynamoDB Developer Guide, "Quotas in Amazon DynamoDB", "Naming
// rules and data types" and "DynamoDB item sizes and formats".
#include "sink/item_check.h"

#include <algorithm>
#include <cstring>

namespace tandem::sink {
namespace {

constexpr std::size_t kMaximumNameSize = 65535;

/// Pairs of significant decimal digits, aligned at the point, a byte each; one byte for the
/// exponent, one for a minus sign. `digits` is canonical (plain notation).
std::size_t number_size(std::string_view digits) {
  std::size_t sign = 0;
  if (!digits.empty() && digits.front() == '-') {
    sign = 1;
    digits.remove_prefix(1);
  }
  const std::size_t first = digits.find_first_not_of("0.");
  if (first == std::string_view::npos) return 1;
  const std::size_t last = digits.find_last_not_of("0.");
  const std::size_t point = std::min(digits.find('.'), digits.size());
  // Which pair a digit is in, counted leftwards; the point stands before pair 128, so that
  // the fraction's pairs are numbers above zero too.
  auto pair_of = [&](std::size_t i) {
    return i < point ? (256 + point - 1 - i) / 2 : (256 + point - i) / 2;
  };
  return pair_of(first) - pair_of(last) + 1 + 1 + sign;
}

std::size_t value_size(const Attribute& value) {
  constexpr std::size_t kContainer = 3;
  constexpr std::size_t kElement = 1;
  switch (value.type()) {
    case AttributeType::kNull:
    case AttributeType::kBool:
      return 1;
    case AttributeType::kString:
    case AttributeType::kBinary:
      return value.text().size();
    case AttributeType::kNumber:
      return number_size(value.text());
    case AttributeType::kMap: {
      std::size_t size = kContainer;
      for (const auto& [name, entry] : value.entries()) {
        size += kElement + name.size() + value_size(entry);
      }
      return size;
    }
    case AttributeType::kList: {
      std::size_t size = kContainer;
      for (const Attribute& element : value.elements()) size += kElement + value_size(element);
      return size;
    }
    default: {
      std::size_t size = 0;
      for (const Attribute& element : value.elements()) size += value_size(element);
      return size;
    }
  }
}

std::string check_name(std::string_view name) {
  if (name.empty()) return "an attribute's name is empty";
  if (name.size() > kMaximumNameSize) return "an attribute's name is longer than 65,535 bytes";
  if (!is_utf8(name)) return "an attribute's name is not valid UTF-8";
  return "";
}

/// `path` names the top-level attribute; what is wrong within it is said about it. A top-level
/// value is on level 1.
std::string check_value(const Attribute& value, std::string_view path, int level) {
  switch (value.type()) {
    case AttributeType::kString:
      if (!is_utf8(value.text())) return std::string(path) + ": the text is not valid UTF-8";
      return "";
    case AttributeType::kMap:
    case AttributeType::kList:
      // What a container holds is one level deeper, even if it is empty.
      if (level >= kMaximumNesting) return std::string(path) + ": nested deeper than 32 levels";
      for (const auto& [name, entry] : value.entries()) {
        if (std::string reason = check_name(name); !reason.empty()) {
          return std::string(path) + ": " + reason;
        }
        if (std::string reason = check_value(entry, path, level + 1); !reason.empty())
          return reason;
      }
      for (const Attribute& element : value.elements()) {
        if (std::string reason = check_value(element, path, level + 1); !reason.empty()) {
          return reason;
        }
      }
      return "";
    default:
      return "";
  }
}

std::string check_key(const Item& item, const std::string& name, AttributeType wanted,
                      std::size_t longest, bool required) {
  const Attribute* value = find_attribute(item, name);
  if (value == nullptr) {
    return required ? "the key attribute " + name + " is missing (a null in it leaves it out)" : "";
  }
  const bool possible = value->type() == AttributeType::kString ||
                        value->type() == AttributeType::kNumber ||
                        value->type() == AttributeType::kBinary;
  if (!possible || (wanted != AttributeType::kNull && value->type() != wanted)) {
    return "the key attribute " + name + " is " + type_name(value->type()) + ", not " +
           (wanted == AttributeType::kNull ? "a string, number or bytes" : type_name(wanted));
  }
  if (value->text().empty()) return "the key attribute " + name + " is empty";
  if (value->type() != AttributeType::kNumber && value->text().size() > longest) {
    return "the key attribute " + name + " has " + std::to_string(value->text().size()) +
           " bytes, the limit is " + std::to_string(longest);
  }
  return "";
}

std::string check_keys(const Item& item, const TargetTable& table) {
  for (std::size_t i = 0; i < table.key.size(); i++) {
    AttributeType wanted = i < table.key_types.size() ? table.key_types[i] : AttributeType::kNull;
    std::size_t longest = i == 0 ? kMaximumPartitionKeySize : kMaximumSortKeySize;
    std::string reason = check_key(item, table.key[i], wanted, longest, true);
    if (!reason.empty()) return reason;
  }
  for (const TargetIndex& index : table.indexes) {
    for (std::size_t i = 0; i < index.key.size(); i++) {
      auto known = std::find_if(table.index_types.begin(), table.index_types.end(),
                                [&](const auto& entry) { return entry.first == index.key[i]; });
      AttributeType wanted =
          known == table.index_types.end() ? AttributeType::kNull : known->second;
      std::size_t longest = i == 0 ? kMaximumPartitionKeySize : kMaximumSortKeySize;
      std::string reason = check_key(item, index.key[i], wanted, longest, false);
      if (!reason.empty()) return "index " + index.name + ": " + reason;
    }
  }
  return "";
}

}  // namespace

std::size_t item_size(const Item& item) {
  std::size_t size = 0;
  for (const auto& [name, value] : item) size += name.size() + value_size(value);
  return size;
}

std::string check_item(const Item& item, const TargetTable& table) {
  if (std::string reason = check_keys(item, table); !reason.empty()) return reason;
  for (const auto& [name, value] : item) {
    if (std::string reason = check_name(name); !reason.empty()) return reason;
    if (std::string reason = check_value(value, name, 1); !reason.empty()) return reason;
  }
  std::size_t size = item_size(item);
  if (size > kMaximumItemSize) {
    return "the item has " + std::to_string(size) + " bytes, the limit is 409600 (400 KB)";
  }
  return "";
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const unsigned char* end = at + text.size();
  while (at < end) {
    constexpr std::ptrdiff_t kWord = sizeof(std::uint64_t);
    std::uint64_t word = 0;
    while (end - at >= kWord) {
      std::memcpy(&word, at, kWord);
      if ((word & 0x8080808080808080U) != 0) break;
      at += kWord;
    }
    while (at < end && *at < 0x80) at++;
    if (at == end) return true;
    int more = 0;
    unsigned lowest = 0x80;
    unsigned highest = 0xBF;  // of the second byte: no overlong forms, no surrogates, no excess
    if (*at >= 0xC2 && *at <= 0xDF) {
      more = 1;
    } else if (*at >= 0xE0 && *at <= 0xEF) {
      more = 2;
      if (*at == 0xE0) lowest = 0xA0;
      if (*at == 0xED) highest = 0x9F;
    } else if (*at >= 0xF0 && *at <= 0xF4) {
      more = 3;
      if (*at == 0xF0) lowest = 0x90;
      if (*at == 0xF4) highest = 0x8F;
    } else {
      return false;
    }
    if (end - at <= more) return false;
    if (at[1] < lowest || at[1] > highest) return false;
    for (int i = 2; i <= more; i++) {
      if (at[i] < 0x80 || at[i] > 0xBF) return false;
    }
    at += more + 1;
  }
  return true;
}

}  // namespace tandem::sink

// Attribute values, items and their keys.
#include "sink/item.h"

#include <algorithm>

namespace tandem::sink {
namespace {

bool by_name(const AttributeMap::value_type& a, const AttributeMap::value_type& b) {
  return a.first < b.first;
}

}  // namespace

const char* type_name(AttributeType type) {
  switch (type) {
    case AttributeType::kNull:
      return "null";
    case AttributeType::kBool:
      return "a boolean";
    case AttributeType::kString:
      return "a string";
    case AttributeType::kNumber:
      return "a number";
    case AttributeType::kBinary:
      return "bytes";
    case AttributeType::kList:
      return "a list";
    case AttributeType::kMap:
      return "a map";
    default:
      return "a set";
  }
}

Attribute Attribute::boolean(bool value) {
  Attribute attribute;
  attribute.type_ = AttributeType::kBool;
  attribute.flag_ = value;
  return attribute;
}

Attribute Attribute::string(std::string text) {
  Attribute attribute;
  attribute.type_ = AttributeType::kString;
  attribute.text_ = std::move(text);
  return attribute;
}

Attribute Attribute::binary(std::string bytes) {
  Attribute attribute;
  attribute.type_ = AttributeType::kBinary;
  attribute.text_ = std::move(bytes);
  return attribute;
}

Attribute Attribute::list(AttributeList elements) {
  Attribute attribute;
  attribute.type_ = AttributeType::kList;
  attribute.list_ = std::move(elements);
  return attribute;
}

Attribute Attribute::map(AttributeMap entries) {
  Attribute attribute;
  attribute.type_ = AttributeType::kMap;
  attribute.map_ = std::move(entries);
  sort_map(attribute.map_);
  return attribute;
}

Attribute Attribute::set(AttributeType type, AttributeList elements) {
  Attribute attribute;
  attribute.type_ = type;
  attribute.list_ = std::move(elements);
  std::sort(attribute.list_.begin(), attribute.list_.end(),
            [](const Attribute& a, const Attribute& b) { return a.text_ < b.text_; });
  return attribute;
}

const Attribute* Attribute::find(std::string_view name) const {
  return type_ == AttributeType::kMap ? find_attribute(map_, name) : nullptr;
}

bool operator==(const Attribute& a, const Attribute& b) {
  return a.type_ == b.type_ && a.flag_ == b.flag_ && a.text_ == b.text_ && a.list_ == b.list_ &&
         a.map_ == b.map_;
}

void sort_map(AttributeMap& map) {
  if (std::is_sorted(map.begin(), map.end(), by_name)) {
    auto same = [](const auto& a, const auto& b) { return a.first == b.first; };
    if (std::adjacent_find(map.begin(), map.end(), same) == map.end()) return;
  }
  std::stable_sort(map.begin(), map.end(), by_name);
  // Of entries of one name the last one stands.
  auto out = map.begin();
  for (auto entry = map.begin(); entry != map.end(); ++entry) {
    auto next = std::next(entry);
    if (next != map.end() && next->first == entry->first) continue;
    if (out != entry) *out = std::move(*entry);
    ++out;
  }
  map.erase(out, map.end());
}

const Attribute* find_attribute(const Item& item, std::string_view name) {
  auto entry = std::lower_bound(
      item.begin(), item.end(), name,
      [](const Item::value_type& a, std::string_view wanted) { return a.first < wanted; });
  return entry != item.end() && entry->first == name ? &entry->second : nullptr;
}

}  // namespace tandem::sink

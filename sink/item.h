// Items of a document store: attribute values, an item's key, canonical hash and size.
//
// The model is DynamoDB's, because it is the strictest: string, number (decimal digits), binary,
// boolean, null, list, map. Canonical means: as the target stores it, so that equal hashes mean
// that a write would change nothing (1, 1.0 and 1.00 are one number).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/ledger.h"

namespace tandem::sink {

enum class AttributeType : std::uint8_t {
  kNull,
  kBool,
  kString,
  kNumber,
  kBinary,
  kList,
  kMap,
  kStringSet,
  kNumberSet,
  kBinarySet
};

/// "a string", "bytes", …, for people.
const char* type_name(AttributeType type);

class Attribute;
using AttributeMap =
    std::vector<std::pair<std::string, Attribute>>;  // sorted by name, unique, once sort_map() ran
using AttributeList = std::vector<Attribute>;

class Attribute {
 public:
  Attribute() = default;  // null
  static Attribute boolean(bool value);
  static Attribute string(std::string text);
  /// Plain or exponent notation, canonicalised by canonical_number(); throws InvalidItem if out of
  /// range.
  static Attribute number(std::string_view digits);
  static Attribute number(std::int64_t value);
  static Attribute number(double value);  // shortest decimal that reads back as the same double
  static Attribute binary(std::string bytes);
  static Attribute list(AttributeList elements);
  static Attribute map(AttributeMap entries);
  static Attribute set(AttributeType type, AttributeList elements);  // read from targets only

  AttributeType type() const { return type_; }
  bool is_null() const { return type_ == AttributeType::kNull; }
  bool as_bool() const { return flag_; }
  const std::string& text() const { return text_; }        // string, number, binary
  const AttributeList& elements() const { return list_; }  // list and sets
  const AttributeMap& entries() const { return map_; }
  AttributeList& elements() { return list_; }
  AttributeMap& entries() { return map_; }
  const Attribute* find(std::string_view name) const;  // of a map

  friend bool operator==(const Attribute& a, const Attribute& b);

 private:
  AttributeType type_ = AttributeType::kNull;
  bool flag_ = false;
  std::string text_;
  AttributeList list_;
  AttributeMap map_;
};

/// An item is a map of attributes, sorted by name.
using Item = AttributeMap;
void sort_map(AttributeMap& map);
const Attribute* find_attribute(const Item& item, std::string_view name);

/// What a target cannot hold: becomes a dead letter. The text is the reason for people.
class InvalidItem : public state::Error {
 public:
  using Error::Error;
};

/// The one spelling of a number that DynamoDB would give back: plain digits or, for very long ones,
/// with an exponent; no trailing zeros, no leading zeros, "0" for every zero. Throws InvalidItem
/// beyond 38 significant digits, above 9.9999…E+125 or nearer to zero than 1E-130, and for text
/// that is no number. Source: Amazon DynamoDB Developer Guide, "Naming rules and data types".
std::string canonical_number(std::string_view digits);

/// Hash of the item without `own_attribute` and the names in `volatile_names`.
state::Hash hash_item(const Item& item, std::string_view own_attribute,
                      const std::vector<std::string>& volatile_names);

/// Size in bytes as DynamoDB counts it (Developer Guide, "DynamoDB item sizes and formats").
std::size_t item_size(const Item& item);
inline constexpr std::size_t kMaximumItemSize = 409'600;  // 400 KB

/// The key attributes' canonical bytes: (type, value) of each in the table's key order,
/// self-delimiting.
std::string encode_key(const Item& item, const std::vector<std::string>& key_attributes);
/// The key attributes of such bytes, as an item of key attributes alone.
Item decode_key(std::string_view bytes, const std::vector<std::string>& key_attributes);
/// `PK=ARTIST#1 SK=METADATA`, for people.
std::string display_key(const Item& item, const std::vector<std::string>& key_attributes);

/// Our one attribute in an item: a map of v (version number), h (hash, hexadecimal), n
/// (pipeline/document) and, in a tombstone, d (true).
struct Stamp {
  state::Version version;
  state::Hash hash{};
  std::string name;  // "pipeline/document"
  bool deleted = false;
};
Attribute stamp_to_attribute(const Stamp& stamp);
/// Nothing when the item carries no (readable) stamp of ours.
std::optional<Stamp> stamp_of(const Item& item, std::string_view own_attribute);

/// DynamoDB's JSON ({"S": "x"}) and plain JSON for people and for `as: json`.
void write_dynamodb_json(const Attribute& attribute, std::string& out);
void write_dynamodb_json(const Item& item, std::string& out);
Item item_from_dynamodb_json(std::string_view json);
std::string to_plain_json(const Item& item, int indent = -1);
std::string to_plain_json(const Attribute& attribute);
/// Parses JSON text into maps and lists with exact numbers. Throws InvalidItem.
Attribute attribute_from_json(std::string_view json);

}  // namespace tandem::sink

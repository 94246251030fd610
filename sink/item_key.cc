// An item's key as canonical bytes, and our own stamp in an item.
//
// A key is, for each key attribute in the table's order:
//
//   +------+-----------------+----------------+
//   | type | length (varint) | length bytes   |     type: 'S' string, 'N' number, 'B' binary
//   +------+-----------------+----------------+
//
// The varint has seven bits a byte, least significant first, the high bit meaning that more come.
// A number is its canonical digits, so that equal keys are equal bytes.
#include "sink/item.h"

namespace tandem::sink {
namespace {

char type_letter(AttributeType type) {
  switch (type) {
    case AttributeType::kString:
      return 'S';
    case AttributeType::kNumber:
      return 'N';
    case AttributeType::kBinary:
      return 'B';
    default:
      return 0;
  }
}

[[noreturn]] void malformed() {
  throw state::Error("the bytes of an item's key are malformed", "ledger",
                     "the state directory is damaged: run tandem reset, then tandem run");
}

std::string display_value(const Attribute& value) {
  switch (value.type()) {
    case AttributeType::kString:
    case AttributeType::kNumber:
      return value.text();
    case AttributeType::kBinary: {
      constexpr char kDigits[] = "0123456789abcdef";
      std::string text = "x'";
      for (char letter : value.text()) {
        auto byte = static_cast<unsigned char>(letter);
        text.push_back(kDigits[byte >> 4U]);
        text.push_back(kDigits[byte & 15U]);
      }
      return text + "'";
    }
    default:
      return to_plain_json(value);
  }
}

}  // namespace

std::string encode_key(const Item& item, const std::vector<std::string>& key_attributes) {
  std::string out;
  for (const std::string& name : key_attributes) {
    const Attribute* value = find_attribute(item, name);
    if (value == nullptr) {
      throw InvalidItem("the key attribute " + name + " is missing",
                        display_key(item, key_attributes),
                        "a null in a key template leaves it out: give the column a value");
    }
    char letter = type_letter(value->type());
    if (letter == 0) {
      throw InvalidItem("the key attribute " + name + " is no string, number or bytes",
                        display_key(item, key_attributes), "change its template");
    }
    out.push_back(letter);
    std::size_t length = value->text().size();
    while (length >= 0x80) {
      out.push_back(static_cast<char>(0x80U | (length & 0x7FU)));
      length >>= 7U;
    }
    out.push_back(static_cast<char>(length));
    out += value->text();
  }
  return out;
}

Item decode_key(std::string_view bytes, const std::vector<std::string>& key_attributes) {
  Item item;
  for (const std::string& name : key_attributes) {
    if (bytes.empty()) malformed();
    char letter = bytes.front();
    bytes.remove_prefix(1);
    std::size_t length = 0;
    unsigned shift = 0;
    for (bool more = true; more; shift += 7) {
      if (bytes.empty() || shift > 28) malformed();
      auto byte = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      length |= static_cast<std::size_t>(byte & 0x7FU) << shift;
      more = (byte & 0x80U) != 0;
    }
    if (length > bytes.size()) malformed();
    std::string text(bytes.substr(0, length));
    bytes.remove_prefix(length);
    switch (letter) {
      case 'S':
        item.emplace_back(name, Attribute::string(std::move(text)));
        break;
      case 'N':
        item.emplace_back(name, Attribute::number(text));
        break;
      case 'B':
        item.emplace_back(name, Attribute::binary(std::move(text)));
        break;
      default:
        malformed();
    }
  }
  if (!bytes.empty()) malformed();
  sort_map(item);
  return item;
}

std::string display_key(const Item& item, const std::vector<std::string>& key_attributes) {
  std::string text;
  for (const std::string& name : key_attributes) {
    if (!text.empty()) text += " ";
    const Attribute* value = find_attribute(item, name);
    text += name + "=" + (value == nullptr ? "(none)" : display_value(*value));
  }
  return text;
}

Attribute stamp_to_attribute(const Stamp& stamp) {
  AttributeMap entries;
  entries.reserve(4);
  if (stamp.deleted) entries.emplace_back("d", Attribute::boolean(true));
  entries.emplace_back("h", Attribute::string(state::to_hex(stamp.hash)));
  entries.emplace_back("n", Attribute::string(stamp.name));
  entries.emplace_back("v", Attribute::number(stamp.version.to_number()));
  return Attribute::map(std::move(entries));
}

std::optional<Stamp> stamp_of(const Item& item, std::string_view own_attribute) {
  const Attribute* own = find_attribute(item, own_attribute);
  if (own == nullptr) return std::nullopt;
  const Attribute* version = own->find("v");
  const Attribute* hash = own->find("h");
  const Attribute* name = own->find("n");
  if (version == nullptr || version->type() != AttributeType::kNumber) return std::nullopt;
  std::optional<state::Version> number = state::Version::from_number(version->text());
  if (!number.has_value()) return std::nullopt;
  Stamp stamp;
  stamp.version = *number;
  // A hash that cannot be read equals none that is built: the item is written again.
  if (hash != nullptr) stamp.hash = state::hash_from_hex(hash->text()).value_or(state::Hash{});
  if (name != nullptr && name->type() == AttributeType::kString) stamp.name = name->text();
  const Attribute* deleted = own->find("d");
  stamp.deleted = deleted != nullptr && deleted->as_bool();
  return stamp;
}

}  // namespace tandem::sink

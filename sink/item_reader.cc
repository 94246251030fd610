#include "sink/item_reader.h"

#include "state/base64.h"

namespace tandem::sink {
namespace {

using state::decode_base64;

Attribute read_binary(JsonReader& reader) {
  std::optional<std::string> bytes = decode_base64(reader.string());
  if (!bytes.has_value()) reader.fail("bytes that are not base64");
  return Attribute::binary(std::move(*bytes));
}

template <typename ReadElement>
AttributeList read_list(JsonReader& reader, ReadElement&& read_element) {
  AttributeList elements;
  reader.array([&] { elements.push_back(read_element(reader)); });
  return elements;
}

Attribute read_string(JsonReader& reader) { return Attribute::string(reader.string()); }
Attribute read_number(JsonReader& reader) { return Attribute::number(reader.string()); }

Attribute read_tagged(JsonReader& reader, const std::string& tag) {
  if (tag == "S") return read_string(reader);
  if (tag == "N") return read_number(reader);
  if (tag == "B") return read_binary(reader);
  if (tag == "BOOL") return Attribute::boolean(reader.boolean());
  if (tag == "NULL") {
    reader.boolean();
    return {};
  }
  if (tag == "M") return Attribute::map(read_dynamodb_item(reader));
  if (tag == "L") return Attribute::list(read_list(reader, read_dynamodb_value));
  if (tag == "SS") return Attribute::set(AttributeType::kStringSet, read_list(reader, read_string));
  if (tag == "NS") return Attribute::set(AttributeType::kNumberSet, read_list(reader, read_number));
  if (tag == "BS") return Attribute::set(AttributeType::kBinarySet, read_list(reader, read_binary));
  reader.fail("a value of unknown type");
}

Attribute read_plain(JsonReader& reader) {
  switch (reader.peek()) {
    case '{': {
      AttributeMap entries;
      reader.object(
          [&](std::string name) { entries.emplace_back(std::move(name), read_plain(reader)); });
      return Attribute::map(std::move(entries));
    }
    case '[':
      return Attribute::list(read_list(reader, read_plain));
    case '"':
      return read_string(reader);
    case 't':
    case 'f':
      return Attribute::boolean(reader.boolean());
    case 'n':
      reader.null();
      return {};
    default:
      return Attribute::number(reader.number());
  }
}

}  // namespace

Attribute read_dynamodb_value(JsonReader& reader) {
  Attribute value;
  int members = 0;
  reader.object([&](const std::string& tag) {
    value = read_tagged(reader, tag);
    members++;
  });
  if (members != 1) reader.fail("a value needs exactly one type");
  return value;
}

Item read_dynamodb_item(JsonReader& reader) {
  Item item;
  reader.object(
      [&](std::string name) { item.emplace_back(std::move(name), read_dynamodb_value(reader)); });
  sort_map(item);
  return item;
}

Item item_from_dynamodb_json(std::string_view json) {
  JsonReader reader(json);
  Item item = read_dynamodb_item(reader);
  reader.end();
  return item;
}

Attribute attribute_from_json(std::string_view json) {
  JsonReader reader(json);
  Attribute attribute = read_plain(reader);
  reader.end();
  return attribute;
}

}  // namespace tandem::sink

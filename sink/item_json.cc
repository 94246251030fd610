// Items as text: DynamoDB's JSON, where each value names its type, and plain JSON for people.
//
//   {"S": "x"} {"N": "1.5"} {"B": "base64"} {"BOOL": true} {"NULL": true}
//   {"L": [value, …]} {"M": {"name": value, …}} {"SS": ["x", …]} {"NS": […]} {"BS": […]}
#include "sink/item.h"
#include "sink/item_check.h"
#include "state/base64.h"
#include "state/json_string.h"

namespace tandem::sink {
namespace {

using state::append_base64;
using state::append_json_string;

void append_set(const char* tag, const Attribute& set, std::string& out) {
  out += tag;
  out += '[';
  bool first = true;
  for (const Attribute& element : set.elements()) {
    if (!first) out.push_back(',');
    first = false;
    if (element.type() == AttributeType::kBinary) {
      out.push_back('"');
      append_base64(element.text(), out);
      out.push_back('"');
    } else {
      append_json_string(element.text(), out);
    }
  }
  out += "]}";
}

/// For people: what is not UTF-8 is shown byte by byte as U+FFFD, so that the output is JSON.
void append_shown_string(std::string_view text, std::string& out) {
  if (is_utf8(text)) {
    append_json_string(text, out);
    return;
  }
  std::string shown;
  for (char letter : text) {
    if (static_cast<unsigned char>(letter) < 0x80) {
      shown.push_back(letter);
    } else {
      shown += "\xEF\xBF\xBD";
    }
  }
  append_json_string(shown, out);
}

void append_line(int indent, int level, std::string& out) {
  if (indent < 0) return;
  out.push_back('\n');
  out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
}

void append_plain(const Attribute& attribute, int indent, int level, std::string& out);

void append_plain_map(const AttributeMap& entries, int indent, int level, std::string& out) {
  out.push_back('{');
  bool first = true;
  for (const auto& [name, value] : entries) {
    if (!first) out.push_back(',');
    first = false;
    append_line(indent, level + 1, out);
    append_shown_string(name, out);
    out += indent < 0 ? ":" : ": ";
    append_plain(value, indent, level + 1, out);
  }
  if (!first) append_line(indent, level, out);
  out.push_back('}');
}

void append_plain(const Attribute& attribute, int indent, int level, std::string& out) {
  switch (attribute.type()) {
    case AttributeType::kNull:
      out += "null";
      return;
    case AttributeType::kBool:
      out += attribute.as_bool() ? "true" : "false";
      return;
    case AttributeType::kString:
      append_shown_string(attribute.text(), out);
      return;
    case AttributeType::kNumber:
      out += attribute.text();
      return;
    case AttributeType::kBinary:
      out.push_back('"');
      append_base64(attribute.text(), out);
      out.push_back('"');
      return;
    case AttributeType::kMap:
      append_plain_map(attribute.entries(), indent, level, out);
      return;
    default: {
      out.push_back('[');
      bool first = true;
      for (const Attribute& element : attribute.elements()) {
        if (!first) out.push_back(',');
        first = false;
        append_line(indent, level + 1, out);
        append_plain(element, indent, level + 1, out);
      }
      if (!first) append_line(indent, level, out);
      out.push_back(']');
    }
  }
}

}  // namespace

void write_dynamodb_json(const Attribute& attribute, std::string& out) {
  switch (attribute.type()) {
    case AttributeType::kNull:
      out += R"({"NULL":true})";
      return;
    case AttributeType::kBool:
      out += attribute.as_bool() ? R"({"BOOL":true})" : R"({"BOOL":false})";
      return;
    case AttributeType::kString:
      out += R"({"S":)";
      append_json_string(attribute.text(), out);
      out.push_back('}');
      return;
    case AttributeType::kNumber:
      out += R"({"N":")";
      out += attribute.text();
      out += "\"}";
      return;
    case AttributeType::kBinary:
      out += R"({"B":")";
      append_base64(attribute.text(), out);
      out += "\"}";
      return;
    case AttributeType::kMap:
      out += R"({"M":)";
      write_dynamodb_json(attribute.entries(), out);
      out.push_back('}');
      return;
    case AttributeType::kList: {
      out += R"({"L":[)";
      bool first = true;
      for (const Attribute& element : attribute.elements()) {
        if (!first) out.push_back(',');
        first = false;
        write_dynamodb_json(element, out);
      }
      out += "]}";
      return;
    }
    case AttributeType::kStringSet:
      append_set(R"({"SS":)", attribute, out);
      return;
    case AttributeType::kNumberSet:
      append_set(R"({"NS":)", attribute, out);
      return;
    case AttributeType::kBinarySet:
      append_set(R"({"BS":)", attribute, out);
      return;
  }
}

void write_dynamodb_json(const Item& item, std::string& out) {
  out.push_back('{');
  bool first = true;
  for (const auto& [name, value] : item) {
    if (!first) out.push_back(',');
    first = false;
    append_json_string(name, out);
    out.push_back(':');
    write_dynamodb_json(value, out);
  }
  out.push_back('}');
}

std::string to_plain_json(const Item& item, int indent) {
  std::string out;
  append_plain_map(item, indent, 0, out);
  return out;
}

std::string to_plain_json(const Attribute& attribute) {
  std::string out;
  append_plain(attribute, -1, 0, out);
  return out;
}

}  // namespace tandem::sink

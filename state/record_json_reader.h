// Our own records' parts out of JSON: the other way round of record_json.h. Private to
// message_reader.cc.
//
// Promise: everything is taken for hostile until it is read; what record_json.h does not write is
// an Error that names the message. One thread.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "state/record.h"

namespace tandem::state {

class RecordJsonReader {
 public:
  using Element = simdjson::dom::element;
  using Array = simdjson::dom::array;

  /// `where` names the topic in errors.
  explicit RecordJsonReader(std::string where) : where_(std::move(where)) {}

  /// What is read from here on is the message at this offset.
  void at(Offset offset) { offset_ = offset; }
  /// Throws the Error for a message of which `what` shows that Tandem did not write it.
  [[noreturn]] void foreign(const std::string& what) const;

  template <typename Type, typename Parent>
  Type get(const Parent& parent, const char* name) const {
    Type value;
    if (parent[name].get(value) != simdjson::SUCCESS) foreign(std::string("`") + name + "`");
    return value;
  }

  /// Of a form that is told apart from it; of none, it is what JSON says.
  Value value(Element json, std::string_view form) const;
  /// Those that say their own form.
  Value telling(Element json) const;
  Row telling_row(Array json) const;
  std::string text(Element json) const;
  /// Those that stand as members in `json`.
  SourcePosition position(Element json) const;
  Checkpoint checkpoint(Element json) const;
  SchemaRecord schema(Element json) const;

 private:
  std::vector<int> indexes(Array json, std::size_t limit) const;

  const std::string where_;
  Offset offset_ = 0;
};

}  // namespace tandem::state

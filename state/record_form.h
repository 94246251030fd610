// Records as bytes: the payload of a block of the embedded log, drawn in record_form.cc.
//
// Promise: what RecordWriter wrote RecordParser gives back exactly; anything else makes it throw
// Error before it asks for memory that the bytes do not account for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "state/record.h"

namespace tandem::state {

/// Appends to `out`, and counts the values that went by. Throws Error for an index that points at
/// no table of the batch or no column of its schema.
class RecordWriter {
 public:
  explicit RecordWriter(std::string& out) : out_(out) {}
  void tables(const std::vector<std::string>& names);
  void record(const Record& record);
  std::size_t values() const { return values_; }

 private:
  void write(const Epoch& record);
  void write(const Begin& record);
  void write(const Change& record);
  void write(const Chunk& record);
  void write(const SchemaRecord& record);
  void write(const End& record);
  void write(const Heartbeat& record);
  void write(const Gap& record);

  void byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void number(std::uint64_t value);
  void fixed64(std::uint64_t value);
  void text(std::string_view bytes);
  void row(const Row& values);
  void rows(const std::vector<Row>& all);
  void position(const SourcePosition& position);
  void checkpoint(const Checkpoint& checkpoint);
  void indexes(const std::vector<int>& all, std::size_t limit);
  void table(std::uint32_t index);
  void schema(const TableSchema& schema);

  std::string& out_;
  std::size_t table_count_ = 0;
  std::size_t values_ = 0;
};

/// Takes what was written off the front of `bytes`, in the order of writing.
class RecordParser {
 public:
  /// `where` names the file in errors; it and the bytes must outlive the parser.
  RecordParser(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  std::vector<std::string> tables();  // first; records refer to them
  Record record();
  bool at_end() const { return bytes_.empty(); }

 private:
  [[noreturn]] void damaged(const char* what) const;
  std::uint64_t number();
  std::uint8_t byte();
  std::uint64_t fixed64();
  std::string_view take(std::uint64_t size);
  std::string text();
  std::size_t count();
  bool flag();
  std::uint32_t table();
  Row row();
  std::vector<Row> rows();
  SourcePosition position();
  Checkpoint checkpoint();
  std::vector<int> indexes(std::size_t limit);
  TableSchema schema();
  Record change(std::uint8_t tag);
  Chunk chunk();

  std::string_view bytes_;
  const std::string& where_;
  std::size_t table_count_ = 0;
};

/// The error of every damaged block.
[[noreturn]] void throw_damaged(const std::string& what, const std::string& where);

}  // namespace tandem::state

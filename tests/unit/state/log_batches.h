// Small batches that obey the log's grammar, and reading a whole log back, for tests.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "state/change_log.h"

namespace tandem::state {

inline Checkpoint checkpoint_at(std::uint64_t commit) {
  Checkpoint made;
  made.position = {commit, 0};
  made.tables = {{"t", 7, false, {}}};
  made.source_state = "state";
  return made;
}

/// One transaction at `commit` with `changes` changes, each with a text of `size` bytes.
inline std::shared_ptr<Batch> transaction_at(std::uint64_t commit, int changes = 1,
                                             std::size_t size = 20) {
  auto made = std::make_shared<Batch>();
  std::uint32_t table = made->table_index("t");
  made->records.emplace_back(Begin{{commit, 0}, 1});
  for (int i = 0; i < changes; ++i) {
    std::string text(size, '\0');
    std::uint64_t noise = commit * 1'000'003 + static_cast<std::uint64_t>(i);
    for (char& c : text) {
      noise = noise * 6364136223846793005U + 1442695040888963407U;
      c = static_cast<char>('a' + (noise >> 60U));
    }
    made->records.emplace_back(
        Change{Op::kCreate, table, {}, {Value::integer(i), Value::text(std::move(text))}});
  }
  made->records.emplace_back(End{checkpoint_at(commit)});
  return made;
}

inline std::shared_ptr<Batch> batch_of(std::vector<Record> records) {
  auto made = std::make_shared<Batch>();
  made->tables = {"t"};
  made->records = std::move(records);
  return made;
}

/// All records from `from` on, with their offsets checked for density.
inline std::vector<Record> read_all(ChangeLog& log, Offset from = 1) {
  std::vector<Record> all;
  auto reader = log.reader(from);
  Offset expected = from;
  while (expected < log.next()) {
    auto batch = reader->next(std::chrono::milliseconds(1000), {});
    if (batch == nullptr) break;
    for (std::size_t i = 0; i < batch->records.size(); ++i) {
      if (batch->offsets.at(i) != expected++) return {};
      all.push_back(batch->records[i]);
    }
  }
  return all;
}

}  // namespace tandem::state

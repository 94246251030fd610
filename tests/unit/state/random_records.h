// Random rows, records and batches for property tests: every record type, every kind of value, with
// the awkward ones often.
#pragma once

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "state/record.h"

namespace tandem::state {

class RandomRecords {
 public:
  explicit RandomRecords(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  std::string bytes(std::size_t longest) {
    std::string made(below(longest + 1), '\0');
    for (char& c : made) c = static_cast<char>(below(4) == 0 ? random_() : 'a' + below(8));
    return made;
  }

  Value value() {
    switch (below(12)) {
      case 0:
        return Value::null();
      case 1:
        return Value::unchanged();
      case 2:
        return Value::integer(std::numeric_limits<std::int64_t>::min());
      case 3:
        return Value::integer(std::numeric_limits<std::int64_t>::max());
      case 4:
        return Value::integer(static_cast<std::int64_t>(random_()) >> below(64));
      case 5: {
        static constexpr double kAwkward[] = {-0.0,
                                              0.0,
                                              1e308,
                                              5e-324,
                                              0.1,
                                              std::numeric_limits<double>::infinity(),
                                              std::numeric_limits<double>::quiet_NaN()};
        return Value::real(kAwkward[below(std::size(kAwkward))]);
      }
      case 6:
        return Value::text("");
      case 7:
        return Value::blob("");
      case 8:
        return Value::blob(bytes(40));
      default:
        return Value::text(bytes(40));
    }
  }

  Row row(std::size_t most = 6) {
    Row made(below(most + 1));
    for (Value& one : made) one = value();
    return made;
  }

  Checkpoint checkpoint() {
    Checkpoint made;
    made.position = {random_() >> below(64), random_() >> below(64)};
    made.tables.resize(below(4));
    for (TableProgress& progress : made.tables) {
      progress = {bytes(12), random_(), below(2) == 0, row()};
    }
    made.source_state = bytes(60);
    return made;
  }

  TableSchema schema() {
    TableSchema made;
    made.name = bytes(20);
    made.columns.resize(below(5));
    for (Column& column : made.columns) {
      column = {bytes(10), bytes(10), bytes(6), static_cast<ColumnForm>(below(9)), below(2) == 0};
    }
    if (!made.columns.empty()) {
      made.key.resize(1 + below(3));
      for (int& index : made.key) index = static_cast<int>(below(made.columns.size()));
      made.unique_keys.assign(below(3), made.key);
    }
    return made;
  }

  Record record(std::size_t tables) {
    auto table = static_cast<std::uint32_t>(below(tables));
    auto rows = [this] {
      std::vector<Row> made(below(4));
      for (Row& one : made) one = row();
      return made;
    };
    switch (below(10)) {
      case 0:
        return Epoch{random_() >> below(64)};
      case 1:
        return Begin{{random_() >> below(64), below(3)}, static_cast<std::int64_t>(random_())};
      case 2:
        return Chunk{table, row(), row(), rows(), rows()};
      case 3:
        return SchemaRecord{schema(), below(2) == 0};
      case 4:
        return End{checkpoint()};
      case 5:
        return Heartbeat{checkpoint(), static_cast<std::int64_t>(random_())};
      case 6:
        return Gap{bytes(50)};
      default:
        return Change{static_cast<Op>(below(4)), table, row(), row(),
                      below(4) == 0 ? std::optional<std::uint32_t>(below(300)) : std::nullopt};
    }
  }

  Batch batch(std::size_t most) {
    Batch made;
    made.tables.resize(1 + below(4));
    for (std::string& name : made.tables) name = bytes(15);
    made.records.resize(1 + below(most));
    for (Record& one : made.records) one = record(made.tables.size());
    return made;
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace tandem::state

// Equality of records, bit for bit, for tests.
#pragma once

#include <algorithm>
#include <type_traits>
#include <variant>
#include <vector>

#include "state/record.h"

namespace tandem::state {

inline bool same_record(const Record& a, const Record& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&b](const auto& x) {
        using Kind = std::decay_t<decltype(x)>;
        const Kind& y = std::get<Kind>(b);
        if constexpr (std::is_same_v<Kind, Epoch>) {
          return x.epoch == y.epoch;
        } else if constexpr (std::is_same_v<Kind, Begin>) {
          return x.position == y.position && x.ts_ms == y.ts_ms;
        } else if constexpr (std::is_same_v<Kind, Change>) {
          return x.op == y.op && x.table == y.table && x.key_before == y.key_before &&
                 x.after == y.after && x.above == y.above;
        } else if constexpr (std::is_same_v<Kind, Chunk>) {
          return x.table == y.table && x.from == y.from && x.to == y.to && x.rows == y.rows &&
                 x.touched == y.touched;
        } else if constexpr (std::is_same_v<Kind, SchemaRecord>) {
          return x.schema == y.schema && x.reread == y.reread;
        } else if constexpr (std::is_same_v<Kind, End>) {
          return x.checkpoint == y.checkpoint;
        } else if constexpr (std::is_same_v<Kind, Heartbeat>) {
          return x.checkpoint == y.checkpoint && x.ts_ms == y.ts_ms;
        } else {
          return x.reason == y.reason;
        }
      },
      a);
}

inline bool same_records(const std::vector<Record>& a, const std::vector<Record>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_record);
}

}  // namespace tandem::state

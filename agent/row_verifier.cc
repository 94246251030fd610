#include "agent/row_verifier.h"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "state/patience.h"

namespace tandem::agent {
namespace {

constexpr std::size_t kPage = 2000;
constexpr std::chrono::milliseconds kBetweenLooks{50};  // at the source's catalog
constexpr std::chrono::milliseconds kPause{10};         // between two looks at the replica

// The replica's rows of one table, by key and by key range.
class ReplicaRows {
 public:
  ReplicaRows(state::Database& database, const state::TableSchema& schema) : schema_(schema) {
    std::string columns;
    for (const state::Column& column : schema.columns) {
      columns += (columns.empty() ? "" : ", ") + state::quote_identifier(column.name);
    }
    std::string key;
    std::string marks;
    std::string same;
    for (int index : schema.key) {
      std::string name =
          state::quote_identifier(schema.columns[static_cast<std::size_t>(index)].name);
      key += (key.empty() ? "" : ", ") + name;
      marks += marks.empty() ? "?" : ", ?";
      same += (same.empty() ? "" : " AND ") + name + " IS ?";
    }
    std::string from =
        "SELECT " + columns + " FROM " + state::quote_identifier(schema.name) + " WHERE ";
    std::string after = "(" + key + ") > (" + marks + ")";
    std::string until = "(" + key + ") <= (" + marks + ")";
    one_ = database.prepare(from + same);
    all_ = database.prepare(from + "1");
    after_ = database.prepare(from + after);
    until_ = database.prepare(from + until);
    between_ = database.prepare(from + after + " AND " + until);
    const std::string keys = "SELECT " + key + " FROM " + state::quote_identifier(schema.name);
    const std::string page = " ORDER BY " + key + " LIMIT " + std::to_string(kPage);
    first_keys_ = database.prepare(keys + page);
    keys_after_ = database.prepare(keys + " WHERE " + after + page);
  }

  std::map<std::string, state::Row> range(const state::Row& from, const state::Row& to) {
    state::Statement& select =
        from.empty() ? (to.empty() ? all_ : until_) : (to.empty() ? after_ : between_);
    int next = 1;
    if (!from.empty()) {
      select.bind_row(next, from);
      next += static_cast<int>(from.size());
    }
    if (!to.empty()) select.bind_row(next, to);
    std::map<std::string, state::Row> rows;
    while (select.step()) {
      state::Row row = select.row(0, static_cast<int>(schema_.columns.size()));
      std::string key = state::encode_row(schema_.key_of(row));
      rows.emplace(std::move(key), std::move(row));
    }
    select.reset();
    return rows;
  }

  /// The next page of keys in the replica's own order; `after` empty: from the start.
  std::vector<state::Row> keys(const state::Row& after) {
    state::Statement& select = after.empty() ? first_keys_ : keys_after_;
    if (!after.empty()) select.bind_row(1, after);
    std::vector<state::Row> keys;
    while (select.step()) keys.push_back(select.row(0, static_cast<int>(schema_.key.size())));
    select.reset();
    return keys;
  }

  std::optional<state::Row> find(const state::Row& key) {
    one_.bind_row(1, key);
    std::optional<state::Row> row;
    if (one_.step()) row = one_.row(0, static_cast<int>(schema_.columns.size()));
    one_.reset();
    return row;
  }

 private:
  const state::TableSchema& schema_;
  state::Statement one_, all_, after_, until_, between_, first_keys_, keys_after_;
};

class Verifier {
 public:
  Verifier(capture::SourceReader& source, const RowVerifierOptions& options, std::stop_token stop)
      : source_(source),
        options_(options),
        stop_(std::move(stop)),
        replica_(options.replica_path) {}

  RowReport run(const std::vector<std::string>& tables) {
    replica_.renew();
    for (const std::string& table : tables) {
      if (!whole(table)) {
        report_.not_whole.push_back(table);
        continue;
      }
      if (!is_known(table)) {
        report_.changed.push_back(table);
        continue;
      }
      // Capture may have caught up with a change of columns meanwhile.
      std::optional<state::TableSchema> schema = whole(table);
      if (!schema) {
        report_.not_whole.push_back(table);
        continue;
      }
      if (schema->has_ordered_key()) {
        compare_ranges(*schema);
      } else {
        compare_keys(*schema);
      }
      if (stop_.stop_requested()) break;
    }
    return std::move(report_);
  }

 private:
  // The table as the replica has it, if all of it is there.
  std::optional<state::TableSchema> whole(const std::string& table) {
    auto known = replica_.tables();
    auto found = known.find(table);
    if (found == known.end() || !found->second.whole) return std::nullopt;
    return found->second.schema;
  }

  // Whether the source's table has the columns and the key that the replica has. One that is on its
  // way is waited for.
  bool is_known(const std::string& table) {
    state::Patience::Wait wait(patience_);
    for (;;) {
      capture::Catalog catalog = options_.catalog();
      const capture::CatalogTable* source = catalog.find(table);
      replica_.renew();
      auto known = replica_.tables();
      auto found = known.find(table);
      if (source != nullptr && found != known.end() &&
          source->schema.fingerprint() == found->second.schema.fingerprint()) {
        return true;
      }
      if (wait.is_over() || stop_.stop_requested()) return false;
      wait.pause(kBetweenLooks);
    }
  }

  // Range for range: what the source has in it, and the replica beyond that.
  void compare_ranges(const state::TableSchema& schema) {
    ReplicaRows rows(replica_.database(), schema);
    state::Row from;
    std::int64_t before = report_.rows;
    for (;;) {
      auto page = source_.read(schema, from, kPage);
      report_.position = std::max(report_.position, page.position.commit);
      report_.rows += static_cast<std::int64_t>(page.rows.size());
      replica_.renew();
      auto standing = rows.range(from, page.to);
      std::vector<state::Row> candidates;
      for (const state::Row& row : page.rows) {
        state::Row key = schema.key_of(row);
        auto found = standing.find(state::encode_row(key));
        if (found == standing.end() || found->second != row) candidates.push_back(std::move(key));
        if (found != standing.end()) standing.erase(found);
      }
      for (const auto& [bytes, row] : standing) candidates.push_back(schema.key_of(row));
      recheck(schema, rows, candidates, page.position);
      if (options_.progress) options_.progress(schema.name, report_.rows - before);
      if (page.to.empty() || stop_.stop_requested()) return;
      from = std::move(page.to);
    }
  }

  // The source orders its keys otherwise than the replica, so a range means other rows there. First
  // the source's rows are looked up here, then the replica's keys there.
  void compare_keys(const state::TableSchema& schema) {
    ReplicaRows rows(replica_.database(), schema);
    const std::int64_t before = report_.rows;
    for (state::Row from;;) {
      auto page = source_.read(schema, from, kPage);
      report_.position = std::max(report_.position, page.position.commit);
      report_.rows += static_cast<std::int64_t>(page.rows.size());
      replica_.renew();
      std::vector<state::Row> candidates;
      for (const state::Row& row : page.rows) {
        state::Row key = schema.key_of(row);
        if (rows.find(key) != row) candidates.push_back(std::move(key));
      }
      recheck(schema, rows, candidates, page.position);
      if (options_.progress) options_.progress(schema.name, report_.rows - before);
      if (stop_.stop_requested()) return;
      if (page.to.empty()) break;
      from = std::move(page.to);
    }
    for (state::Row from;;) {
      replica_.renew();
      const std::vector<state::Row> keys = rows.keys(from);
      if (keys.empty() || stop_.stop_requested()) return;
      std::set<std::string> there;
      auto page = source_.read_rows(schema, keys);
      for (const state::Row& row : page.rows) {
        there.insert(state::encode_row(schema.key_of(row)));
      }
      std::vector<state::Row> candidates;
      for (const state::Row& key : keys) {
        if (!there.contains(state::encode_row(key))) candidates.push_back(key);
      }
      recheck(schema, rows, candidates, page.position);
      from = keys.back();
    }
  }

  // Of rows that were read at `position` and differ. With no patience left, what is behind that
  // needs no second look: asking the source for each row of a large table would take for ever.
  void recheck(const state::TableSchema& schema, ReplicaRows& rows,
               const std::vector<state::Row>& keys, state::SourcePosition position) {
    for (const state::Row& key : keys) {
      if (patience_.is_over() && !passed(position)) {
        ++report_.pending;
      } else {
        recheck(schema, rows, key);
      }
      if (stop_.stop_requested()) return;
    }
  }

  // Source, replica, source again: a replica that differs from a source that stood still differs
  // for good.
  void recheck(const state::TableSchema& schema, ReplicaRows& rows, const state::Row& key) {
    state::Patience::Wait wait(patience_);
    for (;;) {
      auto [first, position] = source_.read_row(schema, key);
      while (!passed(position) && !wait.is_over() && !stop_.stop_requested()) wait.pause(kPause);
      replica_.renew();
      bool level = replica_.position().source.commit >= position.commit;
      std::optional<state::Row> replica = rows.find(key);
      auto [second, later] = source_.read_row(schema, key);
      if (level && first == second) {
        if (first != replica) add(schema, key, std::move(first), std::move(replica));
        return;
      }
      if (wait.is_over() || stop_.stop_requested()) {
        ++report_.pending;
        return;
      }
      wait.pause(kPause);
    }
  }

  bool passed(state::SourcePosition position) {
    replica_.renew();
    return replica_.position().source.commit >= position.commit;
  }

  void add(const state::TableSchema& schema, const state::Row& key,
           std::optional<state::Row> source, std::optional<state::Row> replica) {
    RowDifference difference{schema.name, key, std::move(source), std::move(replica), {}};
    if (difference.source && difference.replica) {
      for (std::size_t i = 0; i < schema.columns.size(); ++i) {
        if (!((*difference.source)[i] == (*difference.replica)[i])) {
          difference.columns.push_back(schema.columns[i].name);
        }
      }
    }
    report_.differences.push_back(std::move(difference));
  }

  capture::SourceReader& source_;
  const RowVerifierOptions& options_;
  state::Patience patience_{options_.patience};  // with rows that are on their way
  std::stop_token stop_;
  state::ReplicaReader replica_;
  RowReport report_;
};

}  // namespace

RowReport verify_rows(capture::SourceReader& source, const std::vector<std::string>& tables,
                      const RowVerifierOptions& options, std::stop_token stop) {
  return Verifier(source, options, std::move(stop)).run(tables);
}

}  // namespace tandem::agent

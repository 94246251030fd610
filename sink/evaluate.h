// Turns the values of a plan into attributes, from the rows that the levels' statements stand on.
// Private to the builder. One thread. Errors: InvalidItem, whose `where` is the attribute's path.
#pragma once

#include <optional>
#include <vector>

#include "sink/document_plan.h"
#include "state/sqlite.h"

namespace tandem::sink {

/// A value that is not null as the target's type for it.
Attribute to_attribute(const state::Value& value, state::ColumnForm form);

/// Where one level stands: on a row, with what the levels below have found for it.
struct Frame {
  const state::Statement* rows = nullptr;
  std::vector<std::optional<Attribute>> results;
};

class Evaluator {
 public:
  explicit Evaluator(std::vector<Frame>& frames) : frames_(frames) {}

  /// False if the value is to be left out.
  bool evaluate(const ValuePlan& value, Attribute& out);
  AttributeMap evaluate(const MapPlan& map);

  void set_page(std::int64_t page) { page_ = page; }
  /// Results are moved out of their frames, unless several pages share them.
  void share_results(bool shared) { shared_ = shared; }

 private:
  bool column(const ColumnPlan& plan, Attribute& out);
  bool text(const TextPlan& plan, std::string& out);
  bool typed(const TypedPlan& plan, Attribute& out);
  /// The value that a `$value` maps and types; null if any of it is null.
  state::Value value_of(const ValuePlan& value);

  std::vector<Frame>& frames_;
  std::int64_t page_ = 0;
  bool shared_ = false;
};

}  // namespace tandem::sink

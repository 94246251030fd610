#include "sink/builder.h"

#include <algorithm>

#include "sink/aggregate.h"
#include "sink/document_plan.h"
#include "sink/row_reader.h"

namespace tandem::sink {

class Builder::Impl {
 public:
  Impl(state::Database& replica, std::shared_ptr<const Document> document,
       std::string own_attribute)
      : replica_(replica),
        document_(std::move(document)),
        plan_(document_->plan()),
        own_attribute_(std::move(own_attribute)),
        rows_(replica, plan_),
        evaluator_(rows_.frames()),
        aggregates_(plan_.levels.size()) {
    for (std::size_t i = 0; i < plan_.levels.size(); ++i) {
      for (const AggregatePlan& aggregate : plan_.levels[i].aggregates) {
        aggregates_[i].emplace_back(aggregate);
      }
    }
    match_column_ = static_cast<int>(plan_.level(0).select.size());
  }

  BuiltDocument build(const std::string& root) {
    BuiltDocument built;
    state::Row key = key_of(root);
    if (key.empty()) return built;
    StatementScope row(rows_.root(key));
    if (!row->step() || present_root() != root) return built;
    build_present(built);
    return built;
  }

  std::string build_range(const std::string& after, std::size_t limit,
                          const std::function<void(std::string, BuiltDocument)>& take) {
    if (limit == 0) return after;
    StatementScope row(rows_.range(after.empty() ? state::Row{} : key_of(after), limit));
    std::string last;
    std::size_t visited = 0;
    while (row->step()) {
      ++visited;
      std::string root = present_root();
      // Rows that the key cannot tell apart are one document.
      if (root == last) continue;
      last = root;
      BuiltDocument built;
      build_present(built);
      take(std::move(root), std::move(built));
    }
    return visited < limit ? std::string() : last;
  }

  std::string display_root(const std::string& root) const {
    std::string shown;
    state::Row key = key_of(root);
    for (const state::Value& value : key) shown += (shown.empty() ? "" : ", ") + to_display(value);
    if (key.size() != 1) shown = "(" + shown + ")";
    return plan_.node(0).table.name + " " + shown;
  }

  std::vector<Part> parts(const std::string& root) {
    std::vector<Part> parts;
    state::Row key = key_of(root);
    if (key.empty()) return parts;
    std::vector<std::string> more = part_columns(0);
    Query query = root_query(plan_, nulls_of(key), more);
    BoundQuery rows(replica_, std::move(query));
    StatementScope row(rows.start(rows_.frames(), key, 0));
    rows_.frames()[0].rows = &*row;
    if (!row->step() || present_root() != root) return parts;
    add_parts(0, *row, match_column_ + 1, parts);
    return parts;
  }

 private:
  /// The values in a root's bytes; none if they do not fit this document.
  state::Row key_of(const std::string& root) const {
    state::Row key = state::decode_row(root);
    if (key.size() != plan_.root_key.size()) key.clear();
    return key;
  }

  std::string present_root() const {
    const state::Statement& row = *rows_.frames()[0].rows;
    state::Row key;
    key.reserve(plan_.root_slots.size());
    for (int column : plan_.root_slots) key.push_back(row.value(column));
    return state::encode_row(key);
  }

  /// Builds the root that the statement of level 0 stands on.
  void build_present(BuiltDocument& built) {
    const state::Statement& row = *rows_.frames()[0].rows;
    built.exists = row.integer(match_column_) != 0;
    if (!built.exists) return;
    try {
      evaluator_.share_results(false);
      for (int child : plan_.level(0).children) gather(child);
      std::int64_t rows = plan_.pages.has_value() ? paged_rows_ : 0;
      bool pages = plan_.pages.has_value() && rows > plan_.pages->over;
      if (pages) leave_out_list();
      add_item(evaluator_.evaluate(plan_.item), built);
      if (pages) build_pages(rows, built);
    } catch (const InvalidItem& error) {
      built.items.clear();
      built.invalid = error.what();
      if (built.invalid_item.empty()) built.invalid_item = item_for_people();
    }
  }

  /// Runs a `many` level for the present rows further out.
  void gather(int index) {
    auto at = static_cast<std::size_t>(index);
    const Level& level = plan_.levels[at];
    Frame& parent = rows_.frames()[static_cast<std::size_t>(level.parent)];
    std::vector<Aggregate>& aggregates = aggregates_[at];
    for (Aggregate& aggregate : aggregates) aggregate.reset();
    bool paged = plan_.pages.has_value() && plan_.pages->level == index;
    std::int64_t count = 0;
    if (level.each.empty() && level.children.empty() && only_counts(level)) {
      count = rows_.count(index);
      for (Aggregate& aggregate : aggregates) aggregate.add_rows(count);
    } else {
      std::vector<AttributeList> lists(level.each.size());
      StatementScope rows(rows_.many(index));
      while (rows->step()) {
        for (int child : level.children) gather(child);
        for (Aggregate& aggregate : aggregates) aggregate.add(*rows);
        if (paged) evaluator_.set_page(count / plan_.pages->size + 1);
        ++count;
        for (std::size_t i = 0; i < level.each.size(); ++i) {
          Attribute& element = lists[i].emplace_back();
          if (!evaluator_.evaluate(level.each[i].item, element)) lists[i].pop_back();
        }
      }
      for (std::size_t i = 0; i < lists.size(); ++i) {
        parent.results[static_cast<std::size_t>(level.each[i].result)] =
            Attribute::list(std::move(lists[i]));
      }
    }
    for (const Aggregate& aggregate : aggregates) {
      parent.results[static_cast<std::size_t>(aggregate.plan().result)] = aggregate.result();
    }
    if (paged) paged_rows_ = count;
  }

  static bool only_counts(const Level& level) {
    return std::all_of(level.aggregates.begin(), level.aggregates.end(),
                       [](const auto& plan) { return plan.kind == AggregateSpec::Kind::kCount; });
  }

  /// The item of a document with pages leaves out the list that the pages hold.
  void leave_out_list() {
    for (const EachPlan& each : plan_.level(plan_.pages->level).each) {
      if (!each.paged) rows_.frames()[0].results[static_cast<std::size_t>(each.result)].reset();
    }
  }

  void build_pages(std::int64_t rows, BuiltDocument& built) {
    const PagesPlan& pages = *plan_.pages;
    std::vector<std::pair<std::size_t, AttributeList>> lists;
    auto& results = rows_.frames()[0].results;
    for (const EachPlan& each : plan_.level(pages.level).each) {
      if (!each.paged) continue;
      auto result = static_cast<std::size_t>(each.result);
      lists.emplace_back(result, std::move(results[result]->elements()));
    }
    evaluator_.share_results(true);
    auto size = static_cast<std::size_t>(pages.size);
    std::size_t count = (static_cast<std::size_t>(rows) + size - 1) / size;
    for (std::size_t page = 0; page < count; ++page) {
      for (auto& [result, list] : lists) {
        auto first = static_cast<std::ptrdiff_t>(std::min(page * size, list.size()));
        auto last = static_cast<std::ptrdiff_t>(std::min((page + 1) * size, list.size()));
        results[result] = Attribute::list({std::make_move_iterator(list.begin() + first),
                                           std::make_move_iterator(list.begin() + last)});
      }
      evaluator_.set_page(static_cast<std::int64_t>(page) + 1);
      add_item(evaluator_.evaluate(pages.item), built);
    }
    refuse_equal_keys(built);
  }

  void add_item(Item item, BuiltDocument& built) {
    for (std::size_t i = 0; i < plan_.target.key.size(); ++i) {
      check_key(
          item, plan_.target.key[i],
          i < plan_.target.key_types.size() ? plan_.target.key_types[i] : AttributeType::kNull);
    }
    if (find_attribute(item, own_attribute_) != nullptr) {
      throw InvalidItem("the name is taken by Tandem's own attribute", own_attribute_,
                        "choose another name for ours with target.attribute");
    }
    BuiltItem& made = built.items.emplace_back();
    made.key = encode_key(item, plan_.target.key);
    made.hash = hash_item(item, own_attribute_, plan_.spec.volatile_names);
    made.item = std::move(item);
  }

  /// `type` is null where the target's is not known.
  static void check_key(const Item& item, const std::string& name, AttributeType type) {
    const Attribute* attribute = find_attribute(item, name);
    if (attribute == nullptr || attribute->is_null()) {
      throw InvalidItem("a key of the target is missing, because a value in it is null", name,
                        "mend the row, or leave such rows out with `where`");
    }
    bool allowed = attribute->type() == AttributeType::kString ||
                   attribute->type() == AttributeType::kNumber ||
                   attribute->type() == AttributeType::kBinary;
    if (!allowed || (type != AttributeType::kNull && attribute->type() != type)) {
      throw InvalidItem("a key of the target has another type than the table declares", name,
                        "give it one type with {$value: …, as: string|number|bytes}");
    }
    if (attribute->text().empty()) {
      throw InvalidItem("a key of the target is empty", name,
                        "mend the row, or leave such rows out with `where`");
    }
  }

  static void refuse_equal_keys(BuiltDocument& built) {
    std::vector<const std::string*> keys;
    for (const BuiltItem& item : built.items) keys.push_back(&item.key);
    std::sort(keys.begin(), keys.end(), [](const auto* a, const auto* b) { return *a < *b; });
    auto equal = std::adjacent_find(keys.begin(), keys.end(),
                                    [](const auto* a, const auto* b) { return *a == *b; });
    if (equal != keys.end()) {
      throw InvalidItem("two items of this document have one key", "",
                        "put {$page} into the key of pages.item");
    }
  }

  /// The key of an item that could not be built, if the key itself can be.
  std::string item_for_people() {
    Item key;
    try {
      for (const auto& [name, value] : plan_.item.entries) {
        const auto& wanted = plan_.target.key;
        if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
        Attribute attribute;
        if (!evaluator_.evaluate(value, attribute)) return "";
        key.emplace_back(name, std::move(attribute));
      }
    } catch (const InvalidItem&) {
      return "";
    }
    return display_key(key, plan_.target.key);
  }

  // ── explain ──

  /// The nodes of a level that show rows, and the columns shown of each: the key, then the rest.
  std::vector<std::pair<int, std::vector<int>>> part_nodes(int level) const {
    std::vector<int> nodes{plan_.level(level).node};
    nodes.insert(nodes.end(), plan_.level(level).ones.begin(), plan_.level(level).ones.end());
    std::vector<std::pair<int, std::vector<int>>> shown;
    for (int index : nodes) {
      const Node& node = plan_.node(index);
      std::vector<int> columns = index == 0 ? plan_.root_key : node.table.key;
      std::size_t keys = columns.size();
      for (int column : node.columns) {
        bool key = std::find(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(keys),
                             column) != columns.begin() + static_cast<std::ptrdiff_t>(keys);
        if (!key) columns.push_back(column);
      }
      shown.emplace_back(index, std::move(columns));
    }
    return shown;
  }

  std::vector<std::string> part_columns(int level) const {
    std::vector<std::string> columns;
    for (const auto& [node, shown] : part_nodes(level)) {
      for (int column : shown) columns.push_back(column_sql(plan_, {node, column}));
      // Null matches nothing, so a row that was found has its join column.
      columns.push_back(node == 0 || plan_.node(node).many
                            ? "1"
                            : column_sql(plan_, {node, plan_.node(node).on.front().first}) +
                                  " IS NOT NULL");
    }
    return columns;
  }

  void add_parts(int level, const state::Statement& row, int first, std::vector<Part>& parts) {
    for (const auto& [index, shown] : part_nodes(level)) {
      const Node& node = plan_.node(index);
      int count = static_cast<int>(shown.size());
      if (row.integer(first + count) != 0) {
        Part part{.table = node.table.name};
        std::size_t keys = index == 0 ? plan_.root_key.size() : node.table.key.size();
        for (int i = 0; i < count; ++i) {
          state::Value value = row.value(first + i);
          const auto& column =
              node.table.columns[static_cast<std::size_t>(shown[static_cast<std::size_t>(i)])];
          if (static_cast<std::size_t>(i) < keys) part.key.push_back(value);
          part.columns.emplace_back(column.name, std::move(value));
        }
        parts.push_back(std::move(part));
      }
      first += count + 1;
    }
    for (int child : plan_.level(level).children) {
      auto at = static_cast<std::size_t>(child);
      BoundQuery query(replica_, many_query(plan_, child, true, part_columns(child)));
      StatementScope rows(query.start(rows_.frames(), {}, 0));
      rows_.frames()[at].rows = &*rows;
      int begin = static_cast<int>(plan_.levels[at].select.size());
      while (rows->step()) add_parts(child, *rows, begin, parts);
    }
  }

  state::Database& replica_;
  const std::shared_ptr<const Document> document_;
  const Document::Plan& plan_;
  const std::string own_attribute_;
  RowReader rows_;
  Evaluator evaluator_;
  std::vector<std::vector<Aggregate>> aggregates_;  // by level
  std::int64_t paged_rows_ = 0;
  int match_column_ = 0;
};

Builder::Builder(state::Database& replica, std::shared_ptr<const Document> document,
                 std::string own_attribute)
    : impl_(std::make_unique<Impl>(replica, std::move(document), std::move(own_attribute))) {}
Builder::~Builder() = default;

BuiltDocument Builder::build(const std::string& root) { return impl_->build(root); }
std::string Builder::build_range(const std::string& after, std::size_t limit,
                                 const std::function<void(std::string, BuiltDocument)>& take) {
  return impl_->build_range(after, limit, take);
}
std::string Builder::display_root(const std::string& root) const {
  return impl_->display_root(root);
}
std::vector<Builder::Part> Builder::parts(const std::string& root) { return impl_->parts(root); }

}  // namespace tandem::sink

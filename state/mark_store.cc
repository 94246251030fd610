#include "state/mark_store.h"

#include <algorithm>
#include <vector>

namespace tandem::state {
namespace {

constexpr std::size_t kGatherAtMost = 50'000;

}  // namespace

MarkStore::MarkStore(Database& database, MarkNumber next)
    : database_(database),
      put_(
          database.prepare("INSERT INTO _tandem_marks VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE "
                           "SET number = ?3, offset = min(offset, ?4)")),
      put_wide_(
          database.prepare("INSERT INTO _tandem_wide_marks VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT "
                           "DO UPDATE SET number = ?4, offset = min(offset, ?5)")),
      new_document_(database.prepare("INSERT INTO _tandem_documents(name) VALUES(?)")),
      next_(next) {
  load_documents();
}

void MarkStore::load_documents() {
  documents_.clear();
  auto select = database_.prepare("SELECT name, id FROM _tandem_documents");
  while (select.step()) documents_[select.text(0)] = select.integer(1);
}

std::int64_t MarkStore::document_id(const std::string& name) {
  auto [found, added] = documents_.try_emplace(name, 0);
  if (added) {
    new_document_.bind(1, std::string_view(name)).run();
    found->second = database_.last_insert_rowid();
  }
  return found->second;
}

void MarkStore::mark(const std::string& document, const std::string& root) {
  auto& roots = gathered_[document];
  roots.insert(root);
  if (roots.size() >= kGatherAtMost) write();
}

void MarkStore::mark_wide(const std::string& document, std::int64_t path, const Row& values) {
  put_wide_.bind(1, document_id(document)).bind(2, path).bind_blob(3, encode_row(values));
  put_wide_.bind(4, next_++).bind(5, offset_).run();
}

void MarkStore::write() {
  for (auto& [document, roots] : gathered_) {
    std::int64_t id = document_id(document);
    std::vector<std::string_view> sorted(roots.begin(), roots.end());
    std::sort(sorted.begin(), sorted.end());
    for (std::string_view root : sorted) {
      put_.bind(1, id).bind_blob(2, root).bind(3, next_++).bind(4, offset_).run();
    }
  }
  gathered_.clear();
}

void MarkStore::discard() {
  gathered_.clear();
  load_documents();
}

}  // namespace tandem::state

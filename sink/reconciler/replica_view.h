// The replica as the reconciler sees it in one round: one read transaction, and the documents
// compiled against exactly the tables that this transaction shows.
//
// The fold compiles a set of its own before it commits: its plans may be ahead of what a reader
// sees. One thread.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "sink/builder.h"
#include "sink/reconciler/dirty_queue.h"
#include "sink/relations.h"
#include "state/ledger.h"
#include "state/replica.h"

namespace tandem::sink {

/// A document as it stands in this view. Documents that only the ledger knows have no spec.
struct ViewDocument {
  std::string name;
  const DocumentSpec* spec = nullptr;
  std::shared_ptr<const Document> document;  // null while it cannot be compiled
  std::unique_ptr<Builder> builder;
  std::string resting;      // why it must not be built now; "" if it may
  std::string fingerprint;  // "" while it cannot be compiled
  std::size_t table = 0;    // of the target

  bool declared() const { return spec != nullptr; }
  /// It may be built now, or has nothing to build.
  bool ready() const { return spec == nullptr || (resting.empty() && builder != nullptr); }
  std::vector<std::string> volatile_names() const {
    return spec == nullptr ? std::vector<std::string>{} : spec->volatile_names;
  }
};

class ReplicaView {
 public:
  ReplicaView(const std::string& path, DocumentSet& set, std::string attribute,
              std::string pipeline);

  /// Moves to the newest commit. True if the tables changed and the documents were compiled anew.
  bool renew();
  void rest() { reader_.rest(); }

  state::ReplicaReader& reader() { return reader_; }
  const std::string& path() const { return path_; }
  const state::ReplicaPosition& position() const { return position_; }
  const std::string& attribute() const { return attribute_; }
  /// What our attribute in this document's items names: pipeline and document.
  std::string stamp_name(const std::string& document) const { return pipeline_ + "/" + document; }
  state::Version version() const { return {position_.epoch, position_.next}; }
  /// Of the newest gap that was folded; 0: none.
  state::Offset gap() const { return position_.gap; }
  /// For documents that are dirty by what has just been found and not by a mark.
  Cause newest_cause() const { return {0, position_.next - 1, {}}; }
  const std::vector<TargetTable>& targets() const { return set_.targets(); }
  /// Index of the target table, or -1 if the config no longer declares it.
  int table_index(const std::string& name) const;

  /// Declared documents in the order of the config, then those that only the ledger knows.
  std::vector<ViewDocument>& documents() { return documents_; }
  ViewDocument& document(int index) { return documents_[static_cast<std::size_t>(index)]; }
  int document_index(const std::string& name) const;  // -1: unknown
  /// A document that is not declared any more, so that its items can be deleted.
  int add_undeclared(const std::string& name);

  /// Precondition: the document does not rest. One that is not declared yields nothing.
  BuiltDocument build(int document, const std::string& root);
  /// Whether the document has this root, at less than the price of building it where that can be.
  bool root_exists(int document, const std::string& root);
  std::string display_root(int document, const std::string& root);
  /// Rows of the document's root table, for progress; 0 if not known.
  std::int64_t count_roots(int document);

 private:
  void compile(const std::unordered_map<std::string, state::ReplicaTable>& tables);

  const std::string path_;
  state::ReplicaReader reader_;
  DocumentSet& set_;
  const std::string attribute_, pipeline_;
  state::ReplicaPosition position_;
  bool compiled_ = false;
  std::unordered_map<std::string, state::TableSchema> schemas_;
  std::vector<ViewDocument> documents_;
  std::unordered_map<std::string, int> indexes_;
  std::unordered_map<int, state::Statement> lookups_;  // of roots by key
};

}  // namespace tandem::sink

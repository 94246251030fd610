// A Bloom filter that grows: tells what was surely never added.
//
// A first load asks the ledger twice for each document and always hears "nothing": this answers
// without a search. Plain memory, some 12 bits an entry; one thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tandem::state {

class SeenFilter {
 public:
  void add(std::uint64_t space, std::string_view bytes);
  /// False: these bytes were never added in this space. True: perhaps they were (some 2 in 100 of
  /// those that were not).
  bool maybe(std::uint64_t space, std::string_view bytes) const;
  /// Bytes of memory in use.
  std::size_t memory() const;

 private:
  // Each layer takes twice the entries of the one before, so that growing moves nothing.
  struct Layer {
    std::vector<std::uint64_t> words;  // a power of two of them
    std::size_t entries = 0, most = 0;
  };
  static bool present(const Layer& layer, std::uint64_t hash);

  std::vector<Layer> layers_;
};

}  // namespace tandem::state

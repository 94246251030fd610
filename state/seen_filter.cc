#include "state/seen_filter.h"

#include <xxhash.h>

namespace tandem::state {
namespace {

constexpr std::size_t kFirstWords = std::size_t{1} << 13U;  // 64 KiB
constexpr std::size_t kBitsAnEntry = 12;

// All bits of an entry are in one word, for one miss of the cache a layer: three of its 64 bits, by
// six bits of the hash each; the rest of the hash chooses the word.
std::uint64_t bits_of(std::uint64_t hash) {
  return (std::uint64_t{1} << (hash & 63U)) | (std::uint64_t{1} << ((hash >> 6U) & 63U)) |
         (std::uint64_t{1} << ((hash >> 12U) & 63U));
}

std::size_t word_of(std::uint64_t hash, std::size_t words) { return (hash >> 18U) & (words - 1); }

}  // namespace

bool SeenFilter::present(const Layer& layer, std::uint64_t hash) {
  const std::uint64_t bits = bits_of(hash);
  return (layer.words[word_of(hash, layer.words.size())] & bits) == bits;
}

void SeenFilter::add(std::uint64_t space, std::string_view bytes) {
  if (layers_.empty() || layers_.back().entries == layers_.back().most) {
    const std::size_t words = layers_.empty() ? kFirstWords : layers_.back().words.size() * 2;
    Layer& layer = layers_.emplace_back();
    layer.words.resize(words);
    layer.most = words * 64 / kBitsAnEntry;
  }
  Layer& layer = layers_.back();
  const std::uint64_t hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), space);
  layer.words[word_of(hash, layer.words.size())] |= bits_of(hash);
  ++layer.entries;
}

bool SeenFilter::maybe(std::uint64_t space, std::string_view bytes) const {
  const std::uint64_t hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), space);
  for (const Layer& layer : layers_) {
    if (present(layer, hash)) return true;
  }
  return false;
}

std::size_t SeenFilter::memory() const {
  std::size_t bytes = 0;
  for (const Layer& layer : layers_) bytes += layer.words.size() * sizeof(std::uint64_t);
  return bytes;
}

}  // namespace tandem::state

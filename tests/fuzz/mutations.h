// Bytes that were right once, and are not quite any more: flipped, cut, inserted and spliced.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace tandem::fuzz {

class Mutations {
 public:
  Mutations(std::uint64_t seed, std::vector<std::string> corpus)
      : random_(seed), corpus_(std::move(corpus)) {}

  std::size_t below(std::size_t limit) { return random_() % limit; }
  const std::string& pick() { return corpus_[below(corpus_.size())]; }

  /// One of the corpus, changed in one to four places.
  std::string next() {
    std::string bytes = pick();
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(bytes);
    return bytes;
  }

 private:
  void change(std::string& bytes) {
    const std::size_t at = below(bytes.size() + 1);
    switch (below(7)) {
      case 0:  // a bit
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
        break;
      case 1:  // a byte, often one that lengths and counts are wrong with
        if (at < bytes.size()) bytes[at] = any_byte();
        break;
      case 2:  // the end
        bytes.resize(at);
        break;
      case 3:  // a piece within
        bytes.erase(at, 1 + below(8));
        break;
      case 4:  // bytes of its own
        bytes.insert(at, 1 + below(8), any_byte());
        break;
      case 5: {  // a piece of another
        const std::string& other = pick();
        const std::size_t from = below(other.size() + 1);
        bytes.insert(at, other.substr(from, below(64)));
        break;
      }
      default: {  // the rest of another
        const std::string& other = pick();
        bytes = bytes.substr(0, at) + other.substr(below(other.size() + 1));
        break;
      }
    }
  }

  char any_byte() {
    constexpr unsigned char kOften[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff, '\\', '\t', '\n', 't'};
    const std::size_t one = below(2 * sizeof kOften);
    return static_cast<char>(one < sizeof kOften ? kOften[one] : below(256));
  }

  std::mt19937_64 random_;
  std::vector<std::string> corpus_;
};

}  // namespace tandem::fuzz

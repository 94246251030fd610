// The embedded log's bytes: a run of consecutive records as one compressed, checksummed block.
// The form is drawn in log_format.cc and explained in docs/log-format.md.
//
// Promise: decoding gives back exactly what was encoded, value for value and bit for bit; bytes
// that are not a whole undamaged block throw Error, whatever they are. Threads: an encoder or
// decoder is used by one thread at a time; they keep buffers between calls.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "state/record.h"

namespace tandem::state {

/// Records are gathered into one block until its raw form has grown past this many bytes.
inline constexpr std::size_t kBlockRawBytes = std::size_t{4} << 20U;

class BlockEncoder {
 public:
  enum class Compression : std::uint8_t { kNone = 0, kZstd = 1 };
  explicit BlockEncoder(Compression compression = Compression::kZstd);
  ~BlockEncoder();
  BlockEncoder(const BlockEncoder&) = delete;
  BlockEncoder& operator=(const BlockEncoder&) = delete;

  struct Block {
    std::string_view bytes;        // valid until the next call
    std::size_t end = 0;           // index of the first record that is not in this block
    std::size_t memory_bytes = 0;  // about what these records take as a Batch in memory
  };
  /// Encodes the records from index `begin` on, as many as make a block, at least one. The first of
  /// them gets the offset `first`. Throws Error if one record is larger than SQLite's largest blob.
  Block encode(const Batch& batch, std::size_t begin, Offset first, std::uint64_t epoch);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

class BlockDecoder {
 public:
  BlockDecoder();
  ~BlockDecoder();
  BlockDecoder(const BlockDecoder&) = delete;
  BlockDecoder& operator=(const BlockDecoder&) = delete;

  /// The block's records with their offsets and epoch. `where` names the file in errors.
  std::shared_ptr<Batch> decode(std::string_view bytes, const std::string& where);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::state

#include "state/log_format.h"

#include <xxhash.h>
#include <zstd.h>

#include <memory>
#include <optional>
#include <utility>

#include "state/error.h"
#include "state/integer_form.h"
#include "state/record_form.h"

// A block, the bytes of one row of log.db. u64 is little-endian, v a varint (integer_form.h).
//
//   block := "TdLB"
//            u64   XXH3 of every byte after it
//            u8    version, 2
//            u8    compression of the payload: 0 none, 1 zstd
//            v     offset of the first record; each next record has the next offset
//            v     epoch of the capture that wrote it
//            v     number of records, at least one
//            v     size of the raw payload
//            the payload (record_form.cc)
namespace tandem::state {
namespace {

constexpr std::string_view kMagic = "TdLB";
constexpr std::size_t kChecksumAt = 4;
constexpr std::size_t kCheckedFrom = 12;
constexpr char kVersion = 2;
constexpr int kZstdLevel = 1;
// Below this, zstd's own frame costs more than it saves.
constexpr std::size_t kWorthCompressing = 128;
// SQLite refuses a blob of a thousand million bytes.
constexpr std::size_t kLargestBlock = 999'000'000;
constexpr std::uint64_t kLargestRaw = std::uint64_t{1} << 32U;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

class BlockEncoder::Impl {
 public:
  explicit Impl(Compression compression) : compression_(compression), zstd_(ZSTD_createCCtx()) {}

  Block encode(const Batch& batch, std::size_t begin, Offset first, std::uint64_t epoch) {
    Block block;
    payload_.clear();
    RecordWriter writer(payload_);
    writer.tables(batch.tables);
    block.end = begin;
    while (block.end < batch.records.size() && payload_.size() < kBlockRawBytes) {
      writer.record(batch.records[block.end++]);
    }
    std::size_t count = block.end - begin;
    block.memory_bytes = payload_.size() + count * sizeof(Record) + writer.values() * sizeof(Value);

    bytes_.assign(kMagic);
    bytes_.resize(kCheckedFrom);
    bytes_.push_back(kVersion);
    std::size_t compression_at = bytes_.size();
    bytes_.push_back(static_cast<char>(Compression::kNone));
    put_varint(bytes_, static_cast<std::uint64_t>(first));
    put_varint(bytes_, epoch);
    put_varint(bytes_, count);
    put_varint(bytes_, payload_.size());
    if (compression_ == Compression::kZstd && payload_.size() >= kWorthCompressing && compress()) {
      bytes_[compression_at] = static_cast<char>(Compression::kZstd);
    } else {
      bytes_.append(payload_);
    }
    if (bytes_.size() > kLargestBlock || payload_.size() >= kLargestRaw) {
      throw Error("a change of " + std::to_string(payload_.size()) +
                      " bytes is larger than the log can hold (999,000,000 compressed)",
                  "", "leave out the table with such values, or make them smaller at the source");
    }
    set_fixed64(bytes_.data() + kChecksumAt,
                XXH3_64bits(bytes_.data() + kCheckedFrom, bytes_.size() - kCheckedFrom));
    block.bytes = bytes_;
    return block;
  }

 private:
  // Appends the compressed payload; false, and nothing appended, if that is not smaller.
  bool compress() {
    std::size_t header = bytes_.size();
    bytes_.resize(header + payload_.size());
    std::size_t size = ZSTD_compressCCtx(zstd_.get(), bytes_.data() + header, payload_.size(),
                                         payload_.data(), payload_.size(), kZstdLevel);
    bool smaller = ZSTD_isError(size) == 0;
    bytes_.resize(smaller ? header + size : header);
    return smaller;
  }

  const Compression compression_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> zstd_;
  std::string payload_, bytes_;
};

BlockEncoder::BlockEncoder(Compression compression) : impl_(std::make_unique<Impl>(compression)) {}
BlockEncoder::~BlockEncoder() = default;

BlockEncoder::Block BlockEncoder::encode(const Batch& batch, std::size_t begin, Offset first,
                                         std::uint64_t epoch) {
  return impl_->encode(batch, begin, first, epoch);
}

class BlockDecoder::Impl {
 public:
  Impl() : zstd_(ZSTD_createDCtx()) {}

  std::shared_ptr<Batch> decode(std::string_view bytes, const std::string& where) {
    if (bytes.size() <= kCheckedFrom + 2 || bytes.substr(0, kMagic.size()) != kMagic) {
      throw_damaged("it does not begin as one", where);
    }
    std::string_view rest = bytes.substr(kCheckedFrom);
    if (XXH3_64bits(rest.data(), rest.size()) != get_fixed64(bytes.substr(kChecksumAt))) {
      throw_damaged("its checksum does not fit", where);
    }
    if (rest[0] != kVersion) {
      throw Error("the log was written by another version of tandem", where,
                  "use the version that wrote it, or `tandem reset --confirm` and sync again");
    }
    char compression = rest[1];
    rest.remove_prefix(2);
    auto number = [&rest, &where] {
      std::optional<std::uint64_t> taken = take_varint(rest);
      if (!taken) throw_damaged("its header is cut off", where);
      return *taken;
    };
    std::uint64_t first = number();
    auto batch = std::make_shared<Batch>();
    batch->epoch = number();
    std::uint64_t count = number();
    std::uint64_t raw_size = number();
    std::string_view payload = raw(compression, rest, raw_size, where);
    // Each record takes at least one byte.
    if (count == 0 || count > payload.size()) throw_damaged("its count is wrong", where);

    RecordParser parser(payload, where);
    batch->tables = parser.tables();
    batch->from = static_cast<Offset>(first);
    batch->records.reserve(count);
    batch->offsets.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      batch->records.push_back(parser.record());
      batch->offsets.push_back(static_cast<Offset>(first + i));
    }
    if (!parser.at_end()) throw_damaged("there are bytes behind its last record", where);
    return batch;
  }

 private:
  std::string_view raw(char compression, std::string_view payload, std::uint64_t size,
                       const std::string& where) {
    if (compression == static_cast<char>(BlockEncoder::Compression::kNone)) {
      if (payload.size() != size) throw_damaged("its size is wrong", where);
      return payload;
    }
    if (compression != static_cast<char>(BlockEncoder::Compression::kZstd)) {
      throw_damaged("an unknown compression", where);
    }
    // The frame's own idea of its size is held against ours before memory is asked for.
    if (size > kLargestRaw || ZSTD_getFrameContentSize(payload.data(), payload.size()) != size) {
      throw_damaged("its size is wrong", where);
    }
    raw_.resize(size);
    std::size_t made =
        ZSTD_decompressDCtx(zstd_.get(), raw_.data(), size, payload.data(), payload.size());
    if (ZSTD_isError(made) != 0 || made != size) throw_damaged("it does not unpack", where);
    return raw_;
  }

  std::unique_ptr<ZSTD_DCtx, FreeContext> zstd_;
  std::string raw_;
};

BlockDecoder::BlockDecoder() : impl_(std::make_unique<Impl>()) {}
BlockDecoder::~BlockDecoder() = default;

std::shared_ptr<Batch> BlockDecoder::decode(std::string_view bytes, const std::string& where) {
  return impl_->decode(bytes, where);
}

}  // namespace tandem::state

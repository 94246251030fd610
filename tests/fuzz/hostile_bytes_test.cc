// Whatever bytes come from the network, the disk or the log: they are read, or refused by an Error.
// They never crash or hang a reader, and never make it ask for more than a multiple of their size.
//
// TANDEM_SEED=N repeats a run, TANDEM_FUZZ_ROUNDS=N says how long it is.
#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "capture/postgres/copy_text.h"
#include "capture/postgres/pgoutput.h"
#include "capture/postgres/source_state.h"
#include "capture/postgres/value_decoder.h"
#include "state/error.h"
#include "state/integer_form.h"
#include "state/log_format.h"
#include "state/message_reader.h"
#include "state/message_writer.h"
#include "state/record_form.h"
#include "state/value.h"
#include "tests/fuzz/allocations.h"
#include "tests/fuzz/mutations.h"
#include "tests/fuzz/recorded.h"
#include "tests/unit/sanitizer.h"

namespace tandem::fuzz {
namespace {

using namespace capture::postgres;

// Memory asked for, for each byte of what is read: of the server's messages and rows ...
constexpr std::size_t kOfMessages = 150;
// ... and of the log, where one byte may be a null, a Value in memory, and a count is believed as
// far as there are bytes for it.
constexpr std::size_t kOfTheLog = 400;
// A compressed block of our corpus is that much shorter than its records.
constexpr std::size_t kCompressed = 5;
// Of a reader of JSON that has read nothing yet.
constexpr std::size_t kOfParsers = 32'768;
// Of the words of an Error.
constexpr std::size_t kBytesAtLeast = 4096;

std::string from_hex(const std::string& digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

template <std::size_t kCount>
std::vector<std::string> recorded(const char* const (&lines)[kCount]) {
  std::vector<std::string> all;
  for (const char* line : lines) all.push_back(from_hex(line));
  return all;
}

std::string to_hex(const std::string& bytes) {
  std::string digits;
  for (char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    digits += kDigits[static_cast<unsigned char>(c) >> 4U];
    digits += kDigits[static_cast<unsigned char>(c) & 15U];
  }
  return digits;
}

std::uint64_t seed() {
  const char* given = std::getenv("TANDEM_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

int rounds() {
  const char* given = std::getenv("TANDEM_FUZZ_ROUNDS");
  return given != nullptr ? std::atoi(given) : testing_support::rounds(200'000);
}

// Reads mutations of the corpus, and the corpus itself, which must be read without an Error.
void read_mutations(std::vector<std::string> corpus, std::size_t bytes_a_byte,
                    const std::function<void(const std::string&)>& read,
                    std::size_t at_least = kBytesAtLeast) {
  for (const std::string& bytes : corpus) EXPECT_NO_THROW(read(bytes)) << to_hex(bytes);
  const std::uint64_t number = seed();
  std::cout << "TANDEM_SEED=" << number << "\n";
  Mutations mutations(number, std::move(corpus));
  int refused = 0;
  const int all = rounds();
  for (int i = 0; i < all; ++i) {
    const std::string bytes = mutations.next();
    const std::size_t before = allocated();
    try {
      read(bytes);
    } catch (const state::Error&) {
      ++refused;
    }
    const std::size_t taken = allocated() - before;
    ASSERT_LE(taken, at_least + bytes_a_byte * bytes.size()) << to_hex(bytes);
  }
  EXPECT_GT(refused, 0) << "the mutations hurt nothing";
  EXPECT_LT(refused, all) << "the mutations leave nothing";
}

void read_tuple(Tuple tuple) {
  for (int i = 0; i < tuple.columns(); ++i) {
    const Tuple::Field field = tuple.next();
    // A byte of each: what points nowhere is found by the sanitizer.
    if (field.text.empty()) continue;
    ASSERT_GE(field.text.front() + field.text.back(), -256);
  }
}

void read_message(std::string_view bytes) {
  const Message message = parse_message(bytes);
  if (const auto* row = std::get_if<RowMessage>(&message)) {
    read_tuple(row->before);
    read_tuple(row->after);
  }
}

TEST(HostileBytes, Messages) { read_mutations(recorded(kMessages), kOfMessages, read_message); }

TEST(HostileBytes, Frames) {
  std::vector<std::string> frames = {"k" + std::string(16, '\7') + '\1'};
  for (const std::string& message : recorded(kMessages)) {
    frames.push_back("w" + std::string(24, '\1') + message);
  }
  read_mutations(std::move(frames), kOfMessages, [](const std::string& bytes) {
    const Frame frame = parse_frame(bytes);
    if (frame.kind == Frame::Kind::kData) read_message(frame.data);
  });
}

TEST(HostileBytes, CopyRows) {
  CopyRowReader reader;
  read_mutations(recorded(kCopyRows), kOfMessages, [&](const std::string& bytes) {
    std::size_t size = 0;
    for (const auto& field : reader.read(bytes)) {
      if (field) size += std::string(*field).size();
    }
    ASSERT_LE(size, bytes.size());
  });
}

TEST(HostileBytes, Values) {
  constexpr state::ColumnForm kForms[] = {
      state::ColumnForm::kInteger, state::ColumnForm::kFloat,     state::ColumnForm::kBytes,
      state::ColumnForm::kBoolean, state::ColumnForm::kTimestamp, state::ColumnForm::kText};
  const std::vector<std::string> texts = {"0",
                                          "-9223372036854775808",
                                          "9223372036854775807",
                                          "1.5",
                                          "-1e-300",
                                          "1.7976931348623157e+308",
                                          "NaN",
                                          "-Infinity",
                                          "\\x",
                                          "t",
                                          "f",
                                          "\\x00ff10deadbeef"};
  for (const state::ColumnForm form : kForms) {
    // Each form reads some of these, and refuses others as they are.
    const std::uint64_t number = seed();
    std::cout << "TANDEM_SEED=" << number << "\n";
    Mutations mutations(number, texts);
    for (int i = 0; i < rounds() / 6; ++i) {
      const std::string text = mutations.next();
      try {
        const state::Value value = decode_value(form, text);
        // What was read is the same when it is written and read again.
        ASSERT_EQ(decode_value(form, to_text(value, form)), value) << to_hex(text);
      } catch (const state::Error&) {
        continue;
      }
    }
  }
}

// ---- our own files
// -------------------------------------------------------------------------------

state::Row some_row() {
  return {state::Value::integer(-5),
          state::Value::text("text"),
          state::Value::null(),
          state::Value::real(0.5),
          state::Value::blob(std::string("\0\1", 2)),
          state::Value::unchanged()};
}

state::Batch some_batch() {
  state::TableSchema schema;
  schema.name = "things";
  schema.columns.resize(3);
  schema.columns[0].name = "id", schema.columns[1].name = "name", schema.columns[2].name = "at";
  schema.columns[1].declared_type = "text";
  schema.key = {0};
  schema.unique_keys = {{1, 2}};
  state::Checkpoint checkpoint;
  checkpoint.position = {1ULL << 40U, 1};
  checkpoint.tables = {{"things", 0xfedcba9876543210U, true, {state::Value::integer(7)}}};
  checkpoint.source_state = SourceState{"7312", "shop", "tandem_shop", 3, 17, {}, {5, 6}}.encode();
  state::Batch batch;
  const std::uint32_t table = batch.table_index("things");
  batch.records.emplace_back(state::Epoch{1'700'000'000'000});
  batch.records.emplace_back(state::Begin{{12, 1}, 1'700'000'000'000});
  batch.records.emplace_back(state::SchemaRecord{schema, true});
  batch.records.emplace_back(
      state::Chunk{table, {}, {state::Value::integer(9)}, {some_row(), some_row()}, {some_row()}});
  batch.records.emplace_back(state::Change{state::Op::kCreate, table, {}, some_row()});
  batch.records.emplace_back(state::Change{state::Op::kUpdate, table, some_row(), some_row()});
  batch.records.emplace_back(state::Change{state::Op::kDelete, table, some_row(), {}});
  batch.records.emplace_back(state::Change{state::Op::kTruncate, table, {}, {}});
  batch.records.emplace_back(state::End{checkpoint});
  batch.records.emplace_back(state::Heartbeat{checkpoint, 5});
  batch.records.emplace_back(state::Gap{"a reason"});
  return batch;
}

TEST(HostileBytes, RecordsOfTheLog) {
  const state::Batch batch = some_batch();
  std::vector<std::string> corpus;
  for (const state::Record& record : batch.records) {
    std::string bytes;
    state::RecordWriter writer(bytes);
    writer.tables(batch.tables);
    writer.record(record);
    corpus.push_back(bytes);
  }
  const std::string where = "a block";
  read_mutations(std::move(corpus), kOfTheLog, [&](const std::string& bytes) {
    state::RecordParser parser(bytes, where);
    parser.tables();
    while (!parser.at_end()) parser.record();
  });
}

// Behind a checksum that fits: what a mistake of a writer, or a person with a file, may make.
TEST(HostileBytes, BlocksOfTheLog) {
  constexpr std::size_t kChecksumAt = 4, kCheckedFrom = 12;
  std::vector<std::string> corpus;
  for (const auto compression :
       {state::BlockEncoder::Compression::kNone, state::BlockEncoder::Compression::kZstd}) {
    state::BlockEncoder encoder(compression);
    corpus.emplace_back(encoder.encode(some_batch(), 0, 100, 17).bytes);
  }
  state::BlockDecoder decoder;
  read_mutations(std::move(corpus), kOfTheLog * kCompressed, [&](const std::string& damaged) {
    std::string bytes = damaged;
    if (bytes.size() > kCheckedFrom) {
      state::set_fixed64(bytes.data() + kChecksumAt,
                         XXH3_64bits(bytes.data() + kCheckedFrom, bytes.size() - kCheckedFrom));
    }
    decoder.decode(bytes, "a block");
  });
}

// A message of a topic in lines: its headers, its key and its value. JSON has no line breaks.
std::string in_lines(const state::MessageWriter& writer, const state::OutgoingMessage& message) {
  std::string record, moved;
  if (message.header && message.header->name == state::kRecordHeader) {
    record = message.header->value;
  } else if (message.header) {
    moved = message.header->name == state::kOldKeyHeader ? "from" : "to";
  }
  std::string lines = record + '\n' + moved + '\n';
  lines.append(writer.key(message)) += '\n';
  return lines.append(writer.value(message));
}

void read_lines(state::MessageReader& reader, std::string_view lines, state::Offset offset) {
  auto line = [&] {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view first = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    return first;
  };
  state::IncomingMessage message;
  message.record = line();
  const std::string_view moved = line();
  if (moved == "from") message.old_key = "{}";
  message.has_new_key = moved == "to";
  message.key = line();
  if (!lines.empty()) message.value = lines;
  state::Batch batch;
  reader.read(message, offset, batch);
}

TEST(HostileBytes, MessagesOfATopic) {
  state::TableSchema schema;
  schema.name = "things";
  for (const char* name : {"a", "b", "c", "d", "e", "f"}) schema.columns.emplace_back().name = name;
  schema.key = {0, 1};
  schema.unique_keys = {{0, 1}};
  const state::Row key = schema.key_of(some_row());
  state::Batch batch = some_batch();
  for (state::Record& record : batch.records) {
    if (auto* told = std::get_if<state::SchemaRecord>(&record)) told->schema = schema;
    if (auto* chunk = std::get_if<state::Chunk>(&record)) chunk->touched = {key};
    if (auto* change = std::get_if<state::Change>(&record); change && !change->key_before.empty()) {
      change->key_before = key;
    }
  }
  constexpr std::size_t kSmall = 1200;
  std::vector<std::string> corpus;
  for (const std::size_t limit : {kSmall, std::size_t{100'000}}) {
    state::MessageWriter writer({"postgresql", "things", "db", "1"}, limit == kSmall);
    writer.limit(limit);
    writer.write(batch, "identity", 0);
    for (const auto& message : writer.messages()) corpus.push_back(in_lines(writer, message));
  }
  // What was read before says what may come; a newer epoch would silence all others.
  std::optional<state::MessageReader> reader;
  state::Offset offset = 0;
  read_mutations(
      std::move(corpus), kOfMessages,
      [&](const std::string& bytes) {
        if (offset % 20 == 0) reader.emplace("a topic");
        read_lines(*reader, bytes, offset++);
      },
      kOfParsers);
}

TEST(HostileBytes, RowsAndSourceStates) {
  SourceState state{"7312", "shop", "tandem_shop", 3, 17, {}, {5, 6}};
  state.tables["things"] = {16'400, 0xfedcba9876543210U, 3};
  read_mutations({state::encode_row(some_row()), state::encode_row({}), state.encode_newest()},
                 kOfTheLog, [](const std::string& bytes) { state::decode_row(bytes); });
  Mutations mutations(seed(), {state.encode()});
  for (int i = 0; i < rounds() / 4; ++i) {
    // Never an Error: what is not known is none.
    EXPECT_NO_THROW(SourceState::decode(mutations.next()));
  }
}

TEST(HostileBytes, PositionsAndTimelines) {
  read_mutations({"16/B374D848", "0/0", "FFFFFFFF/FFFFFFFF"}, kOfMessages,
                 [](const std::string& bytes) { parse_lsn(bytes); });
  read_mutations({"1\t0/5000148\tno recovery target\n2\t0/60\twhy\n\n"}, kOfMessages,
                 [](const std::string& bytes) { parse_timeline_history(bytes); });
}

}  // namespace
}  // namespace tandem::fuzz

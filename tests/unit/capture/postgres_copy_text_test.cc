#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "capture/postgres/copy_text.h"
#include "state/error.h"

namespace tandem::capture::postgres {
namespace {

using Fields = std::vector<std::optional<std::string>>;

Fields read(const std::string& row) {
  CopyRowReader reader;
  Fields fields;
  for (const auto& field : reader.read(row)) {
    fields.push_back(field ? std::optional<std::string>(*field) : std::nullopt);
  }
  return fields;
}

TEST(CopyText, SplitsFields) {
  EXPECT_EQ(read("1\tone\t\n"), (Fields{"1", "one", ""}));
  EXPECT_EQ(read("1\tone"), (Fields{"1", "one"}));
  EXPECT_EQ(read("\n"), (Fields{""}));
  EXPECT_EQ(read("\t\n"), (Fields{"", ""}));
}

TEST(CopyText, TellsNullFromText) {
  EXPECT_EQ(read("\\N\t\t\\\\N\tN\tNULL\n"), (Fields{std::nullopt, "", "\\N", "N", "NULL"}));
  EXPECT_EQ(read("\\Nx\tx\\N\n"), (Fields{"Nx", "xN"}));
}

TEST(CopyText, KnowsEveryEscape) {
  EXPECT_EQ(read("\\b\\f\\n\\r\\t\\v\\\\\n"), (Fields{"\b\f\n\r\t\v\\"}));
  EXPECT_EQ(read("\\1x\\12x\\1234\t\\8\n"), (Fields{"\1x\nxS4", "8"}));
  EXPECT_EQ(read("\\x4g\\x41\\x414\t\\xg\t\\x\n"), (Fields{"\4gAA4", "xg", "x"}));
  EXPECT_EQ(read("\\.\ta\\qb\n"), (Fields{".", "aqb"}));
}

TEST(CopyText, RefusesARowThatEndsInAnEscape) {
  EXPECT_THROW(read("a\tb\\"), state::Error);
  EXPECT_THROW(read("a\\\tb"), state::Error);
}

// As the server writes a field, and as it might.
std::string write(const std::string& text, std::mt19937& random) {
  static const std::string kSpecial = "\b\f\n\r\t\v\\";
  static const std::string kLetters = "bfnrtv\\";
  std::string row;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    std::size_t special = kSpecial.find(c);
    if (special != std::string::npos) {
      row += '\\';
      row += kLetters[special];
    } else if (random() % 8 == 0) {
      char octal[8];
      std::snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned char>(c));
      row += octal;
    } else {
      row += c;
    }
  }
  return row;
}

TEST(CopyText, RandomRowsComeBack) {
  std::random_device device;
  const unsigned seed = device();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  CopyRowReader reader;
  for (int round = 0; round < 5'000; ++round) {
    Fields fields(1 + random() % 6);
    std::string row;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i != 0) row += '\t';
      if (random() % 5 == 0) {
        row += "\\N";
        continue;
      }
      std::string text(random() % 20, ' ');
      const bool plain = random() % 2 == 0;
      for (char& c : text) {
        c = static_cast<char>(plain ? 'a' + random() % 26 : random() % 256);
        if (!plain && random() % 3 == 0) c = "\\Nnx01\t\n"[random() % 8];
      }
      row += write(text, random);
      fields[i] = text;
    }
    row += '\n';
    const auto& got = reader.read(row);
    ASSERT_EQ(got.size(), fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) ASSERT_EQ(got[i], fields[i]) << row;
  }
}

}  // namespace
}  // namespace tandem::capture::postgres

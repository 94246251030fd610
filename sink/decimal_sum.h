// Exact sums of decimals of any size. A double counts as the shortest decimal that reads back as
// the same double, so 0.1 + 0.2 is 0.3. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tandem::sink {

class DecimalSum {
 public:
  DecimalSum();
  ~DecimalSum();
  DecimalSum(DecimalSum&&) noexcept;
  DecimalSum& operator=(DecimalSum&&) noexcept;

  void add(std::int64_t number);
  /// False, and the sum stays as it is, if the number is infinite.
  [[nodiscard]] bool add(double number);
  /// "-12.50", "1e-7"; false, and the sum stays as it is, if the text is no decimal (or has an
  /// exponent beyond reason).
  [[nodiscard]] bool add(std::string_view decimal);
  /// Plain digits, "0" for the sum of nothing.
  std::string text() const;

 private:
  // What does not fit the 128 bits of the fast path.
  struct Large;
  __extension__ using Int128 = __int128;

  void add_scaled(Int128 digits, int scale);
  Large& large();

  Int128 digits_ = 0;  // the sum is digits_ / 10^scale_, plus what large_ holds
  int scale_ = 0;
  std::unique_ptr<Large> large_;
};

}  // namespace tandem::sink

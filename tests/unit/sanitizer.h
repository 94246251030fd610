// How long a test of random histories goes on: under a sanitizer, which makes each step many times
// slower, for fewer rounds.
#pragma once

namespace tandem::testing_support {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kFewer = 4;
#else
inline constexpr int kFewer = 1;
#endif

template <typename Integer>
constexpr Integer rounds(Integer without_sanitizer) {
  return without_sanitizer / Integer{kFewer};
}

}  // namespace tandem::testing_support

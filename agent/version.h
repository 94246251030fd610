// The version that `tandem --version` prints.
#pragma once

namespace tandem::agent {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace tandem::agent

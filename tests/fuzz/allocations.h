// How much memory a piece of work asks for: the executable's operator new counts.
#pragma once

#include <cstddef>

namespace tandem::fuzz {

/// Bytes that this thread has asked operator new for, given back or not. Stays 0 under a sanitizer,
/// whose own operator new finds mistakes that this one would hide.
std::size_t allocated();

}  // namespace tandem::fuzz

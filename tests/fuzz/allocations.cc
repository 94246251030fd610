#include "tests/fuzz/allocations.h"

#include <cstdlib>
#include <new>

namespace tandem::fuzz {
namespace {

thread_local std::size_t bytes = 0;

}  // namespace

std::size_t allocated() { return bytes; }

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

void* take(std::size_t size) {
  bytes += size;
  void* taken = std::malloc(size == 0 ? 1 : size);
  if (taken == nullptr) throw std::bad_alloc();
  return taken;
}

}  // namespace
#endif

}  // namespace tandem::fuzz

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
void* operator new(std::size_t size) { return tandem::fuzz::take(size); }
void* operator new[](std::size_t size) { return tandem::fuzz::take(size); }
void operator delete(void* taken) noexcept { std::free(taken); }
void operator delete[](void* taken) noexcept { std::free(taken); }
void operator delete(void* taken, std::size_t) noexcept { std::free(taken); }
void operator delete[](void* taken, std::size_t) noexcept { std::free(taken); }
#endif

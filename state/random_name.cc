#include "state/random_name.h"

#include <random>

namespace tandem::state {

std::string random_name() {
  std::random_device random;
  std::string name;
  for (int i = 0; i < 32; ++i) name += "0123456789abcdef"[random() % 16];
  return name;
}

}  // namespace tandem::state

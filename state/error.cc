#include "state/error.h"

#include <utility>

namespace tandem::state {

Error::Error(std::string what, std::string where, std::string hint)
    : message_(std::move(what)), where_(std::move(where)), hint_(std::move(hint)) {
  if (!where_.empty()) line_ = where_ + ": ";
  line_ += message_;
  if (!hint_.empty()) line_ += "; " + hint_;
}

}  // namespace tandem::state

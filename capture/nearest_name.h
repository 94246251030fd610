// The name that was probably meant, for messages about one that is not there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tandem::capture {

/// The one of `names` that is nearest to a misspelled one, "" if none is near. The case of letters
/// does not count.
std::string nearest_name(std::string_view misspelled, const std::vector<std::string>& names);

}  // namespace tandem::capture

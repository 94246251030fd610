// PostgreSQL's text of an array as a list: {1,2,NULL,"NULL"}, {{1,2},{3,4}}, [2:3]={1,2}.
#pragma once

#include <string_view>

#include "sink/item.h"

namespace tandem::sink {

/// Numbers, booleans, JSON and bytes come out as such if `declared_type` ("integer[]") says so, all
/// else as strings, NULL as null; bounds are left out. Throws InvalidItem for a text that is no
/// array, or an element that the target cannot hold.
Attribute attribute_from_array(std::string_view text, std::string_view declared_type);

}  // namespace tandem::sink

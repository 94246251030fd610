// Items out of DynamoDB's JSON, read in the middle of a larger text (an answer holds many).
#pragma once

#include "sink/item.h"
#include "sink/json_reader.h"

namespace tandem::sink {

/// The next value of the reader as an item: {"name": {"S": "x"}, …}. Sorted.
Item read_dynamodb_item(JsonReader& reader);
Attribute read_dynamodb_value(JsonReader& reader);

}  // namespace tandem::sink

// Values from and to PostgreSQL's text form. One decoder for COPY and for the stream, so that a
// value comes out the same by whichever way it came.
//
// The text is that of a session with Tandem's own settings (bytea_output hex, extra_float_digits 1
// or more, DateStyle ISO). Pure functions. Errors: Error on text that the form cannot have, which
// only a server with other settings or a damaged stream would send.
#pragma once

#include <string>
#include <string_view>

#include "state/schema.h"
#include "state/value.h"

namespace tandem::capture::postgres {

/// Integers, booleans, bytea and finite floats become values of their own kind; everything else
/// stays the exact text.
state::Value decode_value(state::ColumnForm form, std::string_view text);

/// The text that PostgreSQL reads as exactly this value, not yet quoted. Precondition: the value is
/// neither null nor unchanged.
std::string to_text(const state::Value& value, state::ColumnForm form);

}  // namespace tandem::capture::postgres

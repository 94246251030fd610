// SQLite as a source. How it captures stands in docs/architecture.md, "From source to log".
//
// Besides Source's promises: the application's pragmas are never changed, and no lock is held
// longer than one drain (reading) or one small transaction (writing) takes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture/source.h"

namespace tandem::capture {

/// Opens nothing yet: a missing or unreadable file is an Error of the first call that needs it, and
/// a failure finding of check().
std::unique_ptr<Source> open_sqlite_source(std::string path, std::vector<TableRequest> tables);

/// Throws Error if the file cannot be opened.
std::unique_ptr<SourceReader> open_sqlite_reader(const std::string& path);

}  // namespace tandem::capture

// The one error type of Tandem: an exception that ends a unit of work.
//
// It says what went wrong, where (a file, a table, a host, a config line), and what to do about it.
// Expected outcomes (unchanged, throttled, rejected) are values, never an Error. An Error is thrown
// with context and logged once, at the top, by agent/main.
#pragma once

#include <exception>
#include <string>

namespace tandem::state {

class Error : public std::exception {
 public:
  /// what: one sentence without a full stop. where: the thing it happened to ("" if obvious).
  /// hint: what the reader should do next ("" only if there is truly nothing). No secrets in any.
  Error(std::string what, std::string where, std::string hint);

  /// "where: what; hint" on one line.
  const char* what() const noexcept override { return line_.c_str(); }
  const std::string& message() const { return message_; }
  const std::string& where() const { return where_; }
  const std::string& hint() const { return hint_; }

 private:
  std::string message_, where_, hint_, line_;
};

/// Thrown when another agent has taken over (a higher epoch at the source, in the log, or at the
/// target). The process must stop with exit status 1 and write nothing more.
class Fenced : public Error {
 public:
  using Error::Error;
};

}  // namespace tandem::state

// What a process does of a pipeline.
#pragma once

#include <cstdint>
#include <string>

namespace tandem::agent {

/// Apart they share a log that both can reach.
enum class Role : std::uint8_t {
  kAll,      // capture and apply
  kCapture,  // source to log; needs no replica and no target
  kApply,    // log to target; needs no source
};

/// Of what `--role` takes: all, capture or apply.
inline Role role_of(const std::string& name) {
  if (name == "capture") return Role::kCapture;
  return name == "apply" ? Role::kApply : Role::kAll;
}

inline const char* name_of(Role role) {
  if (role == Role::kCapture) return "capture";
  return role == Role::kApply ? "apply" : "all";
}

}  // namespace tandem::agent

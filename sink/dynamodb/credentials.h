// Who we are to AWS: credentials and region from the environment and the shared profile files.
//
// Order: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; then the profile
// AWS_PROFILE
// ("default") in AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials) and AWS_CONFIG_FILE
// (~/.aws/config). An endpoint on this machine (DynamoDB Local) needs none: a placeholder is used.
// Errors: Error that names the places looked at, never a secret.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace tandem::sink {

struct Credentials {
  std::string access_key, secret_key, session_token;
};

/// An environment variable's value; nothing when it is unset or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;
std::optional<std::string> process_environment(const char* name);

Credentials load_credentials(const Environment& environment, bool local_endpoint);

/// The configured region, else AWS_REGION, AWS_DEFAULT_REGION, or the profile's; "us-east-1" for an
/// endpoint on this machine.
std::string resolve_region(const std::string& configured, const Environment& environment,
                           bool local_endpoint);

}  // namespace tandem::sink

#include "sink/dynamodb/credentials.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <string_view>

#include "state/error.h"

namespace tandem::sink {
namespace {

using Section = std::map<std::string, std::string>;

std::string trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kBlank) - first + 1));
}

/// One section of a profile file: `[name]` lines, `key = value` lines, comments from # or ;.
/// Indented lines belong to a nested setting of the line before and are none of ours.
std::optional<Section> read_section(const std::string& path, const std::string& wanted) {
  std::ifstream file(path);
  std::optional<Section> section;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    if (line[0] == '[') {
      inside = trim(std::string_view(line).substr(1, line.find(']') - 1)) == wanted;
      if (inside && !section.has_value()) section.emplace();
      continue;
    }
    std::size_t equals = line.find('=');
    if (!inside || equals == std::string::npos || line[0] == ' ' || line[0] == '\t') continue;
    std::string value = trim(std::string_view(line).substr(equals + 1));
    if (std::size_t comment = value.find(" #"); comment != std::string::npos) {
      value = trim(std::string_view(value).substr(0, comment));
    }
    (*section)[trim(std::string_view(line).substr(0, equals))] = value;
  }
  return section;
}

std::string value_of(const Section& section, const char* key) {
  auto entry = section.find(key);
  return entry == section.end() ? "" : entry->second;
}

struct Profile {
  std::string name;
  bool found = false;
  Section settings;  // of the credentials file over those of the config file
  std::string credentials_path, config_path;
};

Profile read_profile(const Environment& environment) {
  Profile profile;
  const std::string home = environment("HOME").value_or("");
  profile.name = environment("AWS_PROFILE").value_or("default");
  profile.credentials_path =
      environment("AWS_SHARED_CREDENTIALS_FILE").value_or(home + "/.aws/credentials");
  profile.config_path = environment("AWS_CONFIG_FILE").value_or(home + "/.aws/config");
  std::optional<Section> credentials = read_section(profile.credentials_path, profile.name);
  std::optional<Section> config = read_section(
      profile.config_path, profile.name == "default" ? "default" : "profile " + profile.name);
  profile.found = credentials.has_value() || config.has_value();
  if (credentials.has_value()) profile.settings = std::move(*credentials);
  if (config.has_value()) profile.settings.insert(config->begin(), config->end());
  return profile;
}

}  // namespace

std::optional<std::string> process_environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == 0) return std::nullopt;
  return value;
}

Credentials load_credentials(const Environment& environment, bool local_endpoint) {
  std::optional<std::string> access = environment("AWS_ACCESS_KEY_ID");
  std::optional<std::string> secret = environment("AWS_SECRET_ACCESS_KEY");
  if (access.has_value() && secret.has_value()) {
    return {*access, *secret, environment("AWS_SESSION_TOKEN").value_or("")};
  }
  if (access.has_value() != secret.has_value()) {
    throw state::Error("only one half of the AWS credentials is set", "environment",
                       "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  }
  Profile profile = read_profile(environment);
  Credentials credentials = {value_of(profile.settings, "aws_access_key_id"),
                             value_of(profile.settings, "aws_secret_access_key"),
                             value_of(profile.settings, "aws_session_token")};
  if (!credentials.access_key.empty() && !credentials.secret_key.empty()) return credentials;
  // DynamoDB Local takes letters and digits only.
  if (local_endpoint) return {"tandem", "tandem", ""};
  if (profile.found) {
    throw state::Error("the AWS profile " + profile.name + " holds no access key",
                       profile.credentials_path,
                       "export its keys into the environment (aws configure export-credentials "
                       "--format env), or choose another with AWS_PROFILE");
  }
  throw state::Error("no AWS credentials found",
                     "environment, " + profile.credentials_path + ", " + profile.config_path,
                     "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
}

std::string resolve_region(const std::string& configured, const Environment& environment,
                           bool local_endpoint) {
  if (!configured.empty()) return configured;
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (std::optional<std::string> region = environment(name)) return *region;
  }
  std::string region = value_of(read_profile(environment).settings, "region");
  if (!region.empty()) return region;
  if (local_endpoint) return "us-east-1";
  throw state::Error("no AWS region is set", "target.region",
                     "name the tables' region in the config, or set AWS_REGION");
}

}  // namespace tandem::sink

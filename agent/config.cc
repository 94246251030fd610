#include "agent/config.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "agent/config_parts.h"
#include "agent/config_reader.h"

namespace tandem::agent {
namespace {

constexpr std::size_t kLargestFile = 8U << 20U;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

/// The file's own name, in the characters that topics and items can carry.
std::string default_name(const std::string& file) {
  std::string name = std::filesystem::path(file).stem().string();
  for (char& c : name) {
    if (!is_name_character(c)) c = '-';
  }
  return name.empty() ? "tandem" : name.substr(0, 100);
}

void read_pipeline_name(const ConfigNode& node, Config& config, MistakeList& mistakes) {
  auto name = read_name(node, mistakes);
  if (!name) return;
  if (name->size() > 100 || !std::all_of(name->begin(), name->end(), is_name_character)) {
    mistakes.add(node, "must have at most 100 of the characters a-z A-Z 0-9 _ - .");
    return;
  }
  config.name = *name;
}

void read_config(const ConfigNode& root, Config& config, MistakeList& mistakes) {
  MapReader map(root, kConfigShape, mistakes);
  if (!map) return;
  config.name = default_name(config.file);
  if (const ConfigNode* name = map.find("name")) read_pipeline_name(*name, config, mistakes);
  if (const ConfigNode* source = map.require("source")) {
    read_source(*source, config.source, mistakes);
  }
  const std::string object_name = default_object_name(config.name);
  if (config.source.slot.empty()) config.source.slot = object_name;
  if (config.source.publication.empty()) config.source.publication = object_name;
  if (const ConfigNode* log = map.find("log")) read_log(*log, config.log, mistakes);
  if (config.log.topic.empty()) config.log.topic = config.name;
  if (const ConfigNode* state = map.find("state")) {
    config.state = read_name(*state, mistakes).value_or(config.state);
  }
  if (const ConfigNode* target = map.require("target")) {
    read_target(*target, config.target, mistakes);
  }
  if (const ConfigNode* documents = map.require("documents")) {
    read_documents(*documents, config.target, config.documents, mistakes);
  }
}

/// The line of the first byte that is not UTF-8, or 0.
int line_of_broken_text(std::string_view text) {
  int line = 1;
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    std::size_t length = byte < 0x80   ? 1
                         : byte < 0xC2 ? 0
                         : byte < 0xE0 ? 2
                         : byte < 0xF0 ? 3
                         : byte < 0xF5 ? 4
                                       : 0;
    if (byte == 0 || length == 0 || i + length > text.size()) return line;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return line;
    }
    if (byte == '\n') ++line;
    i += length;
  }
  return 0;
}

}  // namespace

std::string shown_source(const SourceConfig& source) {
  if (source.type == SourceType::kSqlite) return source.path;
  if (source.url.empty()) return "";
  try {
    return "postgresql://" + capture::postgres::read_address(source.url, source.credentials).shown;
  } catch (const state::Error&) {
    return mask_secrets(source.url);
  }
}

bool is_connection_string(std::string_view text) {
  if (text.starts_with("postgres://") || text.starts_with("postgresql://")) return true;
  // host=… dbname=…: a keyword of small letters before the first equals sign.
  const std::size_t end = text.find_first_of("= ");
  return end != std::string_view::npos && end > 0 && text.find('=') != std::string_view::npos &&
         std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

int Config::line_of(std::string key) const {
  while (true) {
    auto found = lines.find(key);
    if (found != lines.end()) return found->second;
    std::size_t cut = key.find_last_of(".[");
    if (cut == std::string::npos) return 0;
    key.resize(cut);
  }
}

Config parse_config(std::string_view text, const std::string& file,
                    const Environment& environment) {
  Config config;
  config.file = file;
  MistakeList mistakes;
  if (text.size() > kLargestFile) {
    mistakes.add(1, "", "this is too large for a config (8 MiB at most)");
  } else if (int line = line_of_broken_text(text); line != 0) {
    mistakes.add(line, "", "this is not UTF-8 text");
  } else {
    ConfigNode root = parse_config_nodes(text, environment, config.lines, mistakes);
    // After a syntax error there is no tree; complaining about missing keys would only distract.
    if (!root.is_null() || mistakes.empty()) read_config(root, config, mistakes);
  }
  if (!mistakes.empty()) {
    throw ConfigError(file, mistakes.take(), std::make_shared<const Config>(std::move(config)));
  }
  return config;
}

Config parse_config(std::string_view text, const std::string& file) {
  return parse_config(text, file,
                      [](const std::string& name) { return std::getenv(name.c_str()); });
}

Config load_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // Reading a directory opens well and fails at the first byte.
  if (!file || !(text << file.rdbuf())) {
    if (file.is_open() && file.peek() == std::ifstream::traits_type::eof() &&
        std::filesystem::is_regular_file(path)) {
      return parse_config("", path);
    }
    throw ConfigError(
        path,
        {{0, "", "cannot be read; name it by -c FILE, or let `tandem init --source FILE` write one",
          ""}});
  }
  return parse_config(text.str(), path);
}

}  // namespace tandem::agent

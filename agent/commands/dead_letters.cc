// tandem dead-letters list|retry|drop: what could not be written, and why.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/commands/commands.h"
#include "agent/inbox_worker.h"
#include "agent/terminal.h"
#include "agent/wiring.h"
#include "state/ledger_reader.h"

namespace tandem::agent {
namespace {

// A value as one types it: text without quotes. Nothing for what can't be typed so.
std::optional<std::string> typed(const state::Value& value) {
  switch (value.kind()) {
    case state::ValueKind::kText:
      return value.bytes();
    case state::ValueKind::kInteger:
    case state::ValueKind::kReal:
      return state::to_display(value);
    default:
      return std::nullopt;
  }
}

// Is the letter of the row with this key, given as one types it or as the listing shows it?
bool names(const std::vector<std::string>& key, const state::DeadLetter& letter, bool as_shown) {
  const state::Row root = state::decode_row(letter.root);
  return std::equal(key.begin(), key.end(), root.begin(), root.end(),
                    [&](const std::string& text, const state::Value& value) {
                      return as_shown ? text == state::to_display(value) : typed(value) == text;
                    });
}

// The letters that the command line names: all, those of one document, or one row's.
std::vector<state::DeadLetter> chosen(const CommandLine& line,
                                      const state::StateDirectory& directory) {
  std::vector<state::DeadLetter> letters;
  if (::access(directory.ledger().c_str(), R_OK) != 0) return letters;
  letters = state::LedgerReader(directory.ledger()).dead_letters();
  std::erase_if(letters, [&](const state::DeadLetter& letter) {
    return !line.document.empty() && letter.document != line.document;
  });
  if (line.key.empty()) return letters;
  for (bool as_shown : {false, true}) {
    std::vector<state::DeadLetter> named;
    std::copy_if(letters.begin(), letters.end(), std::back_inserter(named),
                 [&](const auto& letter) { return names(line.key, letter, as_shown); });
    if (!named.empty()) return named;
  }
  return {};
}

int request(const CommandLine& line, state::RequestKind kind) {
  Config config = load_config_as_read(line.config);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  std::vector<state::Request> requests;
  for (const state::DeadLetter& letter : chosen(line, directory)) {
    state::Request request;
    request.kind = kind;
    request.document = letter.document;
    request.root = letter.root;
    requests.push_back(std::move(request));
  }
  if (requests.empty()) {
    std::puts("no such dead letter");
    return 0;
  }
  put_requests(config, requests);
  return 0;
}

}  // namespace

int run_dead_letters_list(const CommandLine& line) {
  Config config = load_config_as_read(line.config);
  state::StateDirectory directory = state::StateDirectory::look(config.state);
  auto letters = chosen(line, directory);
  if (line.json) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const state::DeadLetter& letter : letters) {
      json.push_back({{"document", letter.document},
                      {"row", letter.row},
                      {"item", letter.item},
                      {"reason", letter.reason},
                      {"since", iso_time(letter.first_ms)},
                      {"offset", letter.offset}});
    }
    std::puts(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else {
    for (const state::DeadLetter& letter : letters) {
      std::string text = letter.document + " " + letter.row;
      if (!letter.item.empty()) text += " (" + letter.item + ")";
      std::puts(
          printable(text + ": " + letter.reason + "; since " + iso_time(letter.first_ms)).c_str());
    }
    if (letters.empty()) std::puts("no dead letters");
  }
  return letters.empty() ? 0 : 3;
}

int run_dead_letters_retry(const CommandLine& line) {
  return request(line, state::RequestKind::kRetry);
}

int run_dead_letters_drop(const CommandLine& line) {
  return request(line, state::RequestKind::kDrop);
}

}  // namespace tandem::agent

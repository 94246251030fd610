// tandem dead-letters list|retry|drop: what could not be written, and why.
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "agent/commands/commands.h"
#include "agent/inbox_worker.h"
#include "agent/terminal.h"
#include "agent/wiring.h"
#include "state/ledger_reader.h"

namespace tandem::agent {
namespace {

std::string joined(const std::vector<std::string>& key) {
  std::string text;
  for (const std::string& value : key) text += (text.empty() ? "" : ", ") + value;
  return text;
}

// The letters that the command line names: all, those of one document, or one row's.
std::vector<state::DeadLetter> chosen(const CommandLine& line,
                                      const state::StateDirectory& directory) {
  std::vector<state::DeadLetter> letters;
  if (::access(directory.ledger().c_str(), R_OK) != 0) return letters;
  for (state::DeadLetter& letter : state::LedgerReader(directory.ledger()).dead_letters()) {
    if (!line.document.empty() && letter.document != line.document) continue;
    std::string key = joined(line.key);
    // `row` reads "Track 7" or "PlaylistTrack (1, 3402)".
    if (!key.empty() && !letter.row.ends_with(" " + key) && !letter.row.ends_with("(" + key + ")"))
      continue;
    letters.push_back(std::move(letter));
  }
  return letters;
}

int request(const CommandLine& line, state::RequestKind kind) {
  Config config = load_config(line.config);
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
  Config config = load_config(line.config);
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

// tandem reset: forgets this machine's state, never the target's data.
#include <cstdio>

#include "agent/commands/commands.h"
#include "agent/config.h"
#include "agent/wiring.h"
#include "state/state_directory.h"

namespace tandem::agent {

int run_reset(const CommandLine& line) {
  Config config = load_config_as_read(line.config);
  if (!line.confirm) {
    throw UsageError("reset deletes the replica, the ledger and the embedded log", config.state,
                     "say `tandem reset --confirm`; the source and the target stay as they are, "
                     "and the next run "
                     "compares all of it anew");
  }
  state::StateDirectory directory = state::StateDirectory::own(config.state);
  directory.forget();
  if (state::StateDirectory::look_at_capture(config.state).exists()) {
    state::StateDirectory::own_capture(config.state).forget();
  }
  std::puts(("forgot the state in " + config.state).c_str());
  return 0;
}

}  // namespace tandem::agent

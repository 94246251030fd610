// Named points at which a test build can be made to die, stall or fail.
//
// TANDEM_FAILPOINT("log.append.before") is nothing in other builds. In a test build the environment
// variable TANDEM_FAILPOINTS="name=kill@3;other=error" arms points: `kill` sends SIGKILL to the
// process, `stop` SIGSTOP, `error` throws Error; @n means at the n-th pass (1 by default). A file
// named by TANDEM_FAILPOINT_TRACE gets the name of each point at its first pass, so that a test can
// list them. Both are read at each pass, so that a unit test can arm points in its own process;
// arming anew counts anew.
#pragma once

#ifdef TANDEM_FAILPOINTS
namespace tandem::state {
void pass_failpoint(const char* name);
}
#define TANDEM_FAILPOINT(name) ::tandem::state::pass_failpoint(name)
#else
#define TANDEM_FAILPOINT(name) static_cast<void>(0)
#endif

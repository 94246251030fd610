#include "agent/stop_signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace tandem::agent {

StopSignals::StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A peer that closes its connection must end a request, not the process.
  std::signal(SIGPIPE, SIG_IGN);
  descriptor_ = ::signalfd(-1, &signals, SFD_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  waiter_ = std::jthread([this] {
    for (;;) {
      pollfd waits[2] = {{descriptor_, POLLIN, 0}, {wake_, POLLIN, 0}};
      if (::poll(waits, 2, -1) < 0) continue;
      if ((waits[1].revents & POLLIN) != 0) return;
      signalfd_siginfo information;
      if (::read(descriptor_, &information, sizeof information) != sizeof information) continue;
      if (!source_.request_stop()) ::_exit(130);
    }
  });
}

StopSignals::~StopSignals() {
  std::uint64_t one = 1;
  static_cast<void>(::write(wake_, &one, sizeof one) == sizeof one);
  waiter_.join();
  ::close(descriptor_);
  ::close(wake_);
}

}  // namespace tandem::agent

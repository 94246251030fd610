// What a comparison waits for things that are on their way, over all of them: one that took a
// little longer for each of a thousand rows would otherwise never end.
//
// One thread.
#pragma once

#include <chrono>
#include <thread>

namespace tandem::state {

class Patience {
  using Clock = std::chrono::steady_clock;

 public:
  explicit Patience(std::chrono::milliseconds whole) : left_(whole) {}

  bool is_over() const { return left_ <= left_.zero(); }

  /// One wait. What passes from its first pause to its end is taken from what is left.
  class Wait {
   public:
    explicit Wait(Patience& patience) : patience_(patience) {}
    ~Wait() { count(); }
    Wait(const Wait&) = delete;

    bool is_over() {
      count();
      return patience_.is_over();
    }
    void pause(std::chrono::milliseconds time) {
      if (!waits_) since_ = Clock::now();
      waits_ = true;
      std::this_thread::sleep_for(time);
    }

   private:
    void count() {
      if (!waits_) return;
      const auto now = Clock::now();
      patience_.left_ -= now - since_;
      since_ = now;
    }

    Patience& patience_;
    bool waits_ = false;
    Clock::time_point since_;
  };

 private:
  Clock::duration left_;
};

}  // namespace tandem::state

#include "lckv/base/stack_trace.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lckv/base/text.h"

namespace lckv {

namespace {

constexpr int kMaxFrames = 64;
constexpr int kOwnFrames = 2;  // the handler, the return from it
constexpr auto kPatience = std::chrono::milliseconds(200);

int trace_signal() { return SIGRTMIN + 7; }

pid_t this_thread() { return static_cast<pid_t>(syscall(SYS_gettid)); }

/// What one thread writes down when it is asked: its own id stands in `state`, so that a thread
/// which answers too late writes nothing.
struct Capture {
  static constexpr int kNobody = 0, kWriting = -1, kWritten = -2;
  std::atomic<int> state{kNobody};
  int frames = 0;
  std::array<void*, kMaxFrames> frame{};
};
Capture capture;

void on_trace_signal(int) {
  const int saved_errno = errno;
  int asked = this_thread();
  if (capture.state.compare_exchange_strong(asked, Capture::kWriting)) {
    capture.frames = backtrace(capture.frame.data(), kMaxFrames);
    capture.state.store(Capture::kWritten);
  }
  errno = saved_errno;
}

struct Traced {
  pid_t thread;
  std::string name;
};

struct Registry {
  std::mutex mutex;
  std::vector<Traced> threads;
};

/// Made by the first traced thread, with the handler.
Registry& registry() {
  static Registry* instance = [] {
    // The first call loads the unwinder, which no signal handler may.
    std::array<void*, 1> frame;
    backtrace(frame.data(), 1);
    struct sigaction action = {};
    action.sa_handler = on_trace_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(trace_signal(), &action, nullptr);
    return new Registry;  // outlives every thread
  }();
  return *instance;
}

bool answered(pid_t thread) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (capture.state.load() != Capture::kWritten) {
    int asked = thread;
    if (std::chrono::steady_clock::now() > until &&
        capture.state.compare_exchange_strong(asked, Capture::kNobody)) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::string readable(const char* symbol) {
  int status = 0;
  char* demangled = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string text = status == 0 ? demangled : symbol;
  std::free(demangled);
  return text;
}

/// A return address lies behind its call, in the next function when the call is the last of its
/// own; so the byte before it is looked up.
std::string describe(const void* frame, bool returns_there) {
  const char* address = static_cast<const char*>(frame) - (returns_there ? 1 : 0);
  Dl_info found{};
  if (dladdr(address, &found) == 0) return format("{}", static_cast<const void*>(address));
  const std::string path = found.dli_fname;
  std::string place = format("{}+{:#x}", path.substr(path.rfind('/') + 1),
                             address - static_cast<const char*>(found.dli_fbase));
  if (found.dli_sname == nullptr) return place;
  return format("{}+{:#x} ({})", readable(found.dli_sname),
                address - static_cast<const char*>(found.dli_saddr), place);
}

std::string captured_stack() {
  std::string text;
  for (int i = kOwnFrames; i < capture.frames; ++i) {
    text += format("  {}\n", describe(capture.frame[static_cast<size_t>(i)], i > kOwnFrames));
  }
  return text;
}

std::string stack_of(pid_t thread) {
  capture.state.store(thread);
  const bool asked = syscall(SYS_tgkill, getpid(), thread, trace_signal()) == 0;
  std::string text =
      asked && answered(thread) ? captured_stack() : "  does not answer: blocked in the kernel\n";
  capture.state.store(Capture::kNobody);
  return text;
}

}  // namespace

TracedThread::TracedThread(const std::string& name) : thread_(this_thread()) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.threads.push_back({thread_, name});
}

TracedThread::~TracedThread() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto own = std::find_if(r.threads.begin(), r.threads.end(),
                                [this](const Traced& t) { return t.thread == thread_; });
  if (own != r.threads.end()) r.threads.erase(own);
}

std::string stack_traces() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);  // one at a time, and no thread ends meanwhile
  std::string text;
  for (const Traced& traced : r.threads) {
    text += format("thread \"{}\":\n{}", traced.name, stack_of(traced.thread));
  }
  return text;
}

}  // namespace lckv

#include "lckv/train/run_status.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/process_age.h"
#include "lckv/base/text.h"
#include "lckv/base/write_all.h"

namespace lckv::train {

namespace {

using Clock = std::chrono::system_clock;

constexpr std::chrono::duration<double> kBetweenChanges(1);
constexpr std::chrono::seconds kForTheLastPage(2);
constexpr size_t kMessages = 20;

StatusPage first_page(const RunStatus::Facts& facts) {
  StatusPage page;
  page.pid = getpid();
  page.host = facts.host;
  page.ranks = facts.ranks;
  page.grid = facts.grid;
  page.steps = facts.steps;
  page.progressed = Clock::now();
  page.started = page.progressed - std::chrono::duration_cast<Clock::duration>(
                                       std::chrono::duration<double>(process_age_s()));
  return page;
}

/// The text of a page whose state is final; "" when there is none.
std::string page_of_ended_run(const std::string& path) {
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto page = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!page.is_object() || !page.contains("state")) return "";
  for (const RunState state : {RunState::kFinished, RunState::kStopped, RunState::kFailed}) {
    if (page["state"] == name(state)) return text;
  }
  return "";
}

/// 0, or the errno of what failed. Not checkpoint::write_file_atomically, which syncs.
int replace_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".tmp";
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return errno;
  int failed = write_all(descriptor, text) ? 0 : errno;
  if (::close(descriptor) != 0 && failed == 0) failed = errno;  // network file systems: disk full
  if (failed == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) failed = errno;
  if (failed != 0) ::unlink(temporary.c_str());
  return failed;
}

}  // namespace

RunStatus::RunStatus(const Facts& facts, bool writes)
    : path_(facts.run_folder / "status.json"),
      sign_of_life_s_(facts.sign_of_life_s),
      writes_(writes),
      page_(first_page(facts)),
      page_before_(writes ? page_of_ended_run(path_) : "") {
  if (writes_) thread_ = std::thread([this] { write_until_the_end(); });
}

RunStatus::~RunStatus() {
  end(RunState::kFailed, "ended without telling why");
  if (writes_) thread_.join();
}

void RunStatus::begin() {
  const std::lock_guard lock(mutex_);
  page_before_.clear();
}

void RunStatus::update(const std::function<void(StatusPage&)>& change) {
  if (!writes_) return;
  const std::lock_guard lock(mutex_);
  if (is_final(page_.state)) return;
  const RunState state = page_.state;
  const int64_t step = page_.step;
  change(page_);
  LCKV_CHECK(!is_final(page_.state), "a run ends by RunStatus::end()");
  changed_ = true;
  if (page_.state != state || page_.step != step) page_.progressed = Clock::now();
  if (page_.state == state) return;
  urgent_ = true;
  wake_.notify_one();
}

void RunStatus::enter(RunState state) {
  update([&](StatusPage& page) { page.state = state; });
}

void RunStatus::add_message(const std::string& message) {
  update([&](StatusPage& page) {
    std::vector<std::string>& messages = page.health.messages;
    messages.push_back(message);
    if (messages.size() > kMessages) messages.erase(messages.begin());
  });
}

void RunStatus::end(RunState final_state, const std::string& message) {
  LCKV_CHECK(is_final(final_state), format("{} is no end", name(final_state)));
  if (!writes_) return;
  std::unique_lock lock(mutex_);
  if (!is_final(page_.state)) {
    page_.state = final_state;
    page_.message = message;
    page_.progressed = Clock::now();
    urgent_ = true;
    wake_.notify_one();
  }
  written_.wait_for(lock, kForTheLastPage, [&] { return end_written_; });
}

void RunStatus::guard(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    {
      const std::lock_guard lock(mutex_);
      restores_page_ = !is_final(page_.state) && !page_before_.empty();
    }
    end(RunState::kFailed, error.what());
    throw;
  }
}

void RunStatus::write_until_the_end() {
  const std::chrono::duration<double> sign_of_life(sign_of_life_s_);
  std::unique_lock lock(mutex_);
  for (Stopwatch since_written; !end_written_;) {
    if (urgent_ || changed_ || since_written.elapsed_s() >= sign_of_life_s_) {
      since_written.restart();
      urgent_ = changed_ = false;
      StatusPage page = page_;
      page.updated = Clock::now();
      const std::string before = restores_page_ ? page_before_ : "";
      lock.unlock();
      write(before.empty() ? to_json(page) : before);
      lock.lock();
      end_written_ = is_final(page.state);
    }
    wake_.wait_for(lock, std::min(kBetweenChanges, sign_of_life),
                   [&] { return urgent_ || end_written_; });
  }
  written_.notify_all();
}

void RunStatus::write(const std::string& text) {
  const int failed = replace_file(path_, text);
  if (failed == 0 || warned_) return;
  warned_ = true;
  log_warning(format("{}: cannot be written ({}); the run goes on without it", path_.string(),
                     std::strerror(failed)));
}

}  // namespace lckv::train

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "harness_prompts.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/python_random.h"
#include "lckv/eval/read_documents.h"

namespace {

using namespace lckv;
using namespace lckv::eval;

/// What lm-evaluation-harness v0.3 keeps of a whole task: tests/testdata/<task>-loglikelihood and
/// <task>-res.json (spec/evaluation.md section 4).
struct Kept {
  const char* file;  // <task>.jsonl of the folder
  const char* task;
  const char* hash;
  double acc, acc_error;
  double acc_norm, acc_norm_error;  // NaN: not kept
  // v0.3 asked BoolQ's yes first, and SciQ without the blank line of an empty passage
  enum class Form { kAsNow, kYesFirst, kTrimmed } form = Form::kAsNow;
};

const double kNone = std::nan("");

const Kept kKept[] = {
    {"hellaswag", "hellaswag", "abb808c97d6529eda6c11067837a132c62d25cba0394d720f80cca6df9f7196e",
     0.24965146385182235, 0.004319267432460666, 0.24756024696275641, 0.004307128573285236},
    {"openbookqa", "openbookqa", "78a49a0ca1a47373adb33463b1d092e6bc0d8f4b01bcb380ada48065037849d7",
     0.214, 0.018359797502387046, 0.276, 0.020011219298073517},
    {"winogrande", "winogrande", "90a3eff49de9173964d46f5ed57bcf9a78a72dd1bfe0e5323b25cebb40b49ea9",
     0.516179952644041, 0.014045126130978606, kNone, kNone},
    {"arc_easy", "arc_easy", "ffa6e39a35a16299dcb015f17f986aaa598ad8b4840c4cebe0339a7042232741",
     0.2474747474747475, 0.008855114414834707, 0.24074074074074073, 0.008772796145221907},
    {"arc_challenge", "arc_challenge",
     "41c34c96cca8ace661911d0033d630c554b283f5a3953bcdc50720ae6b00a9c1", 0.24488054607508533,
     0.012566273985131354, 0.2440273037542662, 0.012551447627856257},
    {"boolq", "boolq", "6577e0d88572772ef08e64f624c0e3df0953286ae1f118ccef15623b59ffeabf",
     0.5048929663608562, 0.00874463623355505, kNone, kNone, Kept::Form::kYesFirst},
    {"piqa", "piqa", "6048a3a2bb3ad1e6a3d98139618e06b4d7de766edd685bd38837596199c3f69f",
     0.514145810663765, 0.011661154475524836, 0.5114254624591947, 0.01166277802645167},
    {"sciq", "sciq", "71cbb6e2a7ac4512c3761ea801d420eb3fac49d158c7e4deaa3ab8727bea923c", 0.234,
     0.01339490288966001, 0.239, 0.01349300044693758, Kept::Form::kTrimmed},
};

void take_form(Document& document, Kept::Form form) {
  if (form == Kept::Form::kYesFirst) {
    std::swap(document.prompts.at(0), document.prompts.at(1));
    if (document.gold) document.gold = 1 - *document.gold;
  }
  if (form == Kept::Form::kTrimmed) {
    for (Prompt& prompt : document.prompts) {
      prompt.context.erase(0, prompt.context.find_first_not_of(" \n\t"));
    }
  }
}

bool agrees(double own, double kept) { return std::isnan(kept) || std::fabs(own - kept) < 1e-14; }

/// Whether the task's prompts and metrics are those that the harness keeps.
bool check(const Kept& kept, const std::string& path) {
  TaskInput input;
  input.task = &find_task(kept.task);
  input.documents = read_documents(*input.task, {path, ""});
  for (Document& document : input.documents) take_form(document, kept.form);
  PythonRandom(42).shuffle(input.documents);
  const bool same_prompts = prompts_hash(input.documents) == kept.hash;
  const TaskResult result = score_at_random(input);
  bool same_metrics = true;
  const auto compare = [&](size_t index, double value, double error) {
    if (std::isnan(value)) return;
    const Estimate& own = result.metrics.at(index).estimate;
    same_metrics = same_metrics && agrees(own.value, value) && agrees(*own.std_error, error);
  };
  compare(0, kept.acc, kept.acc_error);
  compare(1, kept.acc_norm, kept.acc_norm_error);
  fmt::print("{:<14} {:>6} documents  prompts {}  metrics {}\n", kept.file, input.documents.size(),
             same_prompts ? "equal" : "DIFFER", same_metrics ? "equal" : "DIFFER");
  return same_prompts && same_metrics;
}

}  // namespace

/// Reads the tasks' files (TASK.jsonl) that a folder has; exit 1 where one is not the harness's.
int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: harness_check FOLDER     with hellaswag.jsonl, piqa.jsonl, ...\n");
    return 2;
  }
  int checked = 0, differ = 0;
  for (const Kept& kept : kKept) {
    const std::string path = (std::filesystem::path(argv[1]) / kept.file).string() + ".jsonl";
    if (!std::filesystem::exists(path)) continue;
    ++checked;
    try {
      differ += check(kept, path) ? 0 : 1;
    } catch (const Error& error) {
      fmt::print("{:<14} {}\n", kept.file, error.what());
      ++differ;
    }
  }
  fmt::print("{} tasks checked, {} differ\n", checked, differ);
  return checked == 0 || differ > 0 ? 1 : 0;
}

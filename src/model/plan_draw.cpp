#include <algorithm>
#include <functional>

#include "lckv/base/text.h"
#include "lckv/model/plan.h"

namespace lckv::model {

namespace {

constexpr size_t kColumns = 100;     // of the terminal
constexpr int kLayersPerBlock = 32;  // side by side; more wrap into another block
constexpr size_t kLabelColumns = 13;

char symbol(const Cell& cell) {
  if (!cell.runs_block) return cell.keeps_grad ? 'K' : 'k';
  if (!cell.runs_attention) return cell.keeps_grad ? 'M' : 'm';
  return cell.keeps_grad ? '#' : 'o';
}

constexpr const char* kLegend =
    "  # block with gradient    M its MLP alone (attention is 0)    K its K,V alone\n"
    "  o block without          m likewise, without                 k likewise, without\n";

std::string label(const std::string& text) { return format("{:<{}}", text, kLabelColumns); }

/// "3", "3-7"
std::string range(int first, int last) {
  return first == last ? format("{}", first) : format("{}-{}", first, last);
}

/// A picture of rows of symbols; segments are fenced off by '|'.
class Picture {
 public:
  explicit Picture(const Plan& plan) : plan_(plan) {
    for (const Cell& cell : plan.cells) passes_ = std::max(passes_, cell.pass + 1);
    const size_t count = plan.layers.size();
    rows_.assign(static_cast<size_t>(passes_), std::string(count, ' '));
    for (const Cell& cell : plan.cells) {
      // What runs once stands in the last row, which so shows the way of the hidden state to the
      // head.
      const bool iterated = segment_of(cell.layer).iterated;
      at(iterated ? cell.pass : passes_ - 1, cell.layer) = symbol(cell);
    }
  }

  std::string text() const {
    std::string result;
    const int count = static_cast<int>(plan_.layers.size());
    for (int first = 0; first < count; first += kLayersPerBlock) {
      if (first > 0) result += "\n";
      result += block(first, std::min(count, first + kLayersPerBlock));
    }
    return result;
  }

 private:
  char& at(int pass, int layer) {
    return rows_[static_cast<size_t>(pass)][static_cast<size_t>(layer)];
  }
  const Segment& segment_of(int layer) const {
    return *std::find_if(plan_.segments.begin(), plan_.segments.end(),
                         [&](const Segment& s) { return layer <= s.last; });
  }

  /// One line over layers first..end-1.
  std::string line(const std::string& name, int first, int end,
                   const std::function<char(int)>& character) const {
    std::string text = label(name);
    for (int i = first; i < end; ++i) {
      if (i > first) text += segment_of(i).first == i ? '|' : ' ';
      text += character(i);
    }
    return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }

  std::string block(int first, int end) const {
    std::string text;
    for (int unit = 100; unit >= 1; unit /= 10) {  // the layer's number, a digit per line
      if (unit > 1 && end - 1 < unit) continue;
      text += line(unit == 1 ? "layer" : "", first, end, [&](int i) {
        return i >= unit || unit == 1 ? static_cast<char>('0' + i / unit % 10) : ' ';
      });
    }
    text += line("has K,V", first, end,
                 [&](int i) { return plan_.layers[static_cast<size_t>(i)].has_kv ? '*' : ' '; });
    for (int pass = 0; pass < passes_;) {
      const std::string& row = rows_[static_cast<size_t>(pass)];
      int last = pass;
      while (last + 1 < passes_ && rows_[static_cast<size_t>(last + 1)] == row) ++last;
      const char* noun = last > pass ? "passes" : "pass";
      const std::string name =
          passes_ == 1 ? "once" : format("{} {}", noun, range(pass + 1, last + 1));
      text += line(name, first, end, [&](int i) { return row[static_cast<size_t>(i)]; });
      pass = last + 1;
    }
    return text;
  }

  const Plan& plan_;
  int passes_ = 1;
  std::vector<std::string> rows_;  // [pass][layer]
};

/// "layers 1-5 read layer 6 of the pass before, strict": layers first..last follow one rule.
std::string reading(const Plan& plan, int first, int last, bool themselves) {
  const LayerSpec& layer = plan.layers[static_cast<size_t>(first)];
  const bool one = first == last;
  std::string text =
      format("{} {} {} ", one ? "layer" : "layers", range(first, last), one ? "reads" : "read");
  if (themselves) {
    text += one ? "itself" : "themselves";
  } else {
    text += format("layer {}{}", layer.reads, layer.upward ? " of the pass before" : "");
  }
  if (layer.window_tokens > 0) text += format(", window {}", layer.window_tokens);
  if (layer.masks_self) text += ", strict";
  return text;
}

/// The last of the layers from `first` on that look at their keys as `first` does and fulfil
/// `same_source`.
int last_alike(const Plan& plan, const Segment& segment, int first,
               const std::function<bool(int)>& same_source) {
  const LayerSpec& model = plan.layers[static_cast<size_t>(first)];
  int last = first;
  while (last < segment.last) {
    const LayerSpec& next = plan.layers[static_cast<size_t>(last + 1)];
    if (!same_source(last + 1) || next.upward != model.upward ||
        next.masks_self != model.masks_self || next.window_tokens != model.window_tokens) {
      break;
    }
    ++last;
  }
  return last;
}

std::vector<std::string> readings(const Plan& plan, const Segment& segment) {
  const auto reads = [&](int i) { return plan.layers[static_cast<size_t>(i)].reads; };
  std::vector<std::string> phrases;
  for (int first = segment.first; first <= segment.last;) {
    // A layer that reads itself begins "0-2 read themselves" or "0-2 read layer 0": the longer one.
    const int last_of_target =
        last_alike(plan, segment, first, [&](int i) { return reads(i) == reads(first); });
    const int last_of_own = last_alike(plan, segment, first, [&](int i) { return reads(i) == i; });
    const bool themselves = reads(first) == first && last_of_own >= last_of_target;
    const int last = themselves ? last_of_own : last_of_target;
    phrases.push_back(reading(plan, first, last, themselves));
    first = last + 1;
  }
  return phrases;
}

/// Phrases joined by "; ", continued under the first one.
std::string wrapped(const std::string& head, const std::vector<std::string>& phrases) {
  std::string text, line = head;
  for (size_t i = 0; i < phrases.size(); ++i) {
    const std::string phrase = phrases[i] + (i + 1 < phrases.size() ? ";" : "");
    if (line.size() + 1 + phrase.size() > kColumns && line.size() > head.size()) {
      text += line + "\n";
      line = std::string(head.size(), ' ');
    }
    line += (line.back() == ' ' ? "" : " ") + phrase;
  }
  return text + line + "\n";
}

/// "7+2 passes": without and with gradient.
std::string passes_of(const Plan& plan, const Segment& segment) {
  if (!segment.iterated) return "once";
  int passes = 0, constant = 0;
  for (const Cell& cell : plan.cells) {
    if (cell.layer < segment.first || cell.layer > segment.last) continue;
    passes = std::max(passes, cell.pass + 1);
    if (!cell.keeps_grad) constant = std::max(constant, cell.pass + 1);
  }
  if (constant == 0 || constant == passes) return format("{} passes", passes);
  return format("{}+{} passes", constant, passes - constant);
}

std::string key_value_layers(const Plan& plan) {
  std::vector<std::string> ranges;
  int owners = 0;
  const int count = static_cast<int>(plan.layers.size());
  const auto has_kv = [&](int i) {
    return i < count && plan.layers[static_cast<size_t>(i)].has_kv;
  };
  for (int first = 0; first < count; ++first) {
    if (!has_kv(first)) continue;
    int last = first;
    while (has_kv(last + 1)) ++last;
    owners += last - first + 1;
    ranges.push_back(range(first, last));
    first = last;
  }
  for (size_t i = 0; i + 1 < ranges.size(); ++i) ranges[i] += ",";
  std::string line = format("K,V in {} of {} layers:", owners, count), text;
  for (const std::string& part : ranges) {
    if (line.size() + 1 + part.size() > kColumns) {
      text += line + "\n";
      line = " ";
    }
    line += " " + part;
  }
  return text + line + "\n";
}

}  // namespace

std::string draw(const Plan& plan) {
  std::string text = Picture(plan).text() + "\n" + kLegend + "\n";
  for (const Segment& segment : plan.segments) {
    const std::string head =
        format("{:<8}{:<12}", range(segment.first, segment.last), passes_of(plan, segment));
    text += wrapped(head, readings(plan, segment));
  }
  return text + key_value_layers(plan);
}

}  // namespace lckv::model

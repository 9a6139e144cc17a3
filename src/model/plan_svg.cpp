#include "lckv/model/plan_svg.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "lckv/base/text.h"
#include "lckv/model/plan_svg_layout.h"
#include "lckv/model/plan_svg_style.h"

namespace lckv::model {

namespace {

constexpr double kLine = 17;        // of text
constexpr double kHeader = 52;      // above the rows: head, m and b, numbers of passes
constexpr double kBelowRows = 40;   // the embedding
constexpr double kCharacter = 6.0;  // mean width of legend text
constexpr double kMonospace = 7.3;
constexpr size_t kColours = 6;  // of sources, in turn

/// "3", "3-7"
std::string range(int first, int last) {
  return first == last ? format("{}", first) : format("{}-{}", first, last);
}

/// "0, 3-7": the layers for which `holds`.
template <class Predicate>
std::string layers_where(const Plan& plan, Predicate holds) {
  std::string text;
  const int count = static_cast<int>(plan.layers.size());
  for (int first = 0; first < count; ++first) {
    if (!holds(plan.layers[static_cast<size_t>(first)])) continue;
    int last = first;
    while (last + 1 < count && holds(plan.layers[static_cast<size_t>(last + 1)])) ++last;
    text += (text.empty() ? "" : ", ") + range(first, last);
    first = last;
  }
  return text;
}

std::string entry(const LayerSpec& layer) {
  return format("{}{}", layer.reads, layer.window_tokens > 0 ? "s" : "");
}

/// `pieces` in lines of `width` characters at most.
std::vector<std::string> wrapped(const std::vector<std::string>& pieces, size_t width) {
  std::vector<std::string> lines(1);
  for (const std::string& piece : pieces) {
    if (!lines.back().empty() && lines.back().size() + piece.size() > width) lines.emplace_back();
    lines.back() += piece;
  }
  return lines;
}

std::vector<std::string> wrapped_words(const std::string& text, size_t width) {
  std::vector<std::string> words = split(text, ' ');
  for (size_t i = 0; i + 1 < words.size(); ++i) words[i] += ' ';
  return wrapped(words, width);
}

std::string text_at(double x, double y, const std::string& text, const std::string& attributes) {
  return format("<text x=\"{:.6g}\" y=\"{:.6g}\"{}{}>{}</text>\n", x, y,
                attributes.empty() ? "" : " ", attributes, text);
}

const char* part_of(const Cell& cell) {
  if (!cell.runs_block) return "kv";
  return cell.runs_attention ? "block" : "mlp";
}

std::string kind_of(const Cell& cell) {
  return format("lckv-plan-{} lckv-plan-{}", part_of(cell), cell.keeps_grad ? "grad" : "free");
}

std::string rectangle(const SvgBox& box) {
  return format("<rect x=\"{:.6g}\" y=\"{:.6g}\" width=\"{:.6g}\" height=\"{:.6g}\" rx=\"4\"/>",
                box.x, box.y, box.width, box.height);
}

/// A loop around a point: reads itself.
std::string loop_path(double x, double y) {
  return format("M{:.6g} {:.6g}a4 4 0 1 0 3.4 2m-3.2 -.2l3.2 .4l.6 -3", x + 0.6, y - 4);
}

/// Straight pieces with round corners, and an arrowhead that points where the last one does.
std::string arrow_path(const std::vector<SvgPoint>& points) {
  constexpr double kRadius = 3.5;
  std::string path = format("M{:.6g} {:.6g}", points[0].x, points[0].y);
  const auto toward = [&](SvgPoint from, SvgPoint to) {
    const double length = std::max(std::abs(to.x - from.x), std::abs(to.y - from.y));
    const double step = std::min(kRadius, length / 2) / (length > 0 ? length : 1);
    return SvgPoint{from.x + (to.x - from.x) * step, from.y + (to.y - from.y) * step};
  };
  for (size_t i = 1; i + 1 < points.size(); ++i) {
    const SvgPoint in = toward(points[i], points[i - 1]), out = toward(points[i], points[i + 1]);
    path += format("L{:.6g} {:.6g}Q{:.6g} {:.6g} {:.6g} {:.6g}", in.x, in.y, points[i].x,
                   points[i].y, out.x, out.y);
  }
  const double back = points[points.size() - 2].x < points.back().x ? -3.5 : 3.5;
  return path + format("L{:.6g} {:.6g}m{} -3l{} 3l{} 3", points.back().x, points.back().y, back,
                       -back, back);
}

class Drawing {
 public:
  explicit Drawing(const Plan& plan) : plan_(plan) {
    const double width = lay_out(plan, 0).width;
    title(width);
    layout_ = lay_out(plan, y_ + kHeader);
    for (const Cell& cell : plan.cells) {
      passes_ = std::max(passes_, cell.pass + 1);
      if (!is_visited_once(plan, cell.layer) && !cell.keeps_grad) {
        without_ = std::max(without_, cell.pass + 1);
      }
    }
  }

  std::string text() {
    header();
    labels();
    hidden_states();
    arrows();
    for (size_t c = 0; c < plan_.cells.size(); ++c) draw_cell(c);
    y_ = layout_.bottom + kBelowRows + 8;
    legend();
    const double height = y_ + kSvgMargin - 6;
    return format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"lckv-plan\" role=\"img\" "
               "viewBox=\"0 0 {:.6g} {:.6g}\" width=\"{:.6g}\" height=\"{:.6g}\">\n"
               "<title>{}</title>\n<style>{}</style>\n"
               "<rect class=\"lckv-plan-paper\" width=\"{:.6g}\" height=\"{:.6g}\" rx=\"8\"/>\n",
               layout_.width, height, layout_.width, height, summary(), kPlanSvgStyle,
               layout_.width, height) +
           body_ + "</svg>\n";
  }

 private:
  const SvgBox& box(int c) const { return layout_.cells[static_cast<size_t>(c)]; }

  std::string passes_text() const {
    if (passes_ == 1) return "every layer once";
    if (without_ == 0 || without_ == passes_) return format("{} passes", passes_);
    return format("m = {} pass{} without gradient, b = {} with", without_,
                  without_ == 1 ? "" : "es", passes_ - without_);
  }
  std::string summary() const {
    const auto owners = std::count_if(plan_.layers.begin(), plan_.layers.end(),
                                      [](const LayerSpec& layer) { return layer.has_kv; });
    return format("{} layers, K,V in {}; {}", plan_.layers.size(), owners, passes_text());
  }

  void title(double width) {
    std::vector<std::string> pieces;
    for (const LayerSpec& layer : plan_.layers) pieces.push_back(entry(layer) + "_");
    pieces.back().pop_back();
    pieces.front() = "layer_types: " + pieces.front();
    y_ = kSvgMargin + 2;
    const auto columns = static_cast<size_t>((width - 2 * kSvgMargin) / kMonospace);
    for (const std::string& line : wrapped(pieces, columns)) {
      y_ += kLine;
      body_ += text_at(kSvgMargin, y_ - 4, line, "class=\"lckv-plan-types\"");
    }
    y_ += kLine;  // of the summary
  }

  void header() {
    const double y = layout_.top - 7;
    body_ += text_at(kSvgMargin, layout_.top - kHeader - 3, summary(), "");
    body_ += text_at(kSvgMargin, y, "layer", "class=\"lckv-plan-quiet\"");
    body_ +=
        text_at(layout_.labels_right, y, "reads", "class=\"lckv-plan-quiet\" text-anchor=\"end\"");
    if (passes_ == 1) return;
    for (size_t pass = 0; pass < layout_.columns.size(); ++pass) {
      body_ += text_at(layout_.columns[pass].middle_x(), y, format("{}", pass + 1),
                       "class=\"lckv-plan-quiet\" text-anchor=\"middle\"");
    }
    if (without_ == 0 || without_ == passes_) {
      brace(0, passes_ - 1, "passes");
    } else {
      brace(0, without_ - 1, format("m = {}", without_));
      brace(without_, passes_ - 1, format("b = {}", passes_ - without_));
    }
  }

  void brace(int first, int last, const std::string& name) {
    const double a = layout_.columns[static_cast<size_t>(first)].x + 1;
    const double b = layout_.columns[static_cast<size_t>(last)].right() - 1;
    const double y = layout_.top - 22;
    body_ +=
        format("<path class=\"lckv-plan-brace\" d=\"M{:.6g} {:.6g}v-4H{:.6g}v4\"/>\n", a, y, b);
    body_ += text_at((a + b) / 2, y - 8, name, "class=\"lckv-plan-number\" text-anchor=\"middle\"");
  }

  void labels() {
    for (size_t i = 0; i < plan_.layers.size(); ++i) {
      const double y = layout_.row_middle[i] + 4;
      body_ += text_at(kSvgMargin + 28, y, format("{}", i),
                       plan_.layers[i].has_kv ? "class=\"lckv-plan-owner\" text-anchor=\"end\""
                                              : "class=\"lckv-plan-number\" text-anchor=\"end\"");
      body_ += text_at(layout_.labels_right, y, entry(plan_.layers[i]),
                       "class=\"lckv-plan-quiet\" text-anchor=\"end\"");
    }
    body_ += text_at(kSvgMargin, layout_.bottom + 18, "embedding", "class=\"lckv-plan-quiet\"");
  }

  /// From each cell's input up to it; from below all for the embedding.
  void hidden_states() {
    body_ += "<path class=\"lckv-plan-hidden\" d=\"";
    for (size_t c = 0; c < plan_.cells.size(); ++c) {
      const Cell& cell = plan_.cells[c];
      const SvgBox& to = layout_.cells[c];
      if (cell.hidden_from == kEmbedding) {
        body_ +=
            format("M{:.6g} {:.6g}V{:.6g}", to.middle_x(), layout_.bottom + 14, to.y + to.height);
        continue;
      }
      const SvgBox& from = box(cell.hidden_from);
      const double a = from.width > to.width ? to.middle_x() : from.middle_x();
      const double b = to.width > from.width ? a : to.middle_x();
      body_ += format("M{:.6g} {:.6g}V{:.6g}H{:.6g}V{:.6g}", a, from.y,
                      (from.y + to.y + to.height) / 2 + (a == b ? 0 : 3), b, to.y + to.height);
    }
    body_ += "\"/>\n";
  }

  void arrows() {
    std::map<int, size_t> colours;  // by layer of the source
    for (const SvgArrow& arrow : layout_.arrows) {
      const int layer = plan_.cells[static_cast<size_t>(arrow.source)].layer;
      if (!arrow.points.empty()) colours.try_emplace(layer, colours.size() % kColours);
    }
    std::set<std::pair<double, double>> dots;
    for (const SvgArrow& arrow : layout_.arrows) {
      if (arrow.points.empty()) continue;
      const size_t colour = colours[plan_.cells[static_cast<size_t>(arrow.source)].layer];
      body_ += format("<path class=\"lckv-plan-read lckv-plan-from{}\" d=\"{}\"/>\n", colour,
                      arrow_path(arrow.points));
      const SvgPoint start = arrow.points.front();
      if (!dots.emplace(start.x, start.y).second) continue;
      dots_ += format("<circle class=\"lckv-plan-dot{}\" cx=\"{:.6g}\" cy=\"{:.6g}\" r=\"2.8\"/>\n",
                      colour, start.x, start.y);
    }
  }

  std::string does(size_t c) const {
    const Cell& cell = plan_.cells[c];
    const char* what = !cell.runs_block      ? "its K,V alone"
                       : cell.runs_attention ? "attention and MLP"
                                             : "its MLP alone";
    std::string text =
        format("layer {}{}: {}, {} gradient", cell.layer,
               is_visited_once(plan_, cell.layer) ? std::string(", visited once")
                                                  : format(", pass {}", cell.pass + 1),
               what, cell.keeps_grad ? "with" : "without");
    if (!cell.runs_attention || cell.kv_from == kZeroKv) return text;
    const Cell& source = plan_.cells[static_cast<size_t>(cell.kv_from)];
    if (&source == &cell) return text + "; reads its own K,V";
    text += format("; reads K,V of layer {}", source.layer);
    if (!is_visited_once(plan_, source.layer)) text += format(", pass {}", source.pass + 1);
    return text;
  }

  std::string word_in(const Cell& cell) const {
    if (!cell.runs_block) return "K,V";
    if (!cell.runs_attention) return "MLP";
    return passes_ > 1 && is_visited_once(plan_, cell.layer) ? "once" : "";
  }

  void draw_cell(size_t c) {
    const Cell& cell = plan_.cells[c];
    const SvgBox& at = layout_.cells[c];
    body_ += format("<g class=\"lckv-plan-cell {}\"><title>{}</title>{}", kind_of(cell), does(c),
                    rectangle(at));
    const std::string word = word_in(cell);
    if (!word.empty()) {
      body_ += format("<text x=\"{:.6g}\" y=\"{:.6g}\" text-anchor=\"middle\">{}</text>",
                      at.middle_x(), at.middle_y() + 3.6, word);
    }
    if (cell.runs_attention && cell.kv_from == static_cast<int>(c)) {
      const double x = is_visited_once(plan_, cell.layer) ? at.x + 14 : at.middle_x();
      body_ += format("<path class=\"lckv-plan-read lckv-plan-loop\" d=\"{}\"/>",
                      loop_path(x, at.middle_y()));
    }
    body_ += "</g>\n";
    if (c + 1 == plan_.cells.size()) body_ += dots_;
  }

  void legend_text(const std::string& text) {
    const double x = kSvgMargin + 44;
    const auto columns = static_cast<size_t>((layout_.width - x - kSvgMargin) / kCharacter);
    for (const std::string& line : wrapped_words(text, columns)) {
      body_ += text_at(x, y_ + 4, line, "");
      y_ += kLine;
    }
    y_ += 4;
  }
  void legend_cell(const char* part, bool keeps_grad, const std::string& text) {
    const auto is_such = [&](const Cell& cell) {
      return std::string(part_of(cell)) == part && cell.keeps_grad == keeps_grad;
    };
    if (std::none_of(plan_.cells.begin(), plan_.cells.end(), is_such)) return;
    const Cell& cell = *std::find_if(plan_.cells.begin(), plan_.cells.end(), is_such);
    const std::string word = cell.runs_attention ? "" : word_in(cell);
    body_ += format("<g class=\"{}\">{}", kind_of(cell), rectangle({kSvgMargin, y_ - 8.5, 30, 17}));
    if (!word.empty()) {
      body_ += format("<text x=\"{:.6g}\" y=\"{:.6g}\" text-anchor=\"middle\">{}</text>",
                      kSvgMargin + 15, y_ + 3.6, word);
    }
    body_ += "</g>\n";
    legend_text(text);
  }
  void legend_path(const char* kind, const std::string& path, const std::string& text) {
    body_ += format("<path class=\"{}\" d=\"{}\"/>\n", kind, path);
    legend_text(text);
  }
  void legend_fact(const std::string& mark, const char* kind, const std::string& text) {
    body_ +=
        text_at(kSvgMargin + 15, y_ + 4, mark, format("class=\"{}\" text-anchor=\"middle\"", kind));
    legend_text(text);
  }

  void legend() {
    legend_cell("block", true, "attention and MLP, with gradient");
    legend_cell("block", false, "attention and MLP, without gradient");
    legend_cell("mlp", true, "MLP alone, with gradient: no key exists yet, so attention is 0");
    legend_cell("mlp", false, "MLP alone, without: no key exists yet, so attention is 0");
    legend_cell("kv", true, "K,V alone, with gradient: nothing reads the rest");
    legend_cell("kv", false, "K,V alone, without: nothing reads the rest");
    const auto is_loop = [](const SvgArrow& arrow) { return arrow.points.empty(); };
    const auto& all = layout_.arrows;
    if (!std::all_of(all.begin(), all.end(), is_loop)) {
      body_ += format("<circle class=\"lckv-plan-dot0\" cx=\"{:.6g}\" cy=\"{:.6g}\" r=\"2.8\"/>\n",
                      kSvgMargin + 2, y_);
      legend_path("lckv-plan-key lckv-plan-from0",
                  arrow_path({{kSvgMargin + 2, y_}, {kSvgMargin + 28, y_}}),
                  "K,V, to a cell that reads them");
    }
    if (std::any_of(all.begin(), all.end(), is_loop)) {
      legend_path("lckv-plan-loop", loop_path(kSvgMargin + 15, y_), "reads its own K,V");
    }
    legend_path("lckv-plan-hidden", format("M{:.6g} {:.6g}v16", kSvgMargin + 15, y_ - 8),
                "hidden state, from the layer below");
    legend_fact("0", "lckv-plan-owner",
                std::all_of(plan_.layers.begin(), plan_.layers.end(),
                            [](const LayerSpec& layer) { return layer.has_kv; })
                    ? "number of a layer; each has K,V"
                    : "number of a layer that has K,V; the others have none");
    legend_facts();
  }
  void legend_facts() {
    const auto strict = [](const LayerSpec& layer) { return layer.masks_self; };
    const std::string strict_layers = layers_where(plan_, strict);
    if (!strict_layers.empty()) {
      legend_fact("t&#8722;1", "lckv-plan-quiet",
                  "strict mask, position t reads keys before t: layers " + strict_layers);
    }
    std::set<int64_t> windows;
    for (const LayerSpec& layer : plan_.layers) {
      if (layer.window_tokens > 0) windows.insert(layer.window_tokens);
    }
    for (const int64_t window : windows) {
      const auto has = [&](const LayerSpec& layer) { return layer.window_tokens == window; };
      legend_fact("s", "lckv-plan-quiet",
                  format("window of {} tokens: layers {}", window, layers_where(plan_, has)));
    }
  }

  const Plan& plan_;
  SvgLayout layout_;
  int passes_ = 1, without_ = 0;
  double y_ = 0;
  std::string body_, dots_;
};

}  // namespace

std::string draw_svg(const Plan& plan) { return Drawing(plan).text(); }

}  // namespace lckv::model

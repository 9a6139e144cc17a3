#include "lckv/report/html.h"

#include <cmath>

#include "lckv/base/text.h"

namespace lckv::report {

namespace {

bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        if (is_control(c)) {
          escaped += "\ufffd";
        } else {
          escaped += c;
        }
    }
  }
  return escaped;
}

std::string json_string(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' || c == 0x7f) {
      json += format("\\u{:04x}", code);
    } else {
      json += c;
    }
  }
  return json + '"';
}

std::string json_number(double value) {
  return std::isfinite(value) ? format("{}", value) : "null";
}

}  // namespace lckv::report

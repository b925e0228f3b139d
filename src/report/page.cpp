#include "report/page.h"

#include <fmt/format.h>

#include <string_view>

#include "base/file.h"
#include "report/assets.h"
#include "report/page_content.h"

namespace apollo {
namespace {

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Inside a <script> only "</" and "<!--" could end or confuse it. JSON has '<' only in strings,
// where it may be written by its number.
std::string escape_json_for_script(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

void append_table(std::string& out, const Table& table, std::string_view css_class) {
  out += fmt::format("<section class=\"{}\"><h2>", css_class) + escape_html(table.title) +
         "</h2><p>" + escape_html(table.explanation) +
         "</p><div class=\"scroll\"><table><thead><tr>";
  for (const std::string& name : table.header) {
    out += "<th scope=\"col\">" + escape_html(name) + "</th>";
  }
  out += "</tr></thead><tbody>";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (size_t column = 0; column < row.size(); ++column) {
      out += column == 0 ? "<th scope=\"row\">" + escape_html(row[0]) + "</th>"
                         : "<td>" + escape_html(row[column]) + "</td>";
    }
    out += "</tr>";
  }
  out += "</tbody></table></div></section>\n";
}

void append_hero(std::string& out, const PageContent& content) {
  out += "<section class=\"hero\"><p class=\"kind\">" + escape_html(content.kind) + "</p><h1>" +
         escape_html(content.title) + "</h1><p class=\"lede\">" + escape_html(content.lede) +
         "</p><div class=\"headlines\">";
  for (const Headline& headline : content.headlines) {
    out += "<div class=\"headline\"><strong>" + escape_html(headline.value) + "</strong><span>" +
           escape_html(headline.meaning) + "</span><small>" + escape_html(headline.detail) +
           "</small></div>";
  }
  out += "</div></section>\n";
}

void append_notes(std::string& out, const std::vector<std::string>& notes) {
  if (notes.empty()) return;
  out += "<section class=\"notes\"><h2>Notes</h2><ul>";
  for (const std::string& note : notes)
    out += "<li>" + escape_html(note) + "</li>";
  out += "</ul></section>\n";
}

constexpr std::string_view kHead =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\">\n";

// A moon whose lit part grows.
constexpr std::string_view kBanner =
    "<header class=\"banner\"><span class=\"brand\"><svg viewBox=\"0 0 24 24\" "
    "aria-hidden=\"true\">"
    "<circle cx=\"12\" cy=\"12\" r=\"10\" fill=\"none\" stroke=\"currentColor\" "
    "stroke-width=\"1.6\"/><path d=\"M12 2a10 10 0 0 1 0 20a14 14 0 0 0 0-20z\" "
    "fill=\"currentColor\"/></svg>Apollo</span>"
    "<button id=\"theme\" type=\"button\">Theme: system</button></header>\n";

constexpr std::string_view kCharts =
    "<section class=\"charts\" aria-label=\"Charts\"><div class=\"controls\">"
    "<div id=\"axes\" class=\"segments\" role=\"group\" aria-label=\"Horizontal axis\"></div>"
    "<button id=\"log\" type=\"button\" class=\"chip\" aria-pressed=\"false\">log loss</button>"
    "<div id=\"runs\" class=\"chips\" role=\"group\" aria-label=\"Runs shown\"></div></div>"
    "<div id=\"charts\" class=\"grid\"></div>"
    "<noscript><p>The charts need JavaScript; the tables below do not.</p></noscript></section>\n";

std::string render(const PageContent& content) {
  std::string out(kHead);
  out.reserve(plotly_js().size() + content.chart_json.size() + (1 << 18));
  out += "<title>" + escape_html(content.title) + " · Apollo</title>\n<style>\n";
  out += page_css();
  out += "</style>\n</head>\n<body>\n";
  out += kBanner;
  out += "<main>\n";
  append_hero(out, content);
  out += kCharts;
  for (const Table& table : content.tables)
    append_table(out, table, "table");
  if (!content.samples.rows.empty()) append_table(out, content.samples, "table config samples");
  append_notes(out, content.notes);
  if (!content.config.rows.empty()) append_table(out, content.config, "table config");
  out += "</main>\n<footer>" + escape_html(content.footer) + "</footer>\n";
  out += "<script type=\"application/json\" id=\"data\">";
  out += escape_json_for_script(content.chart_json);
  out += "</script>\n<script>";
  out += plotly_js();
  out += "</script>\n<script>\n";
  out += page_js();
  out += "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace

std::string run_page(const RunHistory& run) {
  return render(run_content(run));
}

std::string comparison_page(const Comparison& comparison) {
  return render(comparison_content(comparison));
}

std::filesystem::path write_run_report(const std::filesystem::path& run_dir,
                                       std::filesystem::path file) {
  if (file.empty()) file = run_dir / "report.html";
  write_file_atomic(file, run_page(read_run(run_dir)));
  return file;
}

void write_comparison_page(const Comparison& comparison, const std::filesystem::path& file) {
  write_file_atomic(file, comparison_page(comparison));
}

}  // namespace apollo

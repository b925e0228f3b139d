#include "finetune/task_data.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "data/sample_order.h"
#include "finetune/table_reader.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// The sample of train.max_train_rows is the same for all seeds, so that their spread is only
// training's.
constexpr uint64_t kSampleSeed = 0;

struct TableFile {
  std::string path;
  std::vector<TableRow> rows;
};

// Indices of the fields in a row, as wanted_columns() asks for them.
struct Fields {
  size_t text = 0;
  std::optional<size_t> pair;
  std::optional<size_t> label;
  std::optional<size_t> id;
};

std::string_view without_blanks(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const size_t end = text.find_last_not_of(" \t\r\n");
  return text.substr(begin, end + 1 - begin);
}

// Like Python's float(), accepts blanks around it and a plus. Returns nothing if it is not finite.
std::optional<double> parse_number(std::string_view text) {
  text = without_blanks(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::vector<TableFile> read_files(const ResolvedTask& task, const std::vector<std::string>& names,
                                  bool labelled, Fields& fields) {
  const TaskConfig::Task& config = task.config.task;
  std::vector<WantedColumn> wanted = {{"task.text", config.text}};
  if (!config.text_pair.empty()) {
    fields.pair = wanted.size();
    wanted.push_back({"task.text_pair", config.text_pair});
  }
  if (labelled) {
    fields.label = wanted.size();
    wanted.push_back({"task.label", config.label});
  }
  if (!config.id.empty()) {
    fields.id = wanted.size();
    wanted.push_back({"task.id", config.id});
  }
  std::vector<TableFile> files;
  for (const fs::path& path : task.tables(names)) {
    throw_if_stopped();
    files.push_back({path.string(), read_table(path, config.format, config.header, wanted)});
    if (files.back().rows.empty()) fail<DataError>("{}: the table has no rows", path.string());
  }
  return files;
}

void warn_of_empty_texts(const TableFile& file, const Fields& fields) {
  int64_t num_empty = 0;
  int64_t first_line = 0;
  for (const TableRow& row : file.rows) {
    const bool empty =
        row.fields[fields.text].empty() || (fields.pair && row.fields[*fields.pair].empty());
    if (empty && num_empty++ == 0) first_line = row.line;
  }
  if (num_empty > 0) {
    log_warning("{}:{}: the text is empty, as in {} of {} rows; they are kept", file.path,
                first_line, num_empty, file.rows.size());
  }
}

// Refuses a label that no table of predictions can hold.
void check_label(const std::string& where, const std::string& label) {
  if (label.empty()) {
    fail<DataError>("{}: the label is empty; hint: leave out rows that have none", where);
  }
  if (label.find_first_of("\t\r\n") != std::string::npos) {
    fail<DataError>("{}: label '{}' holds a tab or a line end", where, escaped_field(label));
  }
}

// Two labels with the same meaning would be two classes that nobody can tell apart.
class LabelSpellings {
 public:
  void add(const std::string& where, const std::string& label) {
    const auto [entry, is_new] = first_.emplace(without_blanks(label), Place{label, where});
    const Place& other = entry->second;
    if (!is_new && other.label != label) {
      fail<DataError>("{}: label '{}' differs from '{}' ({}) by blanks alone", where, label,
                      other.label, other.where);
    }
  }

  // Checks that labels which are numbers have different values.
  void check_numbers(const std::vector<std::string>& ascending) const {
    for (size_t i = 1; i < ascending.size(); ++i) {
      const std::string& label = ascending[i];
      if (parse_number(label) != parse_number(ascending[i - 1])) continue;
      const Place& other = first_.at(std::string(without_blanks(ascending[i - 1])));
      fail<DataError>("{}: label '{}' is the same number as '{}' ({})",
                      first_.at(std::string(without_blanks(label))).where, label, other.label,
                      other.where);
    }
  }

 private:
  struct Place {
    std::string label;
    std::string where;
  };
  std::unordered_map<std::string, Place> first_;  // by the label without surrounding blanks
};

// Sorts numbers by value, and other labels by their bytes.
std::vector<std::string> labels_of(const std::vector<TableFile>& files, const Fields& fields) {
  std::vector<std::string> labels;
  std::unordered_set<std::string> seen;
  LabelSpellings spellings;
  for (const TableFile& file : files) {
    for (const TableRow& row : file.rows) {
      const std::string& label = row.fields[*fields.label];
      if (!seen.insert(label).second) continue;
      const std::string where = fmt::format("{}:{}", file.path, row.line);
      check_label(where, label);
      spellings.add(where, label);
      labels.push_back(label);
    }
  }
  const bool numeric = std::all_of(labels.begin(), labels.end(), [](const std::string& label) {
    return parse_number(label).has_value();
  });
  std::sort(labels.begin(), labels.end(), [&](const std::string& a, const std::string& b) {
    if (numeric && *parse_number(a) != *parse_number(b)) return *parse_number(a) < *parse_number(b);
    return a < b;
  });
  if (numeric) spellings.check_numbers(labels);
  return labels;
}

class LabelReader {
 public:
  LabelReader(const TaskConfig::Task& config, const std::vector<std::string>& labels)
      : regression_(config.kind == TaskKind::kRegression), labels_(labels) {
    for (const std::string& label : labels)
      ids_.emplace(label, static_cast<int64_t>(ids_.size()));
  }

  void read(const std::string& path, int64_t line, const std::string& text, TaskRows& rows) const {
    if (regression_) {
      const std::optional<double> number = parse_number(text);
      if (!number) fail<DataError>("{}:{}: expected a number, found label '{}'", path, line, text);
      rows.numbers.push_back(*number);
      return;
    }
    const auto found = ids_.find(text);
    if (found == ids_.end()) {
      fail<DataError>("{}:{}: unknown label '{}'; expected {}'{}'{}", path, line, text,
                      labels_.size() > 1 ? "one of " : "",
                      fmt::join(labels_.begin(), labels_.begin() + num_shown(), "', '"),
                      num_shown() < static_cast<int64_t>(labels_.size()) ? ", ..." : "");
    }
    rows.classes.push_back(found->second);
  }

 private:
  int64_t num_shown() const { return std::min<int64_t>(8, static_cast<int64_t>(labels_.size())); }

  bool regression_;
  const std::vector<std::string>& labels_;
  std::unordered_map<std::string, int64_t> ids_;
};

TaskRows collect(std::vector<TableFile> files, const Fields& fields, const LabelReader& labels) {
  TaskRows rows;
  for (TableFile& file : files) {
    warn_of_empty_texts(file, fields);
    for (TableRow& row : file.rows) {
      if (fields.label) labels.read(file.path, row.line, row.fields[*fields.label], rows);
      rows.texts.push_back(std::move(row.fields[fields.text]));
      if (fields.pair) rows.pairs.push_back(std::move(row.fields[*fields.pair]));
      if (fields.id) rows.ids.push_back(std::move(row.fields[*fields.id]));
    }
  }
  return rows;
}

template <class T>
void keep_entries(std::vector<T>& values, const std::vector<int64_t>& ascending) {
  if (values.empty()) return;
  for (size_t i = 0; i < ascending.size(); ++i) {
    const auto from = static_cast<size_t>(ascending[i]);
    if (from != i) values[i] = std::move(values[from]);
  }
  values.resize(ascending.size());
}

void keep_sample(TaskRows& rows, int64_t num_kept) {
  if (num_kept == 0 || num_kept >= rows.size()) return;
  const SampleOrder order(kSampleSeed, rows.size());
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < num_kept; ++i)
    kept.push_back(order.sample_at(i));
  std::sort(kept.begin(), kept.end());
  keep_entries(rows.texts, kept);
  keep_entries(rows.pairs, kept);
  keep_entries(rows.ids, kept);
  keep_entries(rows.classes, kept);
  keep_entries(rows.numbers, kept);
}

int64_t find_positive(const ResolvedTask& task, const std::vector<std::string>& labels) {
  const std::string& wanted = task.config.task.positive_label;
  if (wanted.empty()) return static_cast<int64_t>(labels.size()) - 1;
  const auto found = std::find(labels.begin(), labels.end(), wanted);
  if (found == labels.end()) {
    fail_at_key(task, "task.positive_label",
                fmt::format("task.positive_label '{}' is no label of the training tables", wanted),
                fmt::format("they have '{}'", fmt::join(labels, "', '")));
  }
  return found - labels.begin();
}

}  // namespace

std::string escaped_field(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '\t':
        escaped += "\\t";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\r':
        escaped += "\\r";
        break;
      case '\\':
        escaped += "\\\\";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

TaskData load_task_data(const ResolvedTask& task) {
  const TaskConfig::Task& config = task.config.task;
  const bool classification = config.kind == TaskKind::kClassification;
  TaskData data;
  data.labels = config.labels;
  Fields fields;
  std::vector<TableFile> train = read_files(task, config.train, /*labelled=*/true, fields);
  if (classification && data.labels.empty()) data.labels = labels_of(train, fields);
  if (classification && data.labels.size() < 2) {
    fail<DataError>("{}: all rows have the label '{}'; expected two classes or more",
                    train.front().path, data.labels.front());
  }
  if (classification) data.positive_class = find_positive(task, data.labels);
  const LabelReader labels(config, data.labels);
  data.train = collect(std::move(train), fields, labels);
  data.dev = collect(read_files(task, config.dev, /*labelled=*/true, fields), fields, labels);
  Fields unlabelled;
  data.test =
      collect(read_files(task, config.test, /*labelled=*/false, unlabelled), unlabelled, labels);
  keep_sample(data.train, task.config.train.max_train_rows);
  return data;
}

std::string hash_tables(const ResolvedTask& task, const std::vector<std::string>& names) {
  StreamHash hash;
  for (const fs::path& path : task.tables(names))
    hash.update(hash_file(path));
  return hash.hex();
}

}  // namespace apollo

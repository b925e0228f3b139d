// Rows of metrics.jsonl: converted to JSON and back, compared with the page that documents them,
// and with rows that earlier versions wrote.
#include "runlog/rows.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/file.h"
#include "runlog/row_json.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

template <class Row>
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  Row row;
  Row::visit(row, [&](const char* name, const auto&) { names.emplace_back(name); });
  return names;
}

TEST(Rows, GoToJsonAndBack) {
  GrowRow row;
  row.step = 7;
  row.flops = 1e12 / 3;
  row.wall_s = 0.25;
  row.tokens = 1792;
  row.from = 3;
  row.to = 6;
  row.map = {0, 0, 1, 1, 2, -1};
  row.loss_after = 1.0 / 3;
  const Json json = row_json(row);
  EXPECT_EQ(json.dump(),
            R"({"event":"grow","step":7,"tokens":1792,"flops":333333333333.3333,"wall_s":0.25,)"
            R"("from":3,"to":6,"map":[0,0,1,1,2,-1],"loss_before":null,)"
            R"("loss_after":0.3333333333333333,"own_loss_before":null,"own_loss_after":null})");
  const auto back = read_row<GrowRow>(Json::parse(json.dump()), "here");
  EXPECT_EQ(row_json(back), json);
  EXPECT_EQ(back.flops, row.flops);
}

TEST(Rows, WhatIsNoNumberIsNull) {
  StepRow row;
  row.loss = std::numeric_limits<double>::infinity();
  row.depth = 3.0;
  const Json json = row_json(row);
  EXPECT_TRUE(json["loss"].is_null());
  EXPECT_TRUE(json["energy_j"].is_null());
  EXPECT_EQ(json["depth"].dump(), "3");
  EXPECT_TRUE(std::isnan(read_row<StepRow>(json, "here").loss));
  EXPECT_TRUE(row_json(StartRow{})["valid_data"].is_null());
}

TEST(Rows, MissingFieldsAreThoseOfAnEarlierVersion) {
  const auto row = read_row<StartRow>(Json{{"event", "start"}, {"name", "old"}}, "here");
  EXPECT_EQ(row.name, "old");
  EXPECT_EQ(row.matmul, "");
  EXPECT_EQ(row.source_flops, std::nullopt);
}

TEST(Rows, WrongTypesAreNamed) {
  EXPECT_EQ(thrown_text<DataError>([] {
              read_row<EndRow>(Json{{"event", "end"}, {"step", "nine"}}, "metrics.jsonl:4");
            }),
            "metrics.jsonl:4: damaged row: expected a whole number for 'step', found '\"nine\"'");
  for (const char* number : {"1e300", "-1e300", "2.5"}) {
    const Json step = Json::parse(number);
    EXPECT_NE(thrown_text<DataError>([&] {
                read_row<EndRow>(Json{{"event", "end"}, {"step", step}}, "metrics.jsonl:4");
              }).find("expected a whole number for 'step'"),
              std::string::npos)
        << number;
  }
  EXPECT_EQ(read_row<EndRow>(Json{{"event", "end"}, {"step", 3.0}}, "metrics.jsonl:4").step, 3);
}

// Returns the names in backticks in the table's row of an event, without that of the event itself.
std::set<std::string> documented(const std::string& event) {
  const std::string page = read_file(std::string(APOLLO_SOURCE_DIR) + "/docs/formats.md");
  const size_t begin = page.find("\n| `" + event + "` |");
  if (begin == std::string::npos) return {};
  const std::string line = page.substr(begin + 1, page.find('\n', begin + 1) - begin - 1);
  std::set<std::string> names;
  for (size_t at = line.find('`', event.size() + 4); at != std::string::npos;) {
    const size_t end = line.find('`', at + 1);
    const std::string name = line.substr(at + 1, end - at - 1);
    // The text contains other code too: values and keys of the config.
    const bool is_name = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    if (is_name) names.insert(name);
    at = line.find('`', end + 1);
  }
  return names;
}

template <class Row>
void expect_documented() {
  const std::set<std::string> on_page = documented(Row::kEvent);
  std::set<std::string> common;
  RunPoint point;
  RunPoint::visit(point, [&](const char* name, const auto&) { common.insert(name); });
  for (const std::string& name : field_names<Row>()) {
    if (common.contains(name)) continue;
    EXPECT_TRUE(on_page.contains(name))
        << "docs/formats.md: '" << Row::kEvent << "' lacks " << name;
  }
}

TEST(Rows, AreDocumented) {
  expect_documented<StartRow>();
  expect_documented<StepRow>();
  expect_documented<EvalRow>();
  expect_documented<SampleRow>();
  expect_documented<TestRow>();
  expect_documented<GrowRow>();
  expect_documented<CheckpointRow>();
  expect_documented<ResumeRow>();
  expect_documented<EndRow>();
}

}  // namespace
}  // namespace apollo

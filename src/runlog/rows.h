// The rows of metrics.jsonl, one struct each, written by train/ and read by report/. visit() calls
// a visitor with the name and value of every field, in the order of the file. docs/formats.md says
// what each field means, and a test checks it against these lists.
//
// In the file an empty text and an absent number are null. A reader treats missing fields the same
// way, so rows of earlier versions stay readable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace apollo {

// Where the run is; every row except `start` has this.
struct RunPoint {
  int64_t step = 0;     // steps done
  int64_t tokens = 0;   // tokens read
  double flops = 0.0;   // of training passes, including what was spent before the first step
  double wall_s = 0.0;  // time of training, growth and checkpoints

  static void visit(auto& row, auto&& field) {
    field("step", row.step);
    field("tokens", row.tokens);
    field("flops", row.flops);
    field("wall_s", row.wall_s);
  }
};

// What the run is.
struct StartRow {
  static constexpr const char* kEvent = "start";
  std::string time;  // UTC: "2026-11-24T20:00:00Z"
  std::string version;
  std::string torch;
  std::string name;
  std::string method;
  std::string architecture;
  int64_t layers = 0;
  int64_t width = 0;
  int64_t heads = 0;
  int64_t context = 0;
  int64_t vocab_size = 0;
  int64_t parameters = 0;  // of the final model
  int64_t batch_size = 0;
  int64_t micro_batch_size = 0;
  int64_t tokens_per_step = 0;
  int64_t total_steps = 0;   // 0: only the run will tell
  double total_flops = 0.0;  // likewise
  uint64_t seed = 0;
  std::string device;
  int64_t threads = 0;
  std::string precision;
  std::string optimizer;
  std::string kernels;
  std::string matmul;                      // the library of matrix products
  std::optional<double> peak_flops_per_s;  // a product measured at the start, over all processes
  std::string train_data;                  // a hash of the content, as are valid_data and tokenizer
  std::string valid_data;
  std::string evaluated;  // "spread": eval.max_tokens of all validation data; null: its beginning
  std::string tokenizer;
  std::string energy_source;  // nvml, rapl or none
  // The folder of the trained model from which the run starts; empty: none.
  std::string source;
  int64_t source_layers = 0;
  int64_t source_width = 0;
  std::string source_map;
  std::optional<double> source_flops;
  std::optional<double> source_wall_s;
  bool source_charged = false;
  double source_learning_flops = 0.0;

  static void visit(auto& row, auto&& field) {
    field("time", row.time);
    field("version", row.version);
    field("torch", row.torch);
    field("name", row.name);
    field("method", row.method);
    field("architecture", row.architecture);
    field("layers", row.layers);
    field("width", row.width);
    field("heads", row.heads);
    field("context", row.context);
    field("vocab_size", row.vocab_size);
    field("parameters", row.parameters);
    field("batch_size", row.batch_size);
    field("micro_batch_size", row.micro_batch_size);
    field("tokens_per_step", row.tokens_per_step);
    field("total_steps", row.total_steps);
    field("total_flops", row.total_flops);
    field("seed", row.seed);
    field("device", row.device);
    field("threads", row.threads);
    field("precision", row.precision);
    field("optimizer", row.optimizer);
    field("kernels", row.kernels);
    field("matmul", row.matmul);
    field("peak_flops_per_s", row.peak_flops_per_s);
    field("train_data", row.train_data);
    field("valid_data", row.valid_data);
    field("evaluated", row.evaluated);
    field("tokenizer", row.tokenizer);
    field("energy_source", row.energy_source);
    field("source", row.source);
    field("source_layers", row.source_layers);
    field("source_width", row.source_width);
    field("source_map", row.source_map);
    field("source_flops", row.source_flops);
    field("source_wall_s", row.source_wall_s);
    field("source_charged", row.source_charged);
    field("source_learning_flops", row.source_learning_flops);
  }
};

struct StepRow : RunPoint {
  static constexpr const char* kEvent = "step";
  std::optional<double> energy_j;
  double loss = 0.0;  // mean over the step's targets, before the update, nats
  double lr = 0.0;
  double grad_norm = 0.0;  // before clipping
  int64_t stage = 0;
  int64_t layers = 0;  // unique
  double depth = 0.0;  // mean of the step's passes
  double tokens_per_s = 0.0;
  std::optional<double> model_flops_utilisation;  // FLOPs per second as a share of the peak

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("energy_j", row.energy_j);
    field("loss", row.loss);
    field("lr", row.lr);
    field("grad_norm", row.grad_norm);
    field("stage", row.stage);
    field("layers", row.layers);
    field("depth", row.depth);
    field("tokens_per_s", row.tokens_per_s);
    field("model_flops_utilisation", row.model_flops_utilisation);
  }
};

struct EvalRow : RunPoint {
  static constexpr const char* kEvent = "eval";
  std::optional<double> energy_j;
  std::string which;  // "stage" or "full"
  int64_t depth = 0;
  double loss = 0.0;
  std::optional<double> ppl;       // causal models only, like bpb
  std::optional<double> bpb;       // bits per byte of text
  std::optional<double> accuracy;  // masked models only: the share of masked tokens that it finds
  double eval_flops = 0.0;         // of all evaluations so far, like eval_s
  double eval_s = 0.0;

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("energy_j", row.energy_j);
    field("which", row.which);
    field("depth", row.depth);
    field("loss", row.loss);
    field("ppl", row.ppl);
    field("bpb", row.bpb);
    field("accuracy", row.accuracy);
    field("eval_flops", row.eval_flops);
    field("eval_s", row.eval_s);
  }
};

// The text with which the model continues eval.sample.
struct SampleRow : RunPoint {
  static constexpr const char* kEvent = "sample";
  int64_t depth = 0;
  std::string prompt;
  std::string text;  // that follows it

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("depth", row.depth);
    field("prompt", row.prompt);
    field("text", row.text);
  }
};

// The final model's result on the test data.
struct TestRow : RunPoint {
  static constexpr const char* kEvent = "test";
  int64_t depth = 0;
  double loss = 0.0;
  std::optional<double> ppl;
  std::optional<double> bpb;
  std::optional<double> accuracy;
  int64_t targets = 0;  // tokens predicted
  std::string data;     // hash of its content

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("depth", row.depth);
    field("loss", row.loss);
    field("ppl", row.ppl);
    field("bpb", row.bpb);
    field("accuracy", row.accuracy);
    field("targets", row.targets);
    field("data", row.data);
  }
};

struct GrowRow : RunPoint {
  static constexpr const char* kEvent = "grow";
  int64_t from = 0;
  int64_t to = 0;
  std::vector<int64_t> map;           // the source of each layer; -1: newly initialised
  std::optional<double> loss_before;  // at full depth, on one validation batch
  std::optional<double> loss_after;
  std::optional<double> own_loss_before;  // the same, but each model at the depth of its own layers
  std::optional<double> own_loss_after;

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("from", row.from);
    field("to", row.to);
    field("map", row.map);
    field("loss_before", row.loss_before);
    field("loss_after", row.loss_after);
    field("own_loss_before", row.own_loss_before);
    field("own_loss_after", row.own_loss_after);
  }
};

struct CheckpointRow : RunPoint {
  static constexpr const char* kEvent = "checkpoint";
  std::string path;
  double seconds = 0.0;  // how long training stood still for it
  double write_s = 0.0;  // until it was on disk
  bool best = false;     // it became checkpoints/best

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("path", row.path);
    field("seconds", row.seconds);
    field("write_s", row.write_s);
    field("best", row.best);
  }
};

struct ResumeRow : RunPoint {
  static constexpr const char* kEvent = "resume";
  std::string time;
  int64_t total_steps = 0;   // as in the start row: the length may have changed
  double total_flops = 0.0;  // the same

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("time", row.time);
    field("total_steps", row.total_steps);
    field("total_flops", row.total_flops);
  }
};

struct EndRow : RunPoint {
  static constexpr const char* kEvent = "end";
  double eval_flops = 0.0;
  std::optional<double> energy_j;
  std::string reason;  // finished, early_stopping, signal, diverged or stopped

  static void visit(auto& row, auto&& field) {
    RunPoint::visit(row, field);
    field("eval_flops", row.eval_flops);
    field("energy_j", row.energy_j);
    field("reason", row.reason);
  }
};

}  // namespace apollo

// One training run as a typed struct. Field names are the keys of RUN.toml; defaults are the
// program's. fields.h visits every field once for parsing, printing, help and comparison.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arch/model_spec.h"
#include "base/duration.h"
#include "text/pre_tokenizer.h"

namespace apollo {

enum class Kernels { kFused, kReference };
enum class MatmulLibrary { kAuto, kLibTorch, kOneDnn };
enum class OptimizerKind { kAdamW, kMuon };
enum class LrSchedule { kCosine, kLinear, kConstant, kWsd };
enum class LrAxis { kSteps, kFlops };
enum class Precision { kFp32, kBf16 };
enum class Recompute { kNone, kDeep, kAll };
enum class NewLayers { kCopy, kIdentity, kRandom };
enum class Trains { kAll, kNew };
enum class DepthSamplerKind { kLvps, kUniform, kSigmoid, kDeepest, kShallowest };
enum class DepthDraw { kStep, kMicroBatch };
enum class OptimizerStateRule { kTransport, kKeep, kReset };
enum class SourceMap { kFpi, kAki, kLigo };
enum class EvalDepth { kStage, kFull };

// Part of a run with a fixed number of unique layers. The last stage has no `until`.
struct StageSpec {
  int64_t layers = 0;
  std::optional<Duration> until = {};
  std::optional<int64_t> depth = {};  // of a pass: so many of the layers, drawn at random

  bool operator==(const StageSpec&) const = default;
};

struct RunConfig {
  struct Run {
    std::string name = "run";
    uint64_t seed = 42;
    std::string device = "auto";  // auto | cpu | cuda | cuda:N
    int64_t threads = 0;          // 0: physical cores
    Kernels kernels = Kernels::kFused;
    MatmulLibrary matmul = MatmulLibrary::kAuto;  // of matrix products, with fused kernels
    bool cuda_graphs = true;                      // passes that come again are recorded
    Duration rank_timeout = {5.0, DurationUnit::kMinutes};  // of a rank that is not heard of
    bool shard_optimizer = false;  // several processes share the moments out
  } run;

  struct Data {
    std::vector<std::string> train;  // text files, globs, or prepared datasets
    std::vector<std::string> valid;
    std::vector<std::string> test;    // read once, by the final model
    std::string text_field = "text";  // of jsonl: the field that holds a document
    double valid_fraction = 0.0;      // of the training text, where `valid` is empty
    std::string tokenizer = "bytes";  // folder, "train:bpe:8192", "bytes"; empty for bare .bin
    PreTokenizer pretokenizer = PreTokenizer::kGpt2;  // of "train:bpe:SIZE"
    double masked_fraction = 0.15;                    // BERT: of the tokens, to be predicted
    bool mask_whole_words = false;                    // BERT: all tokens of a word, or none
    bool separate_documents = false;  // no attention across documents of one sequence
    std::string cache;                // folder for prepared text; empty: the user's cache folder
    std::string base_dir;             // relative paths start here; empty: the config file's folder
  } data;

  struct Model {
    std::string from;  // folder of a trained model that the run begins with; empty: none
    Architecture architecture = Architecture::kGpt2;
    std::string size;  // parameters, as "11M": sets sizes, batch and rate; empty: they are as given
    int64_t layers = 12;
    int64_t width = 384;
    int64_t heads = 6;
    int64_t context = 256;
    int64_t vocab_size = 0;  // 0: the tokenizer's
    // 0, or nothing: the architecture's own.
    int64_t kv_heads = 0;
    int64_t head_dim = 0;
    int64_t inner_width = 0;
    double rope_theta = 0.0;
    int64_t local_attention = 0;  // span of a local block, half of it before a position
    int64_t global_attn_every_n_layers = 0;
    double local_rope_theta = 0.0;
    std::optional<bool> tie_embeddings;
    double norm_epsilon = 0.0;
    double dropout = 0.0;
    double init_std = 0.02;
  } model;

  struct Train {
    Duration duration = {1.0, DurationUnit::kEpochs};
    int64_t batch_size = 64;            // sequences per optimizer step
    int64_t micro_batch_size = 0;       // sequences per forward pass; 0: as memory allows
    bool micro_batch_by_depth = false;  // more of them in passes that are not the deepest
    OptimizerKind optimizer = OptimizerKind::kAdamW;
    double lr = 1e-3;
    LrSchedule lr_schedule = LrSchedule::kCosine;
    LrAxis lr_axis = LrAxis::kSteps;
    double lr_final = 0.0;  // at the end, as a fraction of lr
    Duration warmup = {2.5, DurationUnit::kPercent};
    Duration decay = {20.0, DurationUnit::kPercent};  // length of the last phase of wsd
    double weight_decay = 0.1;
    std::vector<double> betas = {0.9, 0.95};
    double epsilon = 1e-8;
    double clip = 1.0;           // largest gradient norm; 0: no clipping
    int64_t early_stopping = 0;  // evaluations without a new best that end the run; 0: none do
    Precision precision = Precision::kFp32;
    Recompute recompute = Recompute::kNone;  // deep: in passes deeper than the stage
  } train;

  struct Progressive {
    std::string method = "apollo";  // fills the keys below where the user leaves them out
    std::vector<StageSpec> stages;
    LayerMapKind layer_map = LayerMapKind::kInterpolate;
    NewLayers new_layers = NewLayers::kCopy;
    Trains trains = Trains::kAll;
    DepthSamplerKind depth_sampler = DepthSamplerKind::kLvps;
    DepthDraw depth_draw = DepthDraw::kStep;
    int64_t stratify = 0;        // draws of one window, each from its own stratum; 0: independent
    double rehearse_from = 0.0;  // fraction of a stage before which the depth is N
    OptimizerStateRule optimizer_state = OptimizerStateRule::kTransport;
    double lr_depth_power = 0.0;  // p: learning rate of a stage of N of L layers times (L/N)^p
    Duration rewarm = {0.0, DurationUnit::kSteps};  // rise of the learning rate after growth
    SourceMap source_map = SourceMap::kFpi;         // how model.from grows to the first stage
    int64_t source_steps = 100;                     // in which ligo learns its map
    bool charge_source = true;  // the training of model.from counts as the run's
  } progressive;

  struct Eval {
    Duration every = {2.5, DurationUnit::kPercent};  // 0: only at the end
    double max_cost = 0.05;  // share of the training FLOPs that it may take; 0: any
    std::vector<EvalDepth> depths = {EvalDepth::kStage, EvalDepth::kFull};
    int64_t batch_size = 0;       // sequences per forward pass; 0: train.micro_batch_size
    int64_t max_tokens = 131072;  // sequences spread over the validation data; 0: all of it
    std::string sample;           // a prompt that each evaluation continues; empty: none
    int64_t sample_tokens = 64;   // of the continuation
  } eval;

  struct Checkpoint {
    Duration every = {500.0, DurationUnit::kSteps};  // 0: only at the end
    int64_t keep = 2;
    bool best = true;          // that of the lowest validation loss stays, as checkpoints/best
    std::vector<Duration> at;  // moments whose checkpoints stay, in revisions/
  } checkpoint;
};

}  // namespace apollo

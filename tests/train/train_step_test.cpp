// The step against a plain version of it, and what it must not depend on.
#include "train/train_step.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <limits>

#include "optim/adamw.h"
#include "support/test_device.h"
#include "support/thrown_text.h"
#include "tiny_run.h"
#include "train/evaluation.h"

namespace apollo {
namespace {

const std::vector<std::string> kPlain = {"model.dropout=0", "train.epsilon=1e-4"};

std::vector<std::string> with(std::vector<std::string> more) {
  more.insert(more.begin(), kPlain.begin(), kPlain.end());
  return more;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// AdamW and clipping in double precision over plain vectors.
struct PlainOptimizer {
  std::vector<double> values, m, v;
  int64_t t = 0;

  explicit PlainOptimizer(const ParameterSet& parameters) {
    const at::Tensor start = parameters.values().cpu();
    const auto* data = start.const_data_ptr<float>();
    values.assign(data, data + start.numel());
    m.assign(values.size(), 0.0);
    v.assign(values.size(), 0.0);
  }

  void step(const ParameterSet& parameters, std::vector<double> gradient, double lr, double clip,
            const AdamWOptions& options) {
    double norm = 0.0;
    for (const double g : gradient)
      norm += g * g;
    norm = std::sqrt(norm);
    for (double& g : gradient)
      g *= std::min(1.0, clip / (norm + 1e-6));
    ++t;
    for (const ParameterSlot& slot : parameters.layout().slots()) {
      for (int64_t k = slot.offset; k < slot.offset + slot.size; ++k) {
        const auto i = static_cast<size_t>(k);
        if (slot.spec.decay) values[i] -= lr * options.weight_decay * values[i];
        m[i] = options.beta1 * m[i] + (1 - options.beta1) * gradient[i];
        v[i] = options.beta2 * v[i] + (1 - options.beta2) * gradient[i] * gradient[i];
        const double m_hat = m[i] / (1 - std::pow(options.beta1, static_cast<double>(t)));
        const double v_hat = v[i] / (1 - std::pow(options.beta2, static_cast<double>(t)));
        values[i] -= lr * m_hat / (std::sqrt(v_hat) + options.epsilon);
      }
    }
  }
};

TEST(TrainStep, IsThePlainAlgorithm) {
  const TinyRun run;
  const StepRoom room(run, with({"train.micro_batch_size=4", "train.clip=0.3"}));
  TrainState state = room.fresh_state();
  TrainState plain = room.fresh_state();
  PlainOptimizer optimizer(plain.model->parameters());
  for (int64_t step = 0; step < 3; ++step) {
    const StepResult result = train_step(state, room.run());

    const int64_t depth = room.schedule().depths_at({.step = step}, {}).front();
    TokenBatch batch;
    room.data().fill_train(step * 4, 4, batch);
    ParameterSet& parameters = plain.model->parameters();
    parameters.zero_gradients();
    const PassOptions reference{.training = true, .kernels = Kernels::kReference};
    const at::Tensor loss = plain.model->loss_sum(to_device(batch, test_device()),
                                                  plain.model->blocks(depth), reference) /
                            64.0;
    loss.backward();
    const at::Tensor gradients = parameters.gradients().cpu();
    const auto* gradient = gradients.const_data_ptr<float>();
    // Linear warm-up over 2.5 % of 12 steps ends within the first step. From there it is cosine,
    // taken at the middle of the step.
    const double share = ((static_cast<double>(step) + 0.5) / 12 - 0.025) / 0.975;
    const double lr = 1e-2 * 0.5 * (1 + std::cos(M_PI * share));
    const RunConfig::Train& train = room.config().train;
    const AdamWOptions options{train.betas[0], train.betas[1], train.epsilon, train.weight_decay};
    optimizer.step(parameters, {gradient, gradient + gradients.numel()}, lr, 0.3, options);
    {
      const at::NoGradGuard no_grad;
      parameters.values().copy_(at::tensor(optimizer.values, at::kFloat));
    }

    EXPECT_EQ(result.depths, std::vector<int64_t>{depth});
    EXPECT_NEAR(result.lr, lr, 1e-12);
    EXPECT_NEAR(result.loss, loss.item<double>(), 1e-6);
    EXPECT_EQ(result.flops, train_flops(room.shape(), depth, 4, 16));
    EXPECT_GT(result.grad_norm, 0.3) << "or clipping is not tested";
    EXPECT_LT(
        largest_difference(state.model->parameters().values(), plain.model->parameters().values()),
        2e-6);
    EXPECT_EQ(state.position.step, step + 1);
    EXPECT_EQ(state.tokens, (step + 1) * 64);
  }
}

TEST(TrainStep, DoesNotDependOnTheMicroBatch) {
  const TinyRun run;
  const StepRoom whole(run, with({"train.micro_batch_size=4"}));
  TrainState expected = whole.fresh_state();
  const StepResult expected_result = train_step(expected, whole.run());
  // 3 leaves a last micro-batch of one.
  for (const char* size : {"1", "2", "3", "1 by depth"}) {
    const std::string number(size, 1);
    const bool by_depth = number != size;
    const StepRoom parts(
        run, with({"train.micro_batch_size=" + number,
                   std::string("train.micro_batch_by_depth=") + (by_depth ? "true" : "false")}));
    TrainState state = parts.fresh_state();
    const StepResult result = train_step(state, parts.run());
    EXPECT_NEAR(result.loss, expected_result.loss, 1e-6) << size;
    EXPECT_NEAR(result.grad_norm, expected_result.grad_norm, 1e-6) << size;
    EXPECT_EQ(result.flops, expected_result.flops) << size;
    EXPECT_LT(largest_difference(state.model->parameters().values(),
                                 expected.model->parameters().values()),
              1e-6)
        << size;
  }
}

TEST(TrainStep, RecomputingChangesTheFlopsAlone) {
  const TinyRun run;
  const std::vector<std::string> overrides = {"train.micro_batch_size=4", "model.dropout=0.2"};
  const StepRoom kept(run, with(overrides));
  TrainState expected = kept.fresh_state();
  for (const char* which : {"deep", "all"}) {
    std::vector<std::string> more = overrides;
    more.push_back(std::string("train.recompute=") + which);
    const StepRoom room(run, with(more));
    TrainState state = room.fresh_state();
    expected = kept.fresh_state();
    for (int64_t step = 0; step < 6; ++step) {
      const StepResult result = train_step(state, room.run());
      const StepResult expected_result = train_step(expected, kept.run());
      EXPECT_NEAR(result.loss, expected_result.loss, 1e-4);
      EXPECT_NEAR(result.grad_norm, expected_result.grad_norm, 1e-3);
      EXPECT_EQ(result.flops > expected_result.flops,
                which == std::string("all") || result.depths[0] > state.model->num_layers());
    }
  }
}

TEST(TrainStep, LogsTheLossThatEvaluationFinds) {
  const TinyRun run;
  // Four sequences in all, so that one step sees what an evaluation sees.
  run.write("train.txt", made_up_text(4 * 16));
  const StepRoom room(run, with({"progressive.depth_sampler=deepest"}));
  ASSERT_EQ(room.data().num_sequences(), 4);
  TrainState state = room.fresh_state();
  const double expected = evaluate(*state.model, 12, room.data(), {}).loss;
  EXPECT_NEAR(train_step(state, room.run()).loss, expected, 1e-6);
}

TEST(TrainStep, RunsTheDepthsOfTheSchedule) {
  const TinyRun run;
  const StepRoom room(run,
                      with({"progressive.depth_draw=micro_batch", "train.duration=60 steps",
                            "progressive.stages=[{layers=3,until=\"50 steps\"},{layers=12}]"}));
  TrainState state = room.fresh_state();
  const DepthDistribution law(DepthSamplerKind::kLvps, 3, 12);
  bool differ_within_a_step = false;
  for (int64_t step = 0; step < 20; ++step) {
    const double flops_before = state.position.flops;
    const StepResult result = train_step(state, room.run());
    const std::vector<int64_t> expected = {draw_depth(law, 42, step, 0),
                                           draw_depth(law, 42, step, 1)};
    EXPECT_EQ(result.depths, expected);
    EXPECT_EQ(state.position.flops - flops_before,
              train_flops(room.shape(), expected[0], 2, 16) +
                  train_flops(room.shape(), expected[1], 2, 16));
    differ_within_a_step |= expected[0] != expected[1];
  }
  EXPECT_TRUE(differ_within_a_step);
}

TEST(TrainStep, DropoutIsKeyedBySeedStepAndMicroBatchAlone) {
  const TinyRun run;
  const std::vector<std::string> overrides = {"model.dropout=0.5",
                                              "progressive.depth_sampler=deepest"};
  const StepRoom room(run, overrides);
  TrainState first = room.fresh_state();
  const StepResult expected = train_step(first, room.run());
  at::rand({1000});  // what others draw in between
  TrainState second = room.fresh_state();
  EXPECT_EQ(train_step(second, room.run()).loss, expected.loss);
  expect_equal_states(first, second);

  auto other_seed = overrides;
  other_seed.push_back("run.seed=43");
  StepRoom other(run, other_seed);
  // The data of the first room, so that only dropout differs.
  other.use_data(room.data());
  TrainState third = room.fresh_state();
  EXPECT_NE(train_step(third, other.run()).loss, expected.loss);

  // One sequence four times: without its own key every micro-batch would drop the same units.
  run.write("train.txt", made_up_text(16));
  const StepRoom single(run, {"model.dropout=0.5", "progressive.depth_sampler=deepest",
                              "train.batch_size=2", "train.micro_batch_size=1"});
  ASSERT_EQ(single.data().num_sequences(), 1);
  const StepRoom alone(run, {"model.dropout=0.5", "progressive.depth_sampler=deepest",
                             "train.batch_size=1", "train.micro_batch_size=1"});
  TrainState both = single.fresh_state();
  TrainState one = alone.fresh_state();
  EXPECT_NE(train_step(both, single.run()).loss, train_step(one, alone.run()).loss);
}

TEST(TrainStep, StopsBeforeTheUpdateWhereTheLossIsNotFinite) {
  const TinyRun run;
  const StepRoom room(run, with({"progressive.depth_sampler=shallowest"}));
  TrainState state = room.fresh_state();
  train_step(state, room.run());
  const at::NoGradGuard no_grad;
  state.model->parameters().values()[5] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor values = state.model->parameters().values().clone();
  const at::Tensor exp_avg = state.optimizer.buffer("exp_avg").clone();
  const at::Tensor exp_avg_sq = state.optimizer.buffer("exp_avg_sq").clone();
  const auto num_steps = state.optimizer.num_steps;
  const RunPosition position = state.position;

  const auto grad = at::AutoGradMode(true);
  EXPECT_EQ(thrown_text<DivergedError>([&] { train_step(state, room.run()); }),
            "step 2: expected a finite loss and gradient, found loss nan, gradient norm nan "
            "(depth 1, learning rate 0.00974); the first gradient that is not finite is that of "
            "'transformer.wte.weight'; nothing was updated; hint: a lower train.lr, a longer "
            "train.warmup or train.clip = 1.0");
  EXPECT_TRUE(
      at::equal(state.model->parameters().values().nan_to_num(-7.0), values.nan_to_num(-7.0)));
  EXPECT_TRUE(at::equal(state.optimizer.buffer("exp_avg"), exp_avg));
  EXPECT_TRUE(at::equal(state.optimizer.buffer("exp_avg_sq"), exp_avg_sq));
  EXPECT_EQ(state.optimizer.num_steps, num_steps);
  EXPECT_EQ(state.position, position);
  EXPECT_EQ(state.tokens, 64);
}

TEST(TrainStep, NamesTheFirstGradientThatIsNotFinite) {
  const TinyRun run;
  const StepRoom room(run, with({"progressive.depth_sampler=shallowest"}));
  TrainState state = room.fresh_state();
  {
    // The weights are so large that the forward pass is finite but the backward pass is not.
    const at::NoGradGuard no_grad;
    const auto& slots = state.model->parameters().layout();
    slot_view(state.model->parameters().values(), slots.slot("transformer.ln_f.weight"))
        .fill_(1e30);
    slot_view(state.model->parameters().values(), slots.slot("transformer.h.0.ln_2.weight"))
        .fill_(1e25);
    slot_view(state.model->parameters().values(), slots.slot("transformer.h.0.mlp.c_fc.weight"))
        .mul_(1e-25);
  }
  const std::string text = thrown_text<DivergedError>([&] { train_step(state, room.run()); });
  EXPECT_TRUE(text.starts_with("step 1: expected a finite loss and gradient, found loss ")) << text;
  EXPECT_NE(text.find("the first gradient that is not finite is that of "
                      "'transformer.h.0.mlp.c_fc.weight'; nothing was updated"),
            std::string::npos)
      << text;
}

TEST(TrainStep, FrozenLayersAreLeftToTheBit) {
  const TinyRun run;
  for (const char* architecture : {"gpt2", "bert"}) {
    const StepRoom room(run, with({std::string("model.architecture=") + architecture,
                                   "data.tokenizer=train:wordpiece:60", "progressive.method=mslt",
                                   "progressive.depth_sampler=shallowest",
                                   "progressive.layer_map=stack", "progressive.trains=new"}));
    TrainState state = room.fresh_state();
    state.stage.index = 1;  // 3 layers, of which the second and the third are new
    state.model = make_model(state.model->spec(), 3, test_device());
    state.model->parameters().initialize(7);
    state.optimizer = room.run().optimizer->fresh_state(state.model->parameters());
    const at::Tensor before = state.model->parameters().values().clone();
    const StepResult result = train_step(state, room.run());
    const int64_t targets = state.model->is_causal() ? 16 : 2;
    EXPECT_EQ(result.flops, train_flops(room.shape(), 3, 4, targets, /*recompute=*/false, 1));
    for (size_t i = 0; i < state.optimizer.num_steps.size(); ++i) {
      const ParameterSlot& slot = state.model->parameters().layout().slots()[i];
      const bool trains = slot.spec.layer >= 1 || slot.spec.role == Role::kHead;
      EXPECT_EQ(state.optimizer.num_steps[i], trains ? 1 : 0) << slot.spec.name;
      const bool same =
          at::equal(slot_view(state.model->parameters().values(), slot), slot_view(before, slot));
      EXPECT_EQ(same, !trains) << slot.spec.name;
    }
  }
}

TEST(TrainStep, ASubnetworkRunsWithScaledBranches) {
  const TinyRun run;
  const StepRoom room(
      run, with({"progressive.depth_sampler=shallowest", "train.micro_batch_size=4",
                 "progressive.stages=[{layers=12,depth=5,until=\"6 steps\"},{layers=12}]"}));
  TrainState state = room.fresh_state();
  TokenBatch batch;
  room.data().fill_train(0, 4, batch);
  const LayerMap layers = random_subnetwork(12, 5, 42, 0, 0);
  const double expected = state.model
                              ->loss_sum(to_device(batch, test_device()), layers,
                                         {.training = true, .branch_scale = std::sqrt(12.0 / 5.0)})
                              .item<double>() /
                          64.0;
  const StepResult result = train_step(state, room.run());
  EXPECT_EQ(result.depths, std::vector<int64_t>{5});
  EXPECT_NEAR(result.loss, expected, 1e-5);
  EXPECT_EQ(result.flops, train_flops(room.shape(), 5, 4, 16));
}

TEST(TrainStep, TheLearningRateRisesAgainAfterGrowth) {
  const TinyRun run;
  const StepRoom room(run, with({"progressive.rewarm=4 steps", "train.lr_schedule=constant",
                                 "progressive.lr_depth_power=1"}));
  TrainState state = room.fresh_state();
  EXPECT_NEAR(train_step(state, room.run()).lr, 12 * 1e-2, 1e-12);
  state.position.step = 3;
  state.stage = {.index = 1, .start = {.step = 3}, .grown = {.step = 3}};
  state.model = make_model(state.model->spec(), 3, test_device());
  state.model->parameters().initialize(7);
  state.optimizer = room.run().optimizer->fresh_state(state.model->parameters());
  for (const double part : {0.125, 0.375, 0.625}) {
    EXPECT_NEAR(train_step(state, room.run()).lr, part * 4 * 1e-2, 1e-12);
  }
}

}  // namespace
}  // namespace apollo

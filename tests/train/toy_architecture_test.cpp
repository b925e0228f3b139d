// A third architecture, defined only in this file and the two registries. It trains, grows,
// resumes, evaluates, reports and is read from its checkpoints, and no other code knows it. It is a
// GPT-2 under another name, so its numbers are known.
#include "arch/architecture.h"
#include "model/models.h"
#include "report/run_history.h"
#include "tiny_run.h"

namespace apollo {
namespace {

const ArchitectureInfo& toy_info() {
  static const ArchitectureInfo info = [] {
    ArchitectureInfo toy = gpt2_info();
    toy.name = "toy";
    toy.title = "Toy";
    toy.write_config = [](const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens) {
      Json config = gpt2_info().write_config(spec, num_layers, tokens);
      config["model_type"] = "toy";
      return config;
    };
    return toy;
  }();
  return info;
}

Architecture toy() {
  static const Architecture architecture = [] {
    const Architecture added = register_architecture(toy_info());
    register_model(added, gpt2_model().second);
    return added;
  }();
  return architecture;
}

class ToyArchitecture : public testing::Test {
 protected:
  ToyArchitecture() { toy(); }

  std::vector<Json> losses(const std::string& name) const {
    std::vector<Json> found;
    for (const char* event : {"step", "eval", "grow"}) {
      for (const Json& row : run_.rows(name, event)) {
        for (const char* key : {"loss", "grad_norm", "flops", "map"}) {
          if (row.contains(key)) found.push_back(row.at(key));
        }
      }
    }
    return found;
  }

  TinyRun run_;
};

TEST_F(ToyArchitecture, TrainsGrowsAndEvaluatesLikeTheOneThatItIs) {
  run_.train("toy", {"model.architecture=toy"});
  run_.train("gpt2");
  EXPECT_EQ(losses("toy"), losses("gpt2"));
  EXPECT_EQ(run_.rows("toy", "grow").size(), 3U);
}

TEST_F(ToyArchitecture, ResumesToTheBit) {
  const std::vector<std::string> overrides = {"model.architecture=toy"};
  run_.train("whole", overrides);
  {
    Trainer stopped(run_.open("stopped", overrides));
    for (int i = 0; i < 7; ++i)
      stopped.step();
  }
  run_.train("stopped", overrides);
  expect_equal_states(run_.latest("stopped").state, run_.latest("whole").state);
  EXPECT_EQ(losses("stopped"), losses("whole"));
}

TEST_F(ToyArchitecture, IsReadFromItsCheckpointsAndReported) {
  run_.train("toy", {"model.architecture=toy"});
  const LoadedCheckpoint loaded = run_.latest("toy");
  EXPECT_EQ(loaded.state.model->spec().shape.architecture, toy());
  const RunHistory history = read_run(run_ / "toy");
  EXPECT_EQ(history.info.architecture, "toy");
  EXPECT_EQ(history.growths.size(), 3U);
}

TEST_F(ToyArchitecture, IsNamedWhereAnUnknownOneIs) {
  try {
    run_.config({"model.architecture=tox"});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(
        std::string(error.what())
            .find(
                "one of 'gpt2', 'bert', 'llama', 'qwen3', 'modernbert', 'toy' (got string 'tox')"),
        std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace apollo

// apollo_lm._engine: everything that computes with LibTorch. It uses the process and the LibTorch
// of Python's torch, which must be imported first.
#include "python/engine_module.h"

NB_MODULE(_engine, module) {
  using namespace apollo::python;
  translate_exceptions();
  outlive_calls();
  bind_log_level(module);
  bind_train(module);
  bind_model(module);
  bind_finetune(module);
}

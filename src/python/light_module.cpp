// apollo_lm._light: everything that works on text, configs and logs, without LibTorch.
// python/apollo_lm/ wraps these functions; results with many parts are passed as JSON text.
#include "python/light_module.h"

NB_MODULE(_light, module) {
  using namespace apollo::python;
  translate_exceptions();
  outlive_calls();
  bind_tokenizer(module);
  bind_data(module);
  bind_plan(module);
  bind_report(module);
}

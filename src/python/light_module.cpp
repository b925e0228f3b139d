// apollo_lm._light: what works on text, configs and logs, without LibTorch. The functions here are
// what python/apollo_lm/ wraps; results of many parts travel as JSON text.
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

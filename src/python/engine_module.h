// The parts of apollo_lm._engine.
#pragma once

#include "python/engine_call.h"

namespace apollo::python {

void bind_train(nb::module_& module);
void bind_model(nb::module_& module);
void bind_finetune(nb::module_& module);

}  // namespace apollo::python
